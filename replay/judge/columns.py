"""The calls of two sides as tables that can be drawn anew: a column for each number, and one for each field of a trait.

It measures nothing and judges nothing.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from attrs import frozen

from replay.judge.call import Call
from replay.judge.fields import Field, fields_of
from replay.judge.stats import Array
from replay.judge.table import NUMBERS, Number


@frozen(eq=False)
class Table:
    """All calls of both sides, the baseline's first; `values` and `weights` are calls x numbers."""

    calls: tuple[Call, ...]
    is_now: tuple[bool, ...]
    numbers: tuple[Number, ...]
    values: Array
    weights: Array
    fields: tuple[Field, ...]

    @property
    def callers(self) -> list[str]:
        """Return who made each call."""
        return [call.caller for call in self.calls]


def table_of(was: Sequence[Call], now: Sequence[Call], thresholds: Mapping[str, object]) -> Table:
    """Return the table of two sides; measures that are switched off are left out."""
    calls, is_now = (*was, *now), (*(False for _ in was), *(True for _ in now))
    numbers = tuple(number for number in NUMBERS if thresholds[number.allowed] is not False)
    pairs = [_number(number, calls) for number in numbers]
    shape = (len(calls), len(numbers))
    values, weights = (
        np.stack([pair[side] for pair in pairs], axis=1) if pairs else np.zeros(shape) for side in (0, 1)
    )
    fields = fields_of(calls, is_now, thresholds)
    return Table(calls, is_now, numbers, values, weights, fields)


# ---------------------------------------------------------------- numbers


def _number(number: Number, calls: Sequence[Call]) -> tuple[Array, Array]:
    """Return each call's mean and what it weighs: turns of one call are alike, so five are not worth five calls."""
    found = [list(map(float, number.all_of(call.measures))) if call.measures else [] for call in calls]
    known = [[value for value in values if isfinite(value)] for values in found]
    counts = np.array([len(values) for values in known], dtype=np.float64)
    means = np.array([sum(values) / len(values) if values else 0.0 for values in known])
    if len(set(counts[counts > 0])) <= 1:
        return means, (counts > 0).astype(np.float64)
    squares = sum(
        sum((value - mean) ** 2 for value in values) for values, mean in zip(known, means, strict=True)
    )
    alike = _alike(means, counts, squares, [call.caller for call in calls])
    weights = np.divide(counts, 1 + (counts - 1) * alike, out=np.zeros(len(calls)), where=counts > 0)
    return means, weights


def _alike(means: Array, counts: Array, squares: float, callers: Sequence[str]) -> float:
    """Return how much turns of one call have in common beyond those of the same caller: 0 nothing, 1 all."""
    within = squares / max(1.0, float((counts - 1).clip(0).sum()))
    names, between, freedom, turns = np.asarray(callers), 0.0, 0.0, float(counts[counts > 0].mean())
    for name in dict.fromkeys(callers):
        mine = (names == name) & (counts > 0)
        if mine.sum() > 1:
            middle = np.average(means[mine], weights=counts[mine])
            between += float((counts[mine] * (means[mine] - middle) ** 2).sum())
            freedom += float(mine.sum() - 1)
    if freedom < 1:
        return 1.0
    common = (between / freedom - within) / turns
    return float(np.clip(common / (common + within), 0.0, 1.0)) if common + within > 0 else 1.0
