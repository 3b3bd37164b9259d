"""The calls of two sides as tables that can be drawn anew: a column for each number, and one for each field of a trait.

It measures nothing and judges nothing.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

import numpy as np
from attrs import frozen

from replay.judge.metrics import Measures
from replay.judge.stats import MISSING, Array, Codes
from replay.judge.table import NUMBERS, TRAITS, Number, Trait

FAILED: Final = "max_failed_calls"
MOST_FIELDS: Final = 60
"""Fields of a trait that are looked at, the first that are seen: arguments named by the model have no bound."""


@frozen
class Call:
    """One call of a variant: what was measured, or why nothing could be; `tape` is where to look."""

    variant: str
    caller: str
    repeat: int
    tape: str
    measures: Measures | None
    error: str = ""


@frozen(eq=False)
class Field:
    """One field of a trait: each call's label as a number, and what each label means to people."""

    trait: Trait
    name: str
    codes: Codes
    texts: tuple[str, ...]
    fine: int | None = None


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
    traits = [trait for trait in TRAITS if thresholds[trait.allowed] is not False]
    pairs = [_number(number, calls) for number in numbers]
    shape = (len(calls), len(numbers))
    values, weights = (
        np.stack([pair[side] for pair in pairs], axis=1) if pairs else np.zeros(shape) for side in (0, 1)
    )
    fields = tuple(field for trait in traits for field in _fields(trait, calls, is_now))
    if thresholds[FAILED] is not False:
        fields += (failed_of(calls),)
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


# ---------------------------------------------------------------- labels


def _fields(trait: Trait, calls: Sequence[Call], is_now: Sequence[bool]) -> list[Field]:
    labels = [trait.of(call.measures) if call.measures else {} for call in calls]
    fine = [call.measures is not None and trait.is_fine(call.measures) for call in calls]
    names = list(dict.fromkeys(name for found in labels for name in found))[:MOST_FIELDS]
    found = []
    for name in names:
        told = [found.get(name) for found in labels]
        sides = {side for side, known in zip(is_now, told, strict=True) if known is not None}
        if len(sides) == 2:
            found.append(_field(trait, name, told, fine))
    return found


def _field(trait: Trait, name: str, told: Sequence[tuple[str, str] | None], fine: Sequence[bool]) -> Field:
    """Number the labels; the wanted ones share a number, as none of them is a change."""
    numbers: dict[str | None, int] = {}
    texts: list[str] = []
    codes = np.full(len(told), MISSING, dtype=np.int64)
    for place, (known, is_fine) in enumerate(zip(told, fine, strict=True)):
        if known is None:
            continue
        key = None if is_fine else known[0]
        if key not in numbers:
            numbers[key] = len(texts)
            texts.append(known[1])
        codes[place] = numbers[key]
    return Field(trait, name, codes, tuple(texts), numbers.get(None))


def failed_of(calls: Sequence[Call]) -> Field:
    """Return which calls failed as a field of its own; one that did not is never a change."""
    trait = Trait(FAILED, "calls that failed", lambda measures: {})
    codes = np.array([int(call.measures is None) for call in calls], dtype=np.int64)
    reasons = [call.error for call in calls if call.measures is None]
    return Field(trait, "", codes, ("no call that failed", *reasons[:1]), 0)
