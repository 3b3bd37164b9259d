"""What the servers on the tapes really did, beside the local model, and beside the best server_vad for them."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from bridge.tapes.tape import SHADOW
from bridge.text.wording import counted
from replay.vad.report.view import View
from replay.vad.report.words import (
    METRICS,
    Metric,
    amount,
    at_least,
    between,
    in_words,
    named,
    sentence,
    written,
)
from replay.vad.study.observed import Observed
from replay.vad.study.recommend import Choice, rival
from replay.vad.study.study import Study
from replay.vad.study.sweep import CLIPPED

MOST_DETECTIONS: Final = 6
"""Turn detections told of, those with most calls: more are no table any more."""


def whose(told: Observed) -> str:
    """Return which turn detection that was, in words."""
    return f"{'a shadow: ' if told.leg == SHADOW else ''}{named(told.setting)}"


def in_force(study: Study) -> Observed | None:
    """Return what the calls' own sessions did under the setting of today; None where none had it."""
    own = (one for one in study.observed if one.leg != SHADOW and one.setting == study.current)
    return next(own, None)


# ---------------------------------------------------------------- where the model is another


def differing(study: Study) -> Iterator[str]:
    """Yield a sentence for each turn detection on the tapes that the local model does not stand for."""
    for told in study.observed:
        parts = [_gap(told, metric) for metric in METRICS if metric.name in told.differs_in]
        if parts:
            yield sentence(f"{whose(told)}, in {counted(told.calls, 'call')}: {'; '.join(parts)}")


def _gap(told: Observed, metric: Metric) -> str:
    here, there = (amount(side[metric.name].value, metric.unit) for side in (told.measured, told.modelled))
    return f"{metric.title.lower()} {here}, where the model says {there}"


def differing_first(view: View) -> str:
    """Return what stands before any advice; empty where observed and modelled agree."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in differing(view.study))
    if not lines:
        return ""
    return (
        '<div class="differs" role="note"><b>The server did not do what the local model says of it.</b> What follows '
        f"is off by about as much.<ul>{lines}</ul></div>"
    )


# ---------------------------------------------------------------- a table of all that was heard


def observed_section(view: View) -> str:
    """Return what each turn detection on the tapes really did, and how semantic_vad compares; empty for none."""
    told = view.study.observed
    if not told or told == (in_force(view.study),):  # that stands in the first table
        return ""
    shown = sorted(told, key=lambda one: -one.calls)[:MOST_DETECTIONS]
    left = len(told) - len(shown)
    note = (
        "Counted from the server\u2019s own events on the tapes, against the same truth. In brackets: what the local "
        "model says of the same setting, same calls. " + _when_known(shown)
    )
    rest = f'<p class="dim">{left} more with fewer calls are left out.</p>' if left else ""
    return (
        f'<h2 id="heard">What the server really did</h2><p class="note">{escape(note.strip())}</p>'
        f'<div class="first"><div>{_table(shown, view.study.sweep.unknown)}{rest}</div>'
        f"<div>{''.join(_beside_server_vad(view, one) for one in shown)}</div></div>"
    )


def _when_known(told: Sequence[Observed]) -> str:
    """Return by what moment an end is known, where there is semantic_vad among these."""
    if not any(one.is_semantic for one in told):
        return ""
    ways = [one.way_ms for one in told if one.way_ms is not None]
    way = f"; server_vad\u2019s events took {max(ways):.0f} ms to get here" if ways else ""
    return f"semantic_vad\u2019s ends are counted when their event came, for it does not tell how long it waited{way}."


def _table(told: Sequence[Observed], unknown: frozenset[str]) -> str:
    heads = "".join(
        f'<th class="n">{escape(whose(one))}<span class="range">{counted(one.calls, "call")}, '
        f"{counted(round(one.totals['turns']), 'turn')}</span>"
        for one in told
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(metric.title)}{cells}</tr>'
        for metric in METRICS
        for cells in ("".join(_cell(one, metric, metric.name in unknown) for one in told),)
    )
    return f'<div class="wide"><table class="numbers heard"><tr><th>{heads}</tr>{rows}</table></div>'


def _cell(told: Observed, metric: Metric, is_unknown: bool) -> str:
    if metric.name == CLIPPED and told.is_semantic:
        return '<td class="n dim">not told'  # what it keeps from before the speech is not documented
    if is_unknown:
        return f'<td class="n dim">unknown<span class="floor">{at_least(metric, told.measured)}</span>'
    here, model = told.measured[metric.name], told.modelled.get(metric.name)
    kind = "tag unclear" if metric.name in told.differs_in else "dim"
    beside = f' <span class="{kind}">({amount(model.value, metric.unit)})</span>' if model else ""
    return (
        f'<td class="n"><b>{amount(here.value, metric.unit)}</b>{beside}'
        f'<span class="dim range">{between(here, metric.unit)}</span>'
    )


# ---------------------------------------------------------------- semantic_vad beside server_vad


def _beside_server_vad(view: View, told: Observed) -> str:
    if not told.is_semantic:
        return ""
    lines = "".join(f"<p>{escape(line)}</p>" for line in beside_server_vad(view.study, told))
    return f'<div class="card"><h3>{escape(whose(told))}, beside server_vad</h3>{lines}</div>'


def beside_server_vad(study: Study, told: Observed) -> Iterator[str]:
    """Yield what it did in words, and what the best server_vad would do for the same callers."""
    cut, missed, delay, late = (
        amount(told.measured[name].value, "ms" if name.endswith("_ms") else "share")
        for name in ("turns_cut", "short_missed", "delay_mean_ms", "delay_p90_ms")
    )
    yield (
        f"It cut off {cut} of turns, missed {missed} of short replies, and told a turn\u2019s end {delay} after it, "
        f"one in ten later than {late}."
    )
    chosen = study.recommendation.chosen
    if chosen and study.status != "uncalibrated":
        yield _within_the_budget(chosen, told)
    found = rival(study.sweep, told.measured, study.recommendation.known)
    yield from _compared(found.as_careful, found.as_quick, told)
    if study.status == "uncalibrated":
        yield "That is by the local engine\u2019s own ears: nothing shows that server_vad hears as it does."


def _within_the_budget(chosen: Choice, told: Observed) -> str:
    later, cut = (
        chosen.measured[name].value - told.measured[name].value for name in ("delay_mean_ms", "turns_cut")
    )
    return (
        f"The quickest server_vad within the budget, {in_words(chosen.setting)}, answers "
        f"{written(abs(later), 'ms')} {'later' if later > 0 else 'sooner'} and cuts off {written(abs(cut), 'share')} "
        f"{'more' if cut > 0 else 'fewer'} of turns."
    )


def _compared(careful: Choice | None, quick: Choice | None, told: Observed) -> Iterator[str]:
    if careful is None:
        yield "No server_vad setting that was tried cuts off so few turns without missing more or starting at noise."
    else:
        apart = careful.measured["delay_mean_ms"].value - told.measured["delay_mean_ms"].value
        yield (
            f"The quickest server_vad that is no worse in any of that: {in_words(careful.setting)}. It answers "
            f"{written(abs(apart), 'ms')} {'later' if apart > 0 else 'sooner'}."
        )
    if quick is None:
        yield "None that was tried is as quick."
    else:
        apart = quick.measured["turns_cut"].value - told.measured["turns_cut"].value
        yield (
            f"Of those as quick, the one that cuts off least: {in_words(quick.setting)}, with "
            f"{written(abs(apart), 'share')} {'more' if apart > 0 else 'fewer'} of turns cut off."
        )
