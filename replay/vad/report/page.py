"""A study as one HTML page that needs nothing else: what to set, what it costs, how sure that is; then the proof."""

from collections.abc import Iterator, Sequence
from html import escape
from math import isnan
from pathlib import Path
from typing import Any, Final

import msgspec

from bridge.text.wording import counted
from replay.vad.report.asking import asked_data
from replay.vad.report.calls import MOST_AUDIO_MS, calls_data, timeline
from replay.vad.report.headline import headline
from replay.vad.report.heard import observed_section
from replay.vad.report.moments import MOST_DRAWN_MS, Told, listed
from replay.vad.report.study_charts import charts
from replay.vad.report.top import top
from replay.vad.report.view import View
from replay.vad.report.words import METRICS, MINUS, in_words, sentence
from replay.vad.study.ask import Question, questions
from replay.vad.study.recommend import Choice
from replay.vad.study.study import Study
from replay.vad.study.sweep import CLIPPED, RATIOS

HERE: Final = Path(__file__).parent
MOST_BYTES: Final = 8_000_000
"""A page is never larger: sound and timelines are bounded, the rest does not grow with the number of calls."""

ROLES: Final = {
    "keep": "what you have", "impossible": "nearest", "uncalibrated": "candidate", "blind": "candidate",
    "beyond": "on a shadow", "risky": "just within", "semantic": "server_vad",
}  # fmt: skip
OTHERS: Final = {
    "pauses_cut": ("turns_cut", "Pauses cut"), "missed": ("short_missed", "Turns missed"),
    "false_agent_per_hour": ("false_per_hour", "\u2026 agent speaking"),
    "false_quiet_per_hour": ("false_per_hour", "\u2026 agent quiet"),
    "delay_p50_ms": ("delay_mean_ms", "Answer delay, median"), "delay_p95_ms": ("delay_p90_ms", "Answer delay, P95"),
}  # fmt: skip
"""What a tooltip has besides, each after which metric."""


def page(study: Study, *, title: str = "", asked: Sequence[Question] | None = None) -> str:
    """Return a study as one HTML page that needs nothing else, with the sound of the moments that would change.

    `asked`: the moments that a person is asked to label; those that would tell most unless told.
    It is never larger than MOST_BYTES but for grids of tens of thousands of settings.
    """
    view = View(study, _shown(study), ROLES.get(study.status, "recommended"))
    asked = questions(study) if asked is None else asked
    text = _page(Told.of(view, MOST_AUDIO_MS, asked), title)
    if len(text.encode()) > MOST_BYTES:  # a fine grid leaves less room
        text = _page(Told.of(view, MOST_AUDIO_MS // 4, asked), title)
    return text


def _page(told: Told, title: str) -> str:
    view = told.view
    proof = (observed_section(view), charts(view), listed(told))
    body = "".join((top(view), *proof, timeline(told), _method(view)))
    agent = view.study.agent
    name = escape(title or f"Turn detection for {agent}: {headline(view.study)}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{_file('page.css')}</style><body>{body}"
        f'<div id="tip" role="status" hidden></div>'
        f'<script type="application/json" id="data">{_data(view, told)}</script>'
        f"<script>{_file('page.js')}</script>\n"
    )


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _shown(study: Study) -> Choice | None:
    """Return the setting that the page is about: the chosen one, or what comes nearest to being chosen."""
    found = study.recommendation
    return found.chosen or found.risky or found.beyond or found.nearest


# ---------------------------------------------------------------- what the script needs


def _data(view: View, told: Told) -> str:
    """Return JSON that no string in it can break out of."""
    sweep, hearing = view.study.sweep, view.study.hearing
    current = view.study.current
    choices = {"now": current if view.now or not view.shown else None,
               "then": view.shown.setting if view.shown else None}  # fmt: skip
    data = {
        "role": view.role,
        "thresholds": sweep.grid.thresholds,
        "silences": sweep.grid.silences_ms,
        "metrics": [_metric_data(view, name, title, unit) for name, title, unit in _named()],
        "marks": {name: round(hearing.threshold(one.threshold), 3) for name, one in choices.items() if one},
        "settings": {name: in_words(one) for name, one in choices.items() if one},
        "calls": calls_data(told),
        "asked": asked_data(view.study, told.calls, told.asked),
    }
    text = msgspec.json.encode(data).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _named() -> Iterator[tuple[str, str, str]]:
    for metric in METRICS:
        yield metric.name, metric.title, metric.unit
        for name in (name for name, (after, _) in OTHERS.items() if after == metric.name):
            yield name, OTHERS[name][1], _unit(name)


def _unit(name: str) -> str:
    return "ms" if name.endswith("_ms") else "count" if RATIOS.get(name, ((), ""))[1] == "hours" else "share"


def _metric_data(view: View, name: str, title: str, unit: str) -> dict[str, Any]:
    sweep = view.study.sweep
    sides = []
    for side in (sweep.values, sweep.low, sweep.high):
        values = side[name][:, :, view.focus[2]] if name == CLIPPED else side[name]
        digits = 0 if unit == "ms" else 1 if unit == "count" else 4
        sides.append([[None if isnan(one) else round(one, digits) for one in row] for row in values.tolist()])
    return {"name": name, "title": title, "unit": unit, "values": sides[0], "low": sides[1], "high": sides[2]}


# ---------------------------------------------------------------- how it was found out


def _method(view: View) -> str:
    study = view.study
    budget, hearing = study.recommendation.budget, study.hearing
    lines = (
        "A turn is cut off when its end is announced after it was noticed and before it is over. A false start is "
        "speech announced where no caller speaks and nobody is unsure. A short reply is a turn up to 800 ms.",
        f"Budget: at most {budget.turns_cut_percent:g} % of turns cut off, short replies missed within "
        f"{_points(budget.missed_above_best_points)} of the best setting, {budget.false_per_hour:g} false starts an "
        f"hour, {budget.onset_clipped_percent:g} % of beginnings clipped. Of what it allows, the quickest setting is "
        "recommended, so it lies at the budget\u2019s edge.",
        f"Tried: {study.sweep.grid.size:,} settings. Local engine in terms of the server\u2019s: threshold \u00d7 "
        f"{hearing.slope:g} {'+' if hearing.shift >= 0 else MINUS} {abs(hearing.shift):g}, hysteresis "
        f"{hearing.hysteresis:g}, {counted(hearing.start_windows, 'window')} of 32 ms to begin, events "
        f"{hearing.lag_ms} ms later.",
        "These calls are played back as they were: no caller answers another agent. In a live call they would have "
        "reacted to what the new setting does.",
        f"This page holds at most {MOST_AUDIO_MS // 60_000} minutes of sound, {MOST_DRAWN_MS // 60_000} minutes of "
        f"drawn calls and {MOST_BYTES // 1_000_000} MB.",
    )
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    verdict = f"<p>{escape(sentence(study.calibration.verdict()))}</p>" if study.calibration else ""
    return f'<h2>How this was found out</h2><div class="note">{told}{verdict}</div>'


def _points(count: float) -> str:
    return "1 point" if count == 1 else f"{count:g} points"
