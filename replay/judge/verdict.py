"""From measured calls to verdicts: what got worse, by how much, with whom, and whether that is proved. Pure.

Two things must hold before a measure is worse: what is found is surely more than is borne, taken alone; and equal
variants would look so in any measure in `false_alarms` of all comparisons at most.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from attrs import evolve, frozen

from replay.judge.call import Call
from replay.judge.columns import Table, table_of
from replay.judge.evidence import (
    Evidence,
    bar_for,
    evidence_of,
    means_of,
    spread_when_seen,
    stretch_of,
    tolerance_of,
)
from replay.judge.examples import examples_of
from replay.judge.fields import Field
from replay.judge.power import seen_number, seen_share
from replay.judge.stats import Interval, Status, interval_of, share_interval
from replay.judge.table import TRAITS, Number
from replay.judge.thresholds import Thresholds

MOST_EXAMPLES: Final = 4

SEVERITY: Final[Mapping[Status, int]] = {"worse": 0, "unclear": 1, "better": 2, "same": 3, "no data": 4}


@frozen
class Verdict:
    """What is known about one measure of one variant against the baseline.

    Numbers: means. Traits: shares of calls that depart from what the baseline usually does. `low` to `high` is the
    interval of the difference, more is worse; `by_caller` the same difference, caller by caller; `blamed` those that
    prove it. `chance` is how often equal variants make as much of any measure, `seen` the smallest change that such
    calls show in eight of ten comparisons.
    """

    variant: str
    name: str
    title: str
    unit: str
    status: Status
    tolerance: float
    was: float | None = None
    now: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    chance: float | None = None
    seen: float | None = None
    by_caller: Mapping[str, float] = {}
    blamed: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    is_trait: bool = False
    is_better_up: bool = False

    @property
    def severity(self) -> tuple[int, float]:
        """Sort key: the worst first."""
        return SEVERITY[self.status], -(self.low or 0.0) / (self.tolerance or 1e-9)

    @property
    def difference(self) -> float:
        """Return by how much it is worse."""
        if self.was is None or self.now is None:
            return 0.0
        return (self.was - self.now) if self.is_better_up else (self.now - self.was)


def judge(
    baseline: Sequence[Call],
    calls: Sequence[Call],
    thresholds: Thresholds,
    *,
    variants: int = 1,
    looks: int = 1,
) -> list[Verdict]:
    """Return every verdict on one of so many variants' calls against the baseline's, the worst first.

    Who looks several times while calls are made says how often: each look has its part of what may be wrong.
    """
    known = evidence_of(table_of(baseline, calls, thresholds), thresholds, variants=variants, looks=looks)
    judged = [
        _number(known, place, number, calls[0].variant, thresholds)
        for place, number in enumerate(known.table.numbers)
    ]
    judged += _traits(known, calls[0].variant, thresholds)
    judged += _absent(known, calls[0].variant, thresholds)
    return sorted(judged, key=lambda verdict: verdict.severity)


# ---------------------------------------------------------------- numbers


def _number(known: Evidence, place: int, number: Number, variant: str, thresholds: Thresholds) -> Verdict:
    found, tolerance = known.numbers, tolerance_of(known.table, place, thresholds)
    was, now = means_of(known.table, place)
    verdict = Verdict(variant, number.allowed, number.title, number.unit, "no data", tolerance)
    if was is None or now is None or not found.weights[place]:
        return verdict
    plain, freedom = float(found.error[0, place]), float(found.freedom[0, place])
    error = plain * stretch_of(number, thresholds)
    interval = interval_of(float(found.mean[0, place]), error, freedom, known.sureness)
    grown = spread_when_seen(number, thresholds)
    blamed = tuple(_blamed(known, place))
    status = _status(interval, tolerance, known.among_all[place], known.error)
    return evolve(
        verdict, status="worse" if blamed else status, was=was, now=now, low=interval.low, high=interval.high,
        pairs=_calls(known.table, place), chance=float(known.among_all[place]),
        seen=_seen(known, place, (plain * grown, error * grown, freedom), tolerance),
        by_caller=_by_caller(known, place), blamed=blamed, is_better_up=number.is_better_up,
    )  # fmt: skip


def _seen(known: Evidence, place: int, errors: tuple[float, float, float], tolerance: float) -> float | None:
    """Return the smallest change that is seen; of what never varied, one that comes in few calls, or in all of them."""
    bar, calls = bar_for(known, place, tolerance), _calls(known.table, place)
    if errors[0] > 0:
        return seen_number(bar, *errors)
    if known.table.numbers[place].unit in COUNTED and tolerance < 1:
        return seen_share(bar, 0.0, calls, calls)
    return tolerance if calls > FEW else None


COUNTED: Final = ("a call", "share")
FEW: Final = 4
"""Calls a side with which not even a change in each of them is surely more than chance."""


def _status(interval: Interval, tolerance: float, chance: float, error: float) -> Status:
    status = interval.status(tolerance)
    return "unclear" if status == "worse" and chance > error else status


def _calls(table: Table, place: int) -> int:
    """Return how many calls of the side with fewer have the number."""
    has, is_now = table.weights[:, place] > 0, np.array(table.is_now)
    return int(min((has & is_now).sum(), (has & ~is_now).sum()))


def _blamed(known: Evidence, place: int) -> Iterator[str]:
    """Yield the callers with whom alone it is worse already."""
    callers = known.draws.rows
    for caller, rows in enumerate(callers) if len(callers) > 1 else ():
        column = len(known.table.numbers) + place * len(callers) + caller
        if known.excess[0, column] > 0 and known.among_all[column] <= known.error:
            yield known.table.callers[rows[0]]


def _by_caller(known: Evidence, place: int) -> dict[str, float]:
    names = [known.table.callers[rows[0]] for rows in known.draws.rows]
    return {
        name: float(known.numbers.mean_of[caller, 0, place])
        for caller, name in enumerate(names)
        if _has_both(known.table, known.draws.rows[caller], place)
    }


def _has_both(table: Table, rows: Any, place: int) -> bool:
    has = {table.is_now[row] for row in rows if table.weights[row, place] > 0}
    return len(has) == 2


# ---------------------------------------------------------------- traits


def _traits(known: Evidence, variant: str, thresholds: Thresholds) -> list[Verdict]:
    """Return a verdict for each trait: that of the field which departs most surely."""
    first = len(known.table.numbers) * (1 + len(known.draws.rows))
    found: dict[str, list[Verdict]] = {}
    for number, field in enumerate(known.table.fields):
        verdict = _field(known, number, first + number, field, variant, thresholds)
        found.setdefault(field.trait.allowed, []).append(verdict)
    return [_of_all(verdicts) for verdicts in found.values()]


def _of_all(verdicts: Sequence[Verdict]) -> Verdict:
    worst = min(verdicts, key=lambda one: (SEVERITY[one.status], one.chance))
    usual = max(one.pairs for one in verdicts) / 2  # what few calls have can't tell how blind the others are
    sizes = [one.seen for one in verdicts if one.pairs >= usual]
    told = [text for one in verdicts if one.status == worst.status for text in one.examples]
    seen = None if None in sizes else max((size for size in sizes if size is not None), default=None)
    return evolve(worst, seen=seen, examples=tuple(told[:MOST_EXAMPLES]))


def _field(
    known: Evidence, number: int, column: int, field: Field, variant: str, thresholds: Thresholds
) -> Verdict:
    found, tolerance = known.traits[number], float(thresholds[field.trait.allowed])
    verdict = Verdict(
        variant, field.trait.allowed, field.trait.title, "of calls", "no data", tolerance, is_trait=True
    )
    was, was_calls, now, now_calls = (
        float(part[0]) for part in (found.was, found.was_calls, found.now, found.now_calls)
    )
    if not was_calls or not now_calls:
        return verdict
    interval = share_interval(was, was_calls, now, now_calls, known.sureness)
    own = (was + now) / (was_calls + now_calls)
    return evolve(
        verdict, status=_status(interval, tolerance, known.among_all[column], known.error),
        was=was / was_calls, now=now / now_calls, low=interval.low, high=interval.high, pairs=int(now_calls),
        chance=float(known.among_all[column]),
        seen=seen_share(bar_for(known, column, tolerance), own, int(was_calls), int(now_calls)),
        **examples_of(field, known.table, known.draws.rows),
    )  # fmt: skip


def _absent(known: Evidence, variant: str, thresholds: Thresholds) -> list[Verdict]:
    """Return "no data" for the traits of which no field is on both sides."""
    from_fields = {field.trait.allowed for field in known.table.fields}
    return [
        Verdict(
            variant,
            trait.allowed,
            trait.title,
            "of calls",
            "no data",
            float(thresholds[trait.allowed]),
            is_trait=True,
        )
        for trait in TRAITS
        if thresholds[trait.allowed] is not False and trait.allowed not in from_fields
    ]
