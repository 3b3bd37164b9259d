"""What a study comes to: a server_vad setting, semantic_vad, or neither, and then why. Pure."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from bridge.settings.turn_detection import TurnBudget
from replay.vad.study.budget import exceeded, is_within
from replay.vad.study.observed import Observed
from replay.vad.study.recommend import Recommendation
from replay.vad.study.sweep import Sweep
from replay.vad.study.unknown import FLOORS, tells_nothing

Status: TypeAlias = Literal[
    "change", "keep", "semantic", "risky", "beyond", "impossible", "blind", "uncalibrated"
]
"""change, keep: a server_vad setting is recommended, another one or today's. semantic: semantic_vad was heard to be
within the budget, and no server_vad setting within it answers sooner. risky: settings are within the budget in these
very calls, but none surely enough for the cautious. beyond: only where it isn't known how the server hears. impossible:
none is at all. blind: the calls can't tell how much silence is enough, for want of pauses, or because it isn't the
caller who is heard. uncalibrated: nothing shows how the server hears."""

NO_PAUSES: Final = "no turn in these calls has a pause of 200 ms, so the shortest silence of all looks best"

NOT_THE_CALLER: Final = (
    "through much of what the agent says somebody is heard in these calls: its echo, or voices behind the caller. So "
    "nobody can tell from them where a caller's turn begins and ends, and no number below is sure. Label some "
    "(replay vad labels), or keep the echo from the bridge"
)

NO_EVENTS: Final = (
    "no call has events of a server's server_vad to compare with, so nothing shows that the local engine hears as the "
    "server does; --trust-engine recommends all the same"
)


def status_of(
    mistrust: str, sweep: Sweep, found: Recommendation, observed: Sequence[Observed]
) -> tuple[Status, str]:
    """Return what it comes to, and why no server_vad setting is recommended if that is so.

    mistrust: why the local engine's word is not taken; empty when it is.
    """
    if mistrust:
        return "uncalibrated", mistrust
    if not sweep.totals["pauses"]:
        return "blind", NO_PAUSES
    if tells_nothing(sweep.unknown) and not _are_all_refused(sweep, found.budget):
        return "blind", NOT_THE_CALLER
    semantic = quickest_semantic(observed, sweep, found.budget)
    if (
        semantic
        and is_within(semantic.measured, sweep.values, found.budget)
        and _is_no_later(semantic, found)
    ):
        return "semantic", found.why
    if found.chosen is None:
        return "risky" if found.risky else "beyond" if found.beyond else "impossible", found.why
    is_same = found.current is not None and found.chosen.setting == found.current.setting
    return ("keep", "") if is_same else ("change", "")


def _are_all_refused(sweep: Sweep, budget: TurnBudget) -> bool:
    """Say whether every setting is beyond the budget already by what is at least so."""
    beyond = exceeded(sweep.values, budget)
    at_least = [beyond[name] for name in beyond if name in FLOORS and name != "short_missed"]
    return bool(np.logical_or.reduce(at_least).all())


def quickest_semantic(told: Sequence[Observed], sweep: Sweep, budget: TurnBudget) -> Observed | None:
    """Return the quickest semantic_vad of those within the budget, or else of all; None for none."""
    every = [one for one in told if one.is_semantic]
    within = [one for one in every if is_within(one.measured, sweep.values, budget)]
    return min(within or every, key=lambda one: one.measured["delay_mean_ms"].value, default=None)


def _is_no_later(semantic: Observed, found: Recommendation) -> bool:
    if found.chosen is None:
        return True
    return semantic.measured["delay_mean_ms"].value <= found.chosen.measured["delay_mean_ms"].value
