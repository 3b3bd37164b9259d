"""The arithmetic of a comparison: differences, how surely they are known, and what chance alone would have made. Pure.

Chance is what comes of drawing anew which of a caller's calls belong to which side (a permutation test): between equal
variants every such drawing is as likely as what was seen. All measures are drawn together, so that what they have in
common counts once (Westfall and Young's step-down of smallest chances), and a drawing counts only where it passes the
tolerance, too: a measure that chance never moves so far takes nothing from the others.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import scipy.special as special  # first among what the extra brings: whoever lacks it is told of it
from attrs import frozen
from numpy.typing import NDArray

Status: TypeAlias = Literal["worse", "unclear", "better", "same", "no data"]
Array: TypeAlias = NDArray[np.float64]
Sides: TypeAlias = NDArray[np.float32]
"""Of ones and zeros: half the memory, and calls are counted in half the time."""

Codes: TypeAlias = NDArray[np.int64]
"""Labels as numbers from 0; `MISSING` for a call that has none."""

MISSING: Final = -1
SURENESS: Final = 0.95
"""Each end of an interval is beyond the truth in at most one of twenty comparisons."""

NOTHING: Final = -1e12
"""What a difference is worth that is borne: less than any."""

SURELY: Final = 1e9
"""How many standard errors a difference is worth that was the same in every call."""


@frozen
class Interval:
    """A difference, and between which ends it surely lies; more is worse."""

    mean: float
    low: float
    high: float

    def status(self, tolerance: float) -> Status:
        """Say what is proved of one measure alone."""
        if self.low > tolerance:
            return "worse"
        if self.high < -tolerance:
            return "better"
        return "same" if self.high <= tolerance else "unclear"


@frozen(eq=False)
class Draws:
    """Which calls are taken as the variant's: in the first row those that are, in the others as chance has it.

    `sides` has an array (draws x calls, 1 for the variant's) for each caller, `rows` which calls are that caller's.
    """

    rows: tuple[Codes, ...]
    sides: tuple[Sides, ...]

    @property
    def count(self) -> int:
        """Return how many draws there are, the true one among them."""
        return len(self.sides[0])


def draw(callers: Sequence[str], is_now: Sequence[bool], *, resamples: int, seed: int) -> Draws:
    """Draw sides anew within each caller; every caller keeps as many calls on each."""
    random = np.random.default_rng(seed)
    names, true = np.asarray(callers), np.asarray(is_now, dtype=np.float32)
    rows = tuple(np.flatnonzero(names == name) for name in dict.fromkeys(callers))
    sides = tuple(
        np.vstack([true[calls], random.permuted(np.tile(true[calls], (resamples, 1)), axis=1)])
        for calls in rows
    )
    return Draws(rows, sides)


# ---------------------------------------------------------------- numbers


@frozen(eq=False)
class Differences:
    """Mean differences within callers, draws x measures, and their standard errors; `..._of` has callers first.

    `weights` is how much the true difference stands on: its variance is `spread ** 2 / weights`.
    """

    mean: Array
    error: Array
    freedom: Array
    mean_of: Array
    error_of: Array
    freedom_of: Array
    spread: Array
    weights: Array


def differences(draws: Draws, values: Array, weights: Array) -> Differences:
    """Compare calls x measures within callers. A weight of 0 means that a call has no such value."""
    parts = [
        _sums(side, values[rows], weights[rows]) for rows, side in zip(draws.rows, draws.sides, strict=True)
    ]
    mean_of, weight_of, squares, freedom_of = (np.stack(part) for part in zip(*parts, strict=True))
    weight = weight_of.sum(axis=0)
    mean = _over((weight_of * mean_of).sum(axis=0), weight)
    freedom, total = freedom_of.sum(axis=0), squares.sum(axis=0)
    # One call of each caller a side has no spread of its own: then callers differ as much as they differ.
    callers = (weight_of > 0).sum(axis=0)
    between = (weight_of * (mean_of - mean) ** 2).sum(axis=0)
    is_single = freedom < 1
    freedom = np.where(is_single, callers - 1, freedom)
    variance = _over(np.where(is_single, between, total), freedom)
    return Differences(
        mean=mean,
        error=_root(variance, weight, freedom),
        freedom=freedom,
        mean_of=mean_of,
        error_of=_root(_over(squares, freedom_of), weight_of, freedom_of),
        freedom_of=freedom_of,
        spread=np.sqrt(variance[0]),
        weights=weight[0],
    )


def _sums(side: Sides, values: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Return one caller's difference, what it weighs, its squares within both sides, and their degrees of freedom."""
    has = (weights > 0).astype(np.float64)
    centred = np.where(has > 0, values - _over((values * weights).sum(axis=0), weights.sum(axis=0)), 0.0)
    weight, first, second = weights, weights * centred, weights * centred**2
    parts = np.hstack([weight, first, second, has])
    products = side.astype(np.float64) @ parts
    now = np.split(products, 4, axis=1)
    was = np.split(parts.sum(axis=0) - products, 4, axis=1)
    is_both = (now[3] > 0.5) & (was[3] > 0.5)
    mean = np.where(is_both, _over(now[1], now[0]) - _over(was[1], was[0]), 0.0)
    weighs = np.where(is_both, _over(now[0] * was[0], now[0] + was[0]), 0.0)
    within = sum(part[2] - _over(part[1] ** 2, part[0]) for part in (now, was))
    freedom = np.where(is_both, now[3] + was[3] - 2, 0.0)
    return mean, weighs, np.where(is_both, np.maximum(within, 0.0), 0.0), freedom


def _over(part: Array, whole: Array) -> Array:
    """Return a quotient, and 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)


def _root(variance: Array, weight: Array, freedom: Array) -> Array:
    """Return standard errors; infinite where nothing is known of them."""
    return np.where((freedom >= 1) & (weight > 0), np.sqrt(_over(variance, weight)), np.inf)


def ratio(mean: Array, error: Array) -> Array:
    """Return differences in standard errors; one that is the same in every call is worth `SURELY` many."""
    slight = 1e-9 * np.maximum(1.0, np.abs(mean))
    is_sure = error <= slight
    known = np.divide(mean, error, out=np.zeros(mean.shape), where=~is_sure)
    return np.where(is_sure, np.where(np.abs(mean) <= slight, 0.0, np.sign(mean) * SURELY), known)


def interval_of(mean: float, error: float, freedom: float, sureness: float = SURENESS) -> Interval:
    """Return Student's interval of a difference."""
    half = quantile(sureness, freedom) * error if error > 0 else 0.0
    return Interval(mean, mean - half, mean + half)


def quantile(share: float, freedom: float) -> float:
    """Return Student's quantile; infinite where there are no degrees of freedom."""
    return float(special.stdtrit(freedom, share)) if freedom >= 1 else float("inf")


def passing(mean: Array, error: Array, freedom: Array, tolerance: Array, *, sureness: float) -> Array:
    """Return the differences in standard errors where they are surely beyond what is borne, elsewhere nothing."""
    known = np.maximum(freedom, 1).astype(np.int64)  # counts of calls: a slow function, and few are different
    quantiles = special.stdtrit(np.arange(1, known.max(initial=1) + 1), sureness)[known - 1]
    half = quantiles * np.where(np.isfinite(error), error, 0.0)
    is_beyond = (mean - half > tolerance) & np.isfinite(error)
    beyond: Array = np.where(is_beyond, ratio(mean, error), NOTHING)
    return beyond


# ---------------------------------------------------------------- labels


@frozen(eq=False)
class Departures:
    """How many calls of each side depart from what the baseline usually does, for each draw."""

    was: Array
    now: Array
    was_calls: Array
    now_calls: Array

    def beyond(self, tolerance: float, sureness: float = SURENESS) -> Array:
        """Return by how much more calls depart, as a share, where that is surely more than is borne."""
        mean = _over(self.now, self.now_calls) - _over(self.was, self.was_calls)
        low, _ = share_ends(self.was, self.was_calls, self.now, self.now_calls, sureness)
        beyond: Array = np.where(low > tolerance, mean, NOTHING)
        return beyond


def departures(
    draws: Draws, codes: Codes, *, is_of_caller: bool, fine: int | None = None, is_promise: bool = False
) -> Departures:
    """Count the calls whose label is neither `fine` nor the baseline's most frequent, of their caller or of all.

    Which label that is, is drawn anew with the sides: the baseline's calls must not pass for steadier than they are.
    With `is_promise` nothing but `fine` will do, however seldom the baseline does it.
    """
    groups = list(zip(draws.rows, draws.sides, strict=True))
    if not is_of_caller:
        groups = [(np.concatenate(draws.rows), np.concatenate(draws.sides, axis=1))]
    counted = np.zeros((4, draws.count))
    for rows, side in groups:
        counted += _departed(side, codes[rows], fine, is_promise)
    return Departures(*counted)


def _departed(side: Sides, codes: Codes, fine: int | None, is_promise: bool) -> Array:
    """Count one group's departures: of the baseline, of the variant, and the calls of each."""
    kinds = np.unique(codes[codes != MISSING])
    if not len(kinds):
        return np.zeros((4, len(side)))
    table = (codes[:, None] == kinds).astype(side.dtype)
    now = side @ table
    was = table.sum(axis=0) - now
    if len(kinds) == 1 and not is_promise:  # nobody departs
        calls = np.stack([was[:, 0], now[:, 0]])
        return np.vstack([np.zeros(calls.shape), calls * (calls > 0.5).all(axis=0)])
    usual = was.argmax(axis=1) if not is_promise else np.full(len(side), -1)
    kept = [
        np.where(usual < 0, 0.0, np.take_along_axis(part, usual[:, None], axis=1)[:, 0])
        for part in (was, now)
    ]
    if fine in kinds:
        place = int(np.flatnonzero(kinds == fine)[0])
        kept = [
            known + np.where(usual == place, 0.0, part[:, place])
            for known, part in zip(kept, (was, now), strict=True)
        ]
    sides = [part.sum(axis=1) for part in (was, now)]
    is_both = (sides[0] > 0.5) & (sides[1] > 0.5)
    counted: Array = np.stack([sides[0] - kept[0], sides[1] - kept[1], *sides]) * is_both
    return counted


def novelties(draws: Draws, told: Array, has: NDArray[np.bool_]) -> Departures:
    """Count the calls that tell what no call of the baseline's with this caller tells; `told` is calls x things.

    A call of the baseline's is held against its others. What was never told before is found anew in each draw, so a
    baseline that tells something else in each call takes a new thing for nothing.
    """
    counted = np.zeros((4, draws.count))
    for rows, side in zip(draws.rows, draws.sides, strict=True):
        counted += _new(side[:, has[rows]], told[rows[has[rows]]])
    return Departures(*counted)


def _new(side: Sides, told: Array) -> Array:
    """Count one caller's calls that tell something new: of the baseline, of the variant, and the calls of each."""
    is_now = side
    calls = [len(told) - is_now.sum(axis=1), is_now.sum(axis=1)]
    times = told.sum(axis=0)
    things = told[:, (times > 0) & (times <= calls[1].max() + 1)].astype(np.float32)  # others are never new
    before = things.sum(axis=0) - is_now @ things
    counted: Array = np.stack(
        [
            (((before == 1).astype(np.float32) @ things.T > 0) & (is_now == 0)).sum(axis=1),
            (((before == 0).astype(np.float32) @ things.T > 0) & (is_now == 1)).sum(axis=1),
            *calls,
        ]
    ).astype(np.float64)
    is_both = (calls[0] > 0) & (calls[1] > 0)
    counted *= is_both
    return counted


def share_interval(
    was: float, was_calls: float, now: float, now_calls: float, sureness: float = SURENESS
) -> Interval:
    """Return Newcombe's interval of a difference of two shares, from Wilson's of each."""
    before, before_calls, after, after_calls = (np.array([part]) for part in (was, was_calls, now, now_calls))
    low, high = share_ends(before, before_calls, after, after_calls, sureness)
    return Interval(now / now_calls - was / was_calls, float(low[0]), float(high[0]))


def share_ends(
    was: Array, was_calls: Array, now: Array, now_calls: Array, sureness: float
) -> tuple[Array, Array]:
    """Return the ends of Newcombe's intervals."""
    before, after = _over(was, was_calls), _over(now, now_calls)
    before_low, before_high = wilson(was, was_calls, sureness)
    after_low, after_high = wilson(now, now_calls, sureness)
    low = after - before - np.hypot(after - after_low, before_high - before)
    high = after - before + np.hypot(after_high - after, before - before_low)
    return low, high


def wilson(hits: Array, count: Array, sureness: float) -> tuple[Array, Array]:
    """Return the ends of Wilson's intervals of shares, each right in a part `sureness` of all cases."""
    z = float(special.ndtri(sureness))
    share, weight = _over(hits, count), z * z / np.maximum(count, 1e-9)
    middle = share + weight / 2
    half = z * np.sqrt(np.maximum(share * (1 - share) + weight / 4, 0.0) / np.maximum(count, 1e-9))
    low = np.maximum((middle - half) / (1 + weight), 0.0)
    high = np.minimum((middle + half) / (1 + weight), 1.0)
    return low, high


# ---------------------------------------------------------------- chance


def ranked(excess: Array) -> Array:
    """Return, for draws x columns, how often chance makes as much of a column as each draw does.

    Few draws pass what is borne: they are ranked among themselves, and every draw makes as much as the others.
    """
    count = len(excess)
    chances = np.ones(excess.shape)
    for column in np.flatnonzero((excess > NOTHING / 2).any(axis=0)):
        rows = np.flatnonzero(excess[:, column] > NOTHING / 2)
        found = excess[rows, column]
        chances[rows, column] = (len(rows) - np.searchsorted(np.sort(found), found, side="left")) / count
    return chances


def together(chances: Array) -> Array:
    """Return the chance of each column as it is among all of them: how often equal variants have one as small."""
    order = np.argsort(chances[0], kind="stable")
    least = np.minimum.accumulate(chances[:, order][:, ::-1], axis=1)[:, ::-1]
    adjusted = np.maximum.accumulate((least <= least[0] + 1e-12).mean(axis=0))
    found = np.empty_like(adjusted)
    found[order] = adjusted
    return found


def bar_of(chances: Array, error: float) -> float:
    """Return the largest chance of its own with which a measure is still worse, that never varied in these draws.

    What all others take of `error` up to that chance, and the chance itself, must not be more than `error`.
    """
    least = np.append(np.sort(chances.min(axis=1)), 1.0)
    left = error - np.arange(len(least)) / (len(least) - 1)
    bars = np.minimum(np.nextafter(least, 0.0), left)
    is_held = np.append(0.0, least[:-1]) <= bars
    return float(bars[is_held].max(initial=1 / (len(least) - 1)))
