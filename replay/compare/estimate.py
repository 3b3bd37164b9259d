"""How many calls a comparison needs, before they are paid for: from calls that were made, how much each measure varies.

It makes no call. What it tells is what `compare_power` tells of calls that are there, for as many as are thought of.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from statistics import fmean
from typing import Final

import numpy as np
import scipy.special as special
from attrs import frozen
from numpy.typing import NDArray

from bridge.checks import nearest
from bridge.errors import ConfigError
from replay.judge.call import Call
from replay.judge.columns import Table, table_of
from replay.judge.fields import Field
from replay.judge.power import SEEN, Bar, seen_share
from replay.judge.stats import MISSING, SURENESS, Array
from replay.judge.thresholds import SETTINGS, Thresholds

TIMES: Final = 2.0
"""A change of twice what is borne is to be seen, unless something else is asked for."""

MEASURES: Final = 20
"""Measures among which the false alarms are shared, at the worst."""

MOST_CALLS: Final = 400
"""Calls a side beyond which nothing is estimated."""


@frozen
class Need:
    """How many calls a side show a change of `wanted` in a measure in 8 of 10 comparisons; None if 400 don't."""

    name: str
    title: str
    unit: str
    wanted: float
    calls: int | None


@frozen
class Estimate:
    """What a comparison would take."""

    needs: tuple[Need, ...]
    repeats: int
    calls: int
    minutes: float
    usd: float | None


def estimate(
    calls: Sequence[Call], thresholds: Thresholds, *, callers: int, variants: int, at_once: int,
    wanted: Mapping[str, float],
) -> Estimate:  # fmt: skip
    """Return what a comparison of so many variants takes, judged by these calls of one of them or more."""
    table = table_of(_as_one(calls), _as_one(calls), thresholds)
    chance = float(thresholds["false_alarms"]) / max(1, variants - 1) / MEASURES
    needs = tuple(
        sorted(
            _needs(table, thresholds, wanted, chance, callers),
            key=lambda need: -(need.calls or MOST_CALLS + 1),
        )
    )
    repeats = ceil(max((need.calls or MOST_CALLS for need in needs), default=1) / callers)
    total = repeats * callers * variants
    known = [call.measures for call in calls if call.measures]
    costs = [one.cost_usd for one in known if one.has_usage and one.cost_usd is not None]
    minutes = total * fmean(one.duration_ms for one in known) / 60_000 / at_once if known else 0.0
    return Estimate(needs, repeats, total, minutes, fmean(costs) * total if costs else None)


def _as_one(calls: Sequence[Call]) -> list[Call]:
    return [call for call in calls if call.measures]


def _needs(
    table: Table, thresholds: Thresholds, wanted: Mapping[str, float], chance: float, callers: int
) -> Iterator[Need]:
    half = len(table.calls) // 2
    names = np.array(table.callers[:half])
    for place, number in enumerate(table.numbers):
        has = table.weights[:half, place] > 0
        values = table.values[:half, place]
        if not has.any():
            continue
        unit = float(values[has].mean()) / 100 if number.is_percent else 1.0
        tolerance = float(thresholds[number.allowed]) * unit
        size = wanted.get(number.allowed, float(thresholds[number.allowed]) * TIMES) * unit
        found = _of_number(_spread(values[has], names[has]), tolerance, size, chance)
        yield Need(number.allowed, number.title, number.unit, size, found and _full(found, callers))
    by_trait: dict[str, list[Field]] = {}
    for field in table.fields:
        by_trait.setdefault(field.trait.allowed, []).append(field)
    for name, fields in by_trait.items():
        tolerance = float(thresholds[name])
        size = wanted.get(name, tolerance + max(tolerance, 0.1))
        own = max(_own(field, names, half) for field in fields)
        found = _of_share(own, tolerance, size, chance, callers)
        yield Need(name, fields[0].trait.title, "of calls", size, found)


def _full(calls: int, callers: int) -> int:
    return ceil(calls / callers) * callers


def _spread(values: Array, names: NDArray[np.str_]) -> float:
    """Return how much calls of one caller vary; few calls vary less by chance, so rather too much than too little."""
    squares, freedom = 0.0, 0
    for name in np.unique(names):
        mine = values[names == name]
        squares += float(((mine - mine.mean()) ** 2).sum())
        freedom += len(mine) - 1
    if freedom < 1:
        return float(values.std())
    return float(
        (squares / (2 * special.gammaincinv(freedom / 2, 1 - SEEN))) ** 0.5
    )  # above the truth in 4 of 5


def _of_number(spread: float, tolerance: float, size: float, chance: float) -> int | None:
    """Return how many calls a side a difference of this size takes."""
    surely, seldom, seen = (float(special.ndtri(share)) for share in (SURENESS, 1 - chance, SEEN))
    if size <= tolerance:
        return None
    errors = max((surely + seen) * spread / (size - tolerance), (seldom + seen) * spread / size)
    calls = max(3, ceil(2 * errors**2))
    return calls if calls <= MOST_CALLS else None


def _of_share(own: float, tolerance: float, size: float, chance: float, callers: int) -> int | None:
    for calls in range(callers, MOST_CALLS + 1, max(callers, 4)):
        seen = seen_share(Bar(chance, 0.0, tolerance), own, calls, calls)
        if seen is not None and seen <= size:
            return calls
    return None


def _own(field: Field, names: NDArray[np.str_], half: int) -> float:
    """Return how many of these calls depart from what they usually do."""
    codes = field.codes[:half]
    if field.is_promise:
        has = codes != MISSING
        return float(((has & (codes != field.fine)).sum() + 0.5) / (has.sum() + 1))
    groups = [codes[names == name] for name in np.unique(names)] if field.trait.is_of_caller else [codes]
    known = [group[group != MISSING] for group in groups]
    kept = sum(max(np.bincount(group)) for group in known if len(group))
    total = sum(map(len, known))
    return (total - kept + 0.5) / (total + 1) if total else 0.0  # none of a few is no promise of never


def wanted_of(told: Sequence[str], thresholds: Thresholds) -> dict[str, float]:
    """Return what is to be seen, from "latency_ms=300" and the like. Raises `ConfigError`."""
    found = {}
    for text in told:
        name, _, size = text.partition("=")
        if name not in thresholds or name in SETTINGS:
            known = [key for key in thresholds if key not in SETTINGS]
            raise ConfigError([f"--to-see {text}: no such measure; {nearest(name, known)}"])
        try:
            found[name] = float(size)
        except ValueError:
            raise ConfigError([f"--to-see {text}: write MEASURE=SIZE, such as latency_ms=300"]) from None
        if not thresholds[name] < found[name] < float("inf"):
            raise ConfigError([f"--to-see {text}: use more than what is borne, {thresholds[name]}"])
    return found
