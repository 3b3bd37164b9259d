"""What a turn budget allows of a grid of settings, and what stands in the way where it allows none. Pure.

Arrays are those of a sweep: the last two axes are thresholds and silences.
"""

from collections.abc import Mapping
from functools import reduce
from itertools import combinations
from typing import Final

import numpy as np

from bridge.settings.turn_detection import TurnBudget
from replay.vad.study.intervals import Array
from replay.vad.study.sweep import CLIPPED, Measured, Sweep
from replay.vad.truth.corpus import Bools

ROUNDING: Final = 1e-6
LEAST_LIMIT: Final[Mapping[str, float]] = {
    "turns_cut": 0.01, "short_missed": 0.01, "false_per_hour": 1.0, CLIPPED: 0.01, "not_ended": 0.01,
}  # fmt: skip
"""Against a budget of nothing, one in a hundred is once the budget: so excesses stay comparable."""


def limits(values: Mapping[str, Array], budget: TurnBudget) -> dict[str, Array]:
    """Return the most that the budget allows of each metric; of missed replies that goes by the best setting."""
    missed = values["short_missed"]
    best = np.min(np.where(np.isnan(missed), np.inf, missed), axis=(-2, -1), keepdims=True)
    most = {
        "turns_cut": budget.turns_cut_percent / 100,
        "false_per_hour": budget.false_per_hour,
        CLIPPED: budget.onset_clipped_percent / 100,
        "not_ended": budget.not_ended_percent / 100,
    }
    found = {name: np.array(value, np.float32) for name, value in most.items()}
    return found | {"short_missed": best + np.float32(budget.missed_above_best_points / 100)}


def _spent(values: Mapping[str, Array], name: str) -> Array:
    """Return a metric for each threshold and silence; of beginnings clipped with the prefix that clips the fewest."""
    return np.asarray(np.min(np.nan_to_num(values[name]), axis=-1)) if name == CLIPPED else values[name]


def exceeded(values: Mapping[str, Array], budget: TurnBudget) -> dict[str, Bools]:
    """Say of each part of the budget which settings go beyond it.

    What could not be counted, for want of short replies or pauses, forbids nothing.
    """
    return {name: _spent(values, name) > most + ROUNDING for name, most in limits(values, budget).items()}


def allowed(values: Mapping[str, Array], budget: TurnBudget) -> Bools:
    """Say which settings are within the budget, and end any turn at all."""
    is_counted: Bools = ~np.isnan(values["delay_mean_ms"])
    return is_counted & ~_any(exceeded(values, budget))


def is_within(measured: Mapping[str, Measured], values: Mapping[str, Array], budget: TurnBudget) -> bool:
    """Say whether what another turn detection did is within the budget, beside the settings of a sweep.

    Beginnings clipped don't count: what semantic_vad keeps from before the speech is not told.
    """
    most = {name: float(np.squeeze(one)) for name, one in limits(values, budget).items() if name != CLIPPED}
    return not any(measured[name].value > one + ROUNDING for name, one in most.items())


def _any(parts: Mapping[str, Bools]) -> Bools:
    return reduce(np.logical_or, parts.values())


def excess(values: Mapping[str, Array], budget: TurnBudget) -> Array:
    """Return how far each setting goes beyond the budget: the largest of its excesses, in shares of what is allowed."""
    over = [
        (np.nan_to_num(_spent(values, name)) / np.maximum(most, LEAST_LIMIT[name]) - 1).clip(0)
        for name, most in limits(values, budget).items()
    ]
    return np.asarray(np.max(over, axis=0), np.float32)


# ---------------------------------------------------------------- what stands in the way


def obstacle(sweep: Sweep, budget: TurnBudget) -> str:
    """Say which parts of a budget that no setting meets can't be met, as few of them as that takes."""
    values = sweep.values
    if np.isnan(values["delay_mean_ms"]).all():
        return "no setting ever heard a turn and its end"
    parts, said = exceeded(values, budget), in_parts(budget)
    for count in range(1, len(parts) + 1):
        for names in combinations(parts, count):
            if _any({name: parts[name] for name in names}).all():
                return (
                    _of_one(values, names[0], said)
                    if count == 1
                    else _of_many([said[name] for name in names])
                )
    return _of_many(list(said.values()))


def in_parts(budget: TurnBudget) -> dict[str, str]:
    """Return what the budget asks for, in words, by metric."""
    return {
        "turns_cut": f"at most {budget.turns_cut_percent:g} % of turns cut off",
        "short_missed": f"short replies missed at most {budget.missed_above_best_points:g} points above the best",
        "false_per_hour": f"at most {budget.false_per_hour:g} false starts an hour",
        CLIPPED: f"at most {budget.onset_clipped_percent:g} % of beginnings clipped",
        "not_ended": f"at most {budget.not_ended_percent:g} % of turns not ended within "
        f"{budget.ended_within_ms / 1000:g} s",
    }


def _of_one(values: Mapping[str, Array], name: str, said: Mapping[str, str]) -> str:
    least = float(np.nanmin(_spent(values, name)))
    comes_to = f"{least:.0f} an hour" if name == "false_per_hour" else f"{least * 100:.1f} %"
    return f"no setting has {said[name]}: the least is {comes_to}"


def _of_many(said: list[str]) -> str:
    *others, last = said
    every = "all of it at once" if len(said) > 2 else "both at once"
    return f"no setting has {every}: {', '.join(others)}{' and' if len(said) == 2 else ', and'} {last}"
