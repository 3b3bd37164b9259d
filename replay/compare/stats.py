"""The arithmetic of a comparison: differences between paired calls, their interval, and what it allows to say. Pure.

Two variants are compared call by call, the same caller's n-th with the same caller's n-th, and the pairs are drawn
again and again (a bootstrap). A bootstrap of few pairs is too sure of itself, as it knows only the values it saw:
so its interval is never taken narrower than Student's.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import atan, cos, exp, lgamma, log, pi, sqrt
from random import Random
from statistics import fmean, stdev
from typing import Final, Literal, TypeAlias

from attrs import frozen

Status: TypeAlias = Literal["worse", "unclear", "better", "same", "no data"]
Key: TypeAlias = tuple[str, int]
"""Which call: its caller, and its repeat."""

WIDEST: Final = 1e6
"""Student's quantiles are not looked for beyond this: one pair allows to say nothing anyway."""


@frozen
class Interval:
    """A mean difference, and between which ends it surely lies; `pairs` is how many calls it stands on."""

    mean: float
    low: float
    high: float
    pairs: int

    def status(self, tolerance: float) -> Status:
        """Say what is proved: more is worse here."""
        if self.low > tolerance:
            return "worse"
        if self.high < -tolerance:
            return "better"
        return "same" if -tolerance <= self.low and self.high <= tolerance else "unclear"


def differences(was: Mapping[Key, float], now: Mapping[Key, float]) -> dict[str, list[float]]:
    """Return, by caller, now less was for the same repeats; repeats that one side lacks are paired in their order."""
    found: dict[str, list[float]] = {}
    for caller in dict.fromkeys(caller for caller, _ in was):
        left, right = (
            {n: value for (name, n), value in side.items() if name == caller} for side in (was, now)
        )
        both = [n for n in left if n in right]
        rest = zip(
            *([side[n] for n in sorted(side) if n not in both] for side in (left, right)), strict=False
        )
        pairs = [*((left[n], right[n]) for n in both), *rest]
        if pairs:
            found[caller] = [after - before for before, after in pairs]
    return found


def interval_of(values: Sequence[float], *, error: float, resamples: int, random: Random) -> Interval | None:
    """Return the interval of their mean, each end wrong with a chance of `error`; None for no values."""
    if not values:
        return None
    mean, count = fmean(values), len(values)
    if count == 1:
        return Interval(mean, mean - WIDEST, mean + WIDEST, 1)
    means = sorted(fmean(random.choices(values, k=count)) for _ in range(resamples))
    place = min(int(error * resamples), resamples - 1)
    half = student(1 - error, count - 1) * stdev(values) / sqrt(count)
    return Interval(mean, min(means[place], mean - half), max(means[-1 - place], mean + half), count)


@cache
def student(share: float, freedom: int) -> float:
    """Return the quantile of Student's distribution for a share above one half."""
    low, high = 0.0, WIDEST
    while high - low > 1e-6 * max(1.0, low):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, freedom) < share else (low, middle)
    return high


def _below(t: float, freedom: int) -> float:
    """Return the share below t: Simpson's rule over the angle with tangent t / sqrt(freedom), where it is smooth."""
    steps, end = 400, atan(t / sqrt(freedom))
    factor = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(pi) / 2)
    heights = [cos(end * n / steps) ** (freedom - 1) for n in range(steps + 1)]
    area = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
    return 0.5 + factor * area * end / steps / 3


def shuffled_chance(was: Sequence[str], now: Sequence[str], *, resamples: int, random: Random) -> float:
    """Return how often chance alone would make two lists of labels differ as much as these do."""
    seen, pool, hits = apart(was, now), [*was, *now], 0
    for _ in range(resamples):
        random.shuffle(pool)
        hits += apart(pool[: len(was)], pool[len(was) :]) >= seen
    return (hits + 1) / (resamples + 1)


def apart(was: Sequence[str], now: Sequence[str]) -> float:
    """Return how far two lists of labels differ: 0 for the same shares of each, 1 for no label in common."""
    if not was or not now:
        return 0.0
    labels = {*was, *now}
    return sum(abs(was.count(label) / len(was) - now.count(label) / len(now)) for label in sorted(labels)) / 2
