"""From measured calls to verdicts: what got worse, by how much, with whom, and whether that is proved. Pure.

Two things must hold before a measure is worse. Equal variants may be told apart in `false_alarms` of all comparisons, all
measures taken together; and what is found must be more than is borne, surely so for this measure alone.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from attrs import evolve, frozen

from bridge.errors import ConfigError
from replay.compare_columns import Call, Field, Table, table_of
from replay.compare_examples import examples_of
from replay.compare_power import Bar, seen_number, seen_share
from replay.compare_stats import (
    Array,
    Departures,
    Differences,
    Draws,
    Interval,
    Status,
    bar_of,
    departures,
    differences,
    draw,
    interval_of,
    ranked,
    share_interval,
    together,
)
from replay.compare_table import TRAITS, Number

Thresholds: TypeAlias = Mapping[str, Any]
DEFAULTS: Final = Path(__file__).with_name("compare_defaults.toml")
SINGLE_CALLERS: Final = 0.25
"""What all callers, each taken alone, may add to the false alarms of a number, as a part of what the number may."""

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


def thresholds_of(changes: Thresholds) -> dict[str, Any]:
    """Return the default thresholds with these changes. Raises `ConfigError` for unknown keys and odd values."""
    known: dict[str, Any] = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    faults = [
        f"[thresholds] {key}: unknown key; known are {', '.join(known)}"
        for key in changes
        if key not in known
    ]
    for key, value in changes.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if key in known and not is_number and value is not False:
            faults.append(f"[thresholds] {key} = {value!r}: use a number from 0, or false to leave it out")
    if changes.get("false_alarms", 0.05) is False or not 0 < changes.get("false_alarms", 0.05) < 0.5:
        faults.append("[thresholds] false_alarms: use a share between 0 and 0.5, such as 0.05")
    if not 1000 <= changes.get("resamples", 5000) <= 100_000:
        faults.append("[thresholds] resamples: use 1000 to 100000")
    if faults:
        raise ConfigError(faults)
    return {**known, **changes}


@frozen(eq=False)
class _Known:
    """What is known of all measures of two sides, and how much of it chance would have made."""

    table: Table
    draws: Draws
    numbers: Differences
    traits: tuple[Departures, ...]
    error: float
    excess: Array
    own: Array
    """Draws x columns: numbers, numbers by caller, fields; in standard errors, and the chance of each alone."""

    weighted: Array
    among_all: Array


def judge(
    baseline: Sequence[Call], calls: Sequence[Call], thresholds: Thresholds, *, variants: int = 1
) -> list[Verdict]:
    """Return every verdict on one of so many variants' calls against the baseline's, the worst first."""
    known = _known(table_of(baseline, calls, thresholds), thresholds, variants)
    judged = [
        _number(known, place, number, calls[0].variant, thresholds)
        for place, number in enumerate(known.table.numbers)
    ]
    judged += _traits(known, calls[0].variant, thresholds)
    judged += _absent(known, calls[0].variant, thresholds)
    return sorted(judged, key=lambda verdict: verdict.severity)


def _known(table: Table, thresholds: Thresholds, variants: int) -> _Known:
    signs = np.array([-1.0 if number.is_better_up else 1.0 for number in table.numbers])
    draws = draw(
        table.callers, table.is_now, resamples=int(thresholds["resamples"]), seed=int(thresholds["seed"])
    )
    numbers = differences(draws, table.values * signs, table.weights)
    traits = tuple(
        departures(draws, field.codes, is_of_caller=field.trait.is_of_caller, fine=field.fine)
        for field in table.fields
    )
    callers = numbers.excess_of.transpose(1, 2, 0).reshape(draws.count, -1)
    excess = np.hstack([numbers.excess, callers, *(found.mean[:, None] for found in traits)])
    own = ranked(np.round(excess, 9).astype(np.float64))
    alone = SINGLE_CALLERS / len(draws.rows) if len(draws.rows) > 1 else 1e-9
    shares = np.concatenate([np.ones(len(signs)), np.full(callers.shape[1], alone), np.ones(len(traits))])
    weighted = own / shares
    return _Known(
        table, draws, numbers, traits, float(thresholds["false_alarms"]) / variants, excess, own, weighted,
        together(weighted),
    )  # fmt: skip


def _bar(known: _Known, column: int, tolerance: float) -> Bar:
    """Return what a column must pass to be worse."""
    chance = bar_of(known.weighted, known.error)
    enough = known.excess[known.own[:, column] <= chance, column]
    return Bar(chance, float(enough.min(initial=np.inf)), tolerance)


# ---------------------------------------------------------------- numbers


def _number(known: _Known, place: int, number: Number, variant: str, thresholds: Thresholds) -> Verdict:
    found, allowed = known.numbers, float(thresholds[number.allowed])
    was, now = _means(known.table, place)
    tolerance = allowed / 100 * was if number.is_percent and was is not None else allowed
    verdict = Verdict(variant, number.allowed, number.title, number.unit, "no data", tolerance)
    if was is None or now is None or not found.weights[place]:
        return verdict
    stretch = _stretch(allowed) if number.is_percent else 1.0
    error = float(found.error[0, place]) * stretch
    interval = interval_of(float(found.mean[0, place]), error, float(found.freedom[0, place]))
    blamed = tuple(_blamed(known, place, tolerance))
    status = _status(interval, tolerance, known.among_all[place], known.error)
    bar = _bar(known, place, tolerance)
    return evolve(
        verdict, status="worse" if blamed else status, was=was, now=now, low=interval.low, high=interval.high,
        pairs=_calls(known.table, place), chance=float(known.among_all[place]),
        seen=seen_number(bar, float(found.error[0, place]), error, float(found.freedom[0, place])),
        by_caller=_by_caller(known, place), blamed=blamed, is_better_up=number.is_better_up,
    )  # fmt: skip


def _stretch(percent: float) -> float:
    """Return by how much the error grows where the tolerance is a part of the baseline's own mean."""
    return float(((1 + (1 + percent / 100) ** 2) / 2) ** 0.5)


def _status(interval: Interval, tolerance: float, chance: float, error: float) -> Status:
    status = interval.status(tolerance)
    return "unclear" if status == "worse" and chance > error else status


def _means(table: Table, place: int) -> tuple[float | None, float | None]:
    """Return the mean of each side, over the callers that both have."""
    weights, is_now = table.weights[:, place], np.array(table.is_now)
    names = np.array(table.callers)
    shared = set(names[~is_now & (weights > 0)]) & set(names[is_now & (weights > 0)])
    counts = np.isin(names, sorted(shared)) & (weights > 0)
    was, now = (
        float(np.average(table.values[rows, place], weights=weights[rows])) if rows.any() else None
        for rows in (counts & ~is_now, counts & is_now)
    )
    return was, now


def _calls(table: Table, place: int) -> int:
    """Return how many calls of the side with fewer have the number."""
    has, is_now = table.weights[:, place] > 0, np.array(table.is_now)
    return int(min((has & is_now).sum(), (has & ~is_now).sum()))


def _blamed(known: _Known, place: int, tolerance: float) -> Iterator[str]:
    """Yield the callers with whom alone it is worse already."""
    found, numbers = known.numbers, len(known.table.numbers)
    callers = len(known.draws.rows)
    for caller in range(callers) if callers > 1 else ():
        column = numbers + place * callers + caller
        mean, error = float(found.mean_of[caller, 0, place]), float(found.error_of[caller, 0, place])
        freedom = float(found.freedom_of[caller, 0, place])
        is_proved = known.among_all[column] <= known.error and np.isfinite(error)
        if is_proved and interval_of(mean, error, freedom).status(tolerance) == "worse":
            yield known.table.callers[known.draws.rows[caller][0]]


def _by_caller(known: _Known, place: int) -> dict[str, float]:
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


def _traits(known: _Known, variant: str, thresholds: Thresholds) -> list[Verdict]:
    """Return a verdict for each trait: that of the field which departs most surely."""
    first = len(known.table.numbers) * (1 + len(known.draws.rows))
    found: dict[str, list[Verdict]] = {}
    for number, field in enumerate(known.table.fields):
        verdict = _field(known, number, first + number, field, variant, thresholds)
        found.setdefault(field.trait.allowed, []).append(verdict)
    return [_of_all(verdicts) for verdicts in found.values()]


def _of_all(verdicts: Sequence[Verdict]) -> Verdict:
    worst = min(verdicts, key=lambda one: (SEVERITY[one.status], one.chance))
    sizes = [one.seen for one in verdicts]
    told = [text for one in verdicts if one.status == worst.status for text in one.examples]
    seen = None if None in sizes else max((size for size in sizes if size is not None), default=None)
    return evolve(worst, seen=seen, examples=tuple(told[:MOST_EXAMPLES]))


def _field(
    known: _Known, number: int, column: int, field: Field, variant: str, thresholds: Thresholds
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
    interval = share_interval(was, was_calls, now, now_calls)
    own = (was + now) / (was_calls + now_calls)
    return evolve(
        verdict, status=_status(interval, tolerance, known.among_all[column], known.error),
        was=was / was_calls, now=now / now_calls, low=interval.low, high=interval.high, pairs=int(now_calls),
        chance=float(known.among_all[column]),
        seen=seen_share(_bar(known, column, tolerance), own, int(was_calls), int(now_calls)),
        **examples_of(field, known.table, known.draws.rows),
    )  # fmt: skip


def _absent(known: _Known, variant: str, thresholds: Thresholds) -> list[Verdict]:
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
