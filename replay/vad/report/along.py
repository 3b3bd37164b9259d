"""What each of a setting's three numbers does by itself, with the others held: the smaller charts of a study."""

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from attrs import evolve

from replay.vad.report.charts import Axis, Bar, Chart, Line, Rule, reaching
from replay.vad.report.view import View, figure
from replay.vad.report.words import allowed, amount, percent, with_interval
from replay.vad.study.sweep import CLIPPED

LONGEST_PAUSE_MS: Final = 1600
SMALL: Final = 220


def along(view: View) -> str:
    """Return the charts along one axis."""
    figures = (_missed(view), _false(view), _clipped(view), _survival(view))
    return f'<h2>One setting at a time</h2><div class="pair">{"".join(figures)}</div>'


def _missed(view: View) -> str:
    limit = allowed(view.study.sweep, view.study.recommendation.budget)["short_missed"]
    rules = [Rule(limit, f"budget {amount(limit, 'share')}")] if np.isfinite(limit) else []
    return _against_threshold(
        view, "short_missed", "Short replies missed",
        f"Turns up to 800 ms that turn detection never noticed, at {_silence(view)} ms of silence.", rules,
    )  # fmt: skip


def _silence(view: View) -> int:
    return view.study.sweep.grid.silences_ms[view.focus[1]]


def _uprights(view: View, values: Sequence[float]) -> list[Rule]:
    """Return rules at the values that are set now and recommended; one where they are the same."""
    names = [(name, shape) for _, shape, name in view.chosen()]
    if len(set(values)) == 1 and len(values) == 2:
        return [Rule(values[0], "now and " + view.role, upright=True, kind="advised")]
    return [
        Rule(value, name, upright=True, kind=shape, to_left=value < max(values))
        for value, (name, shape) in zip(values, names, strict=True)
    ]


def _against_threshold(view: View, metric: str, title: str, text: str, rules: list[Rule]) -> str:
    sweep, silence = view.study.sweep, view.focus[1]
    if np.isnan(sweep.values[metric][:, silence]).all():
        return _nothing(title, "These calls have none, so there is nothing to count.")
    bars = [
        Bar(threshold, told.value, told.low, told.high,
            label=f"threshold {threshold:g}: {with_interval(told, 'share')}")
        for number, threshold in enumerate(sweep.grid.thresholds)
        for told in (sweep.at(metric, number, silence),)
    ]  # fmt: skip
    y = reaching([bar.high for bar in bars], title, percent=True, least=0.02)
    chosen = _uprights(view, [choice.setting.threshold for choice, _, _ in view.chosen()])
    label = f"{title} by threshold: " + ", ".join(bar.label for bar in bars[:: max(1, len(bars) // 4)])
    return figure(title, text, Chart(_thresholds(view), y, label, bars=bars, rules=[*rules, *chosen],
                                      height=SMALL).svg())  # fmt: skip


def _nothing(title: str, why: str) -> str:
    return f"<figure><h3>{escape(title)}</h3><p class='note'>{escape(why)}</p></figure>"


def _thresholds(view: View) -> Axis:
    values = view.study.sweep.grid.thresholds
    room = max((values[-1] - values[0]) * 0.04, 0.01)
    return Axis(values[0] - room, values[-1] + room, "Threshold \u2192")


def _false(view: View) -> str:
    sweep, silence = view.study.sweep, view.focus[1]
    lines = [
        Line(
            _by_threshold(view, metric), kind, name,
            band=[(t, *pair) for t, *pair in zip(sweep.grid.thresholds, sweep.low[metric][:, silence].tolist(),
                                                 sweep.high[metric][:, silence].tolist(), strict=True)],
        )
        for metric, kind, name in (
            ("false_agent_per_hour", "agent", "while the agent speaks"),
            ("false_quiet_per_hour", "quiet", "while the agent is quiet"),
        )
    ]  # fmt: skip
    y = reaching([high for line in lines for _, _, high in line.band], "False starts per hour", least=1)
    label = "False starts per hour by threshold, while the agent speaks and while it is quiet."
    chosen = _uprights(view, [choice.setting.threshold for choice, _, _ in view.chosen()])
    text = (
        "Noise or echo taken for a caller; while the agent speaks, each one silences it. The budget is for both "
        "together."
    )
    return figure(
        "False starts", text, Chart(_thresholds(view), y, label, lines, rules=chosen, height=SMALL).svg()
    )


def _by_threshold(view: View, metric: str) -> list[tuple[float, float]]:
    sweep = view.study.sweep
    return list(zip(sweep.grid.thresholds, sweep.values[metric][:, view.focus[1]].tolist(), strict=True))


def _clipped(view: View) -> str:
    sweep, (threshold, silence, _) = view.study.sweep, view.focus
    title = "Beginnings clipped"
    measured = [
        sweep.at(CLIPPED, threshold, silence, number) for number in range(len(sweep.grid.prefixes_ms))
    ]
    if all(np.isnan(one.value) for one in measured):
        return _nothing(title, "No turn was found, so there is nothing to count.")
    bars = [
        Bar(prefix, told.value, told.low, told.high,
            label=f"prefix {prefix} ms: {with_interval(told, 'share')}")
        for prefix, told in zip(sweep.grid.prefixes_ms, measured, strict=True)
    ]  # fmt: skip
    limit = view.study.recommendation.budget.onset_clipped_percent
    chosen = _uprights(view, [choice.setting.prefix_padding_ms for choice, _, _ in view.chosen()])
    top = max(sweep.grid.prefixes_ms[-1], 100)
    x = Axis(-0.05 * top, 1.05 * top, "Prefix padding, ms \u2192")
    y = reaching([bar.high for bar in bars], title, percent=True, least=limit / 100)
    rules = [Rule(limit / 100, f"budget {limit:g} %"), *chosen]
    label = f"{title} by prefix padding: " + ", ".join(bar.label for bar in bars)
    text = (
        f"Turns that lose more than 50 ms of their first sound, at threshold {view.threshold}: "
        "a longer prefix costs no delay."
    )
    return figure(title, text, Chart(x, y, label, bars=bars, rules=rules, height=SMALL).svg())


def _survival(view: View) -> str:
    title = "How long callers pause"
    lengths = np.sort(view.study.corpus.pause_ms)
    if not len(lengths):
        return _nothing(title, "No pause of 200 ms or more within a turn.")
    at = np.arange(200, LONGEST_PAUSE_MS + 1, 10)
    longer = 1 - np.searchsorted(lengths, at, side="right") / len(lengths)
    chosen = _uprights(view, [choice.setting.silence_duration_ms for choice, _, _ in view.chosen()])
    told = {rule.value: float((lengths > rule.value).mean()) for rule in chosen}
    rules = [evolve(rule, name=f"{rule.name}: {percent(told[rule.value])}") for rule in chosen]
    label = "Share of pauses within turns that last longer: " + ", ".join(rule.name for rule in rules)
    line = Line(list(zip(at.tolist(), longer.tolist(), strict=True)), "strong")
    text = (
        f"Of {len(lengths):,} pauses within turns, those that last longer than this; each such pause is one that "
        "a setting with so much silence cuts."
    )
    x, y = Axis(200, LONGEST_PAUSE_MS, "Pause, ms \u2192"), Axis(0, 1, "Last longer", percent=True)
    return figure(title, text, Chart(x, y, label, [line], rules=rules, height=SMALL).svg())
