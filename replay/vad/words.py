"""What a study came to, in words: for the screen and for the page."""

from collections.abc import Mapping
from math import isnan
from typing import Final

from replay.vad.calibrate import ENOUGH
from replay.vad.machine import Setting
from replay.vad.study import Study
from replay.vad.sweep import Measured

COSTS: Final[Mapping[str, tuple[str, str]]] = {
    "turns_cut": ("turns cut off", "share"),
    "pauses_cut": ("pauses of 200 ms and more cut", "share"),
    "short_missed": ("short replies missed", "share"),
    "false_per_hour": ("false starts an hour", "count"),
    "false_agent_per_hour": ("of them while the agent speaks", "count"),
    "delay_mean_ms": ("response delay, mean", "ms"),
    "delay_p90_ms": ("response delay, 90 %", "ms"),
    "onset_clipped": ("beginnings clipped", "share"),
}
"""What callers bear, in the order of a table: a metric's title and unit."""


def shown(setting: Setting) -> str:
    """Return a setting in one line."""
    return (
        f"threshold {setting.threshold:g}, silence {setting.silence_duration_ms} ms, "
        f"prefix {setting.prefix_padding_ms} ms"
    )


def amount(value: float, unit: str) -> str:
    """Return a number as people read it; a dash for what could not be counted."""
    if isnan(value):
        return "\u2013"
    if unit == "share":
        return f"{value * 100:.1f} %"
    return f"{value:.0f} ms" if unit == "ms" else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def between(one: Measured, unit: str) -> str:
    """Return a number with the ends of its interval."""
    if isnan(one.value):
        return amount(one.value, unit)
    low, high = amount(one.low, unit).split(" ")[0], amount(one.high, unit)
    return f"{amount(one.value, unit)} [{low} to {high}]"


def headline(study: Study) -> str:
    """Return the answer in one sentence."""
    if study.advised and study.status == "keep":
        return f"Keep what you have: {shown(study.advised)}."
    if study.advised:
        return f"Set {shown(study.advised)}."
    if study.status == "impossible":
        return "No server_vad setting meets this budget; try semantic_vad."
    return "No recommendation: nothing shows that the local model hears as the server does."


def certainty(study: Study, enough: float = ENOUGH) -> list[str]:
    """Return what the answer stands on, a sentence each."""
    totals, found = study.sweep.totals, study.recommendation
    told = [
        f"{study.sweep.calls} calls, {totals['hours']:.1f} h, {totals['turns']:.0f} turns, "
        f"{totals['short']:.0f} of them short replies; truth: {sources(study)}"
    ]
    if study.calibration:
        told.append(study.calibration.verdict(enough))
    if study.advised:
        told.append(
            f"drawn again from these calls, the recommended setting stays within the budget in {found.meets:.0%}, "
            f"and the choice within one step of it in {found.near:.0%} of draws"
        )
    if study.sweep.calls < FEW_CALLS:
        told.append(f"with fewer than {FEW_CALLS} calls, intervals are narrower than they should be")
    return told


FEW_CALLS: Final = 20


def sources(study: Study) -> str:
    """Return where the truth comes from, with counts of recordings."""
    names = {"labels": "labelled by hand", "composed": "composed", "derived": "derived from the call itself"}
    return ", ".join(f"{names[source]} ({count})" for source, count in study.sources.items())
