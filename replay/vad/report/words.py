"""What the page of a study says in words: headline, gains and costs, how sure it is, what to beware of. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, isinf, isnan
from typing import Final

import numpy as np
from attrs import frozen

from bridge.settings.turn_detection import SemanticVad, TurnBudget
from bridge.text.wording import counted
from replay.vad.engine.machine import Setting
from replay.vad.study.budget import limits
from replay.vad.study.intervals import LEVEL
from replay.vad.study.recommend import Choice, spread
from replay.vad.study.study import Study
from replay.vad.study.sweep import CLIPPED, DRAWN, Measured, Sweep
from replay.vad.study.unknown import FLOORS, tells_nothing
from replay.vad.truth.corpus import ENDED_WITHIN_MS

FEW_CALLS: Final = 20
"""With fewer, the resamples hold too few different calls: intervals come out too narrow."""

FEW_SHORT: Final = 30
"""With fewer short replies, one more missed is three points and more."""

MINUS: Final = "\u2212"
SURE_MS: Final = 120
FAIRLY_MS: Final = 300
"""How far apart the silences may lie that eight of ten resamples choose: a caller hardly notices the first, and the
second is as much as there is between a hasty agent and a calm one."""

NOT_VERY: Final = "Not very sure"


@frozen
class Metric:
    """How one number is named and written. unit: share, ms or count. gain, loss: what a smaller or a larger one is."""

    name: str
    title: str
    unit: str
    smaller: str
    larger: str


METRICS: Final = (
    Metric("turns_cut", "Turns cut off", "share", "fewer turns cut off", "more turns cut off"),
    Metric("short_missed", "Short replies missed", "share", "fewer short replies missed", "more short replies missed"),
    Metric("false_per_hour", "False starts per hour", "count", "fewer false starts an hour",
           "more false starts an hour"),
    Metric(CLIPPED, "Beginnings clipped", "share", "fewer beginnings clipped", "more beginnings clipped"),
    Metric("not_ended", "Turns not ended", "share", "fewer turns not ended", "more turns not ended"),
    Metric("delay_mean_ms", "Answer delay, mean", "ms", "less delay", "more delay"),
    Metric("delay_p90_ms", "Answer delay, P90", "ms", "less delay", "more delay"),
)  # fmt: skip
"""What stands on the first screen. The delay is until the turn is taken to be over; the model's own comes on top."""


def amount(value: float, unit: str, beyond_ms: int = ENDED_WITHIN_MS) -> str:
    """Return a number with its unit, as people write it; a delay without end is longer than `beyond_ms`."""
    if isnan(value):
        return "none"
    if isinf(value):  # the delay of turns that were not ended
        return f"> {beyond_ms / 1000:g} s"
    if unit == "share":
        return f"{value * 100:.1f} %"
    if unit == "ms":
        return f"{value:.0f} ms"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def percent(share: float) -> str:
    """Return a share in whole percent."""
    return f"{share * 100:.0f} %"


def between(measured: Measured, unit: str) -> str:
    """Return an interval as text; empty when nothing could be counted."""
    if not all(map(isfinite, (measured.value, measured.low, measured.high))):
        return ""
    low, high = (amount(end, unit).split()[0] for end in (measured.low, measured.high))
    return f"{low}\u2013{high}"


def with_interval(measured: Measured, unit: str) -> str:
    """Return an amount as text, and its interval if it has one."""
    interval = between(measured, unit)
    return amount(measured.value, unit) + (f" ({interval})" if interval else "")


def difference(sweep: Sweep, metric: str, now: Choice, then: Choice) -> Measured | None:
    """Return how much a metric changes, with its interval over the same resamples; None where those were not kept."""
    if metric not in DRAWN:
        return None
    there, here = (place[: 3 if metric == CLIPPED else 2] for place in (then.place, now.place))
    draws = np.moveaxis(sweep.draws[metric], 0, -1)
    apart = np.sort(draws[there] - draws[here])
    if not len(apart):
        return None
    last = len(apart) - 1
    ends = (apart[round(last * (1 - LEVEL) / 2)], apart[round(last * (1 + LEVEL) / 2)])
    value = then.measured[metric].value - now.measured[metric].value
    return Measured(float(value), float(ends[0]), float(ends[1]))


def in_words(setting: Setting) -> str:
    """Return a setting as a reader would say it."""
    return (
        f"threshold {setting.threshold:g}, silence {setting.silence_duration_ms} ms, "
        f"prefix {setting.prefix_padding_ms} ms"
    )


def allowed(sweep: Sweep, budget: TurnBudget) -> Mapping[str, float]:
    """Return the most that the budget allows, by metric, in the metric's own unit; NaN where nothing was counted."""
    most = {name: float(np.squeeze(one)) for name, one in limits(sweep.values, budget).items()}
    return {name: one if isfinite(one) else np.nan for name, one in most.items()}


def named(setting: Setting | SemanticVad) -> str:
    """Return a turn detection as a reader would say it."""
    return (
        in_words(setting) if isinstance(setting, Setting) else f"semantic_vad, eagerness {setting.eagerness}"
    )


def sentence(text: str) -> str:
    """Return text that begins and ends as a sentence does."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def written(value: float, unit: str) -> str:
    """Return the size of a difference."""
    return f"{value * 100:.1f} points" if unit == "share" else amount(value, unit)


def at_least(metric: Metric, measured: Mapping[str, Measured]) -> str:
    """Return what is sure of an unknown number: that it is no less than what was counted, or nothing."""
    told = measured[metric.name].value
    return f"at least {amount(told, metric.unit)}" if metric.name in FLOORS and told > 0 else ""


def unknown_parts(study: Study) -> list[str]:
    """Return the parts of the budget that the calls can't tell of, in words."""
    most = allowed(study.sweep, study.recommendation.budget)
    return [one.title.lower() for one in METRICS if one.name in study.sweep.unknown and one.name in most]


# ---------------------------------------------------------------- how sure


def how_sure(study: Study) -> str:
    """Return the answer to "how sure are you?" in a few words."""
    if study.status == "uncalibrated":
        return "Not sure at all"
    if study.status == "blind":
        return "Not to be known from these calls"
    if study.status == "beyond":
        return "Not known there"
    if any(one.differs_in for one in study.observed):
        return NOT_VERY
    if study.status in ("semantic", "risky"):
        return NOT_VERY if study.sweep.calls < FEW_CALLS or study.status == "risky" else "Fairly sure"
    if study.status == "impossible":
        return "No setting gets there" if study.sweep.calls >= FEW_CALLS else "Few calls say so"
    told = spread(study.sweep, study.recommendation)
    if study.sweep.calls < FEW_CALLS or told is None or told.nowhere > MOST_NOWHERE:
        return NOT_VERY
    width_ms, meets = told.silences_ms[1] - told.silences_ms[0], study.recommendation.meets
    has_all = set(study.sources) != {"derived"} and not study.sweep.unknown
    if width_ms <= SURE_MS and meets >= SURELY_MEETS and has_all:
        return "Quite sure"  # chance is not all there is: what is worked out from the calls alone errs to one side
    fairly = "Fairly sure, of what these calls tell" if study.sweep.unknown else "Fairly sure"
    return fairly if width_ms <= FAIRLY_MS and meets >= SURELY_MEETS / 2 else NOT_VERY


MOST_NOWHERE: Final = 0.2
SURELY_MEETS: Final = 0.5
"""What lies at the budget's very edge is within it half of the time."""


SAID: Final = {
    "labels": "marked by a person", "composed": "composed of known parts", "derived": "worked out from the call itself",
}  # fmt: skip


def sources(study: Study) -> str:
    """Return where the truth comes from, with counts."""
    checked = sum(len(truth.checked or ()) for truth in study.truths)
    said = ", ".join(
        f"{count} {'call' if count == 1 else 'calls'} {SAID[source]}"
        for source, count in sorted(study.sources.items())
    )
    return f"{said}; {counted(checked, 'moment')} of them checked by a person" if checked else said


def warnings(study: Study) -> Iterator[str]:
    """Yield what a reader must beware of, shortest first screenful first."""
    calls, totals = study.sweep.calls, study.sweep.totals
    if calls < FEW_CALLS:
        many = "One call" if calls == 1 else f"{calls} calls"
        yield f"{many}: under {FEW_CALLS}, the intervals are too narrow to trust."
    if not totals["short"]:
        yield "No short reply in these calls: nothing is known of missed ones, and the budget for them is not used."
    elif totals["short"] < FEW_SHORT:
        count, each = totals["short"], percent(1 / totals["short"])
        yield f"Only {count:.0f} short replies: each one missed moves the share by {each}."
    if study.sources.get("derived") and not tells_nothing(study.sweep.unknown):
        yield (
            "Truth worked out from the calls themselves flatters: it knows of few missed replies, clipped beginnings "
            "and false starts, of too few cut-offs where the agent was quick, and its delays are no surer than where "
            "it ends a turn. Label some: replay vad labels."
        )
    if study.calibration is None and study.status != "uncalibrated":
        yield "Not calibrated: nothing shows that the local engine hears as the server does."
    if (
        study.status in ("change", "keep")
        and study.calibration
        and (beyond := _beyond(study.calibration.known, study.sweep.grid.thresholds))
    ):
        yield beyond
    if edge := _edge(study):
        yield edge
    if study.current and not study.recommendation.current:
        yield f"What is set now ({in_words(study.current)}) is not in the grid that was tried."


def _edge(study: Study) -> str:
    """Say that the advice lies at the edge of what was tried; empty when it doesn't."""
    advised, grid = study.advised, study.sweep.grid
    low, high = study.recommendation.known
    within = [
        one for one in (grid.thresholds[0], grid.thresholds[-1]) if low < one < high
    ]  # others say why themselves
    for value, tried, name, unit in (
        (advised and advised.threshold in within and advised.threshold, grid.thresholds, "threshold", ""),
        (advised and advised.silence_duration_ms, grid.silences_ms, "silence", " ms"),
    ):
        if value is not None and len(tried) > 1 and value in (tried[0], tried[-1]):
            end, other = ("lowest", "lower") if value == tried[0] else ("highest", "higher")
            return f"{value:g}{unit} is the {end} {name} that was tried: try {other} ones too (--{name}s)."
    return ""


def _beyond(known: tuple[float, float], tried: Sequence[float]) -> str:
    """Say that nothing is recommended beyond what the server was heard at; empty when all that was tried is near it."""
    low, high = known
    if low <= tried[0] and tried[-1] <= high:
        return ""
    return (
        f"Only thresholds from {low:g} to {high:g} are recommended: no call shows how the server hears beyond. Calls "
        "with another threshold would, or a shadow that has one."
    )
