"""The smallest change that calls like these show in eight of ten comparisons: how blind a verdict may be. Pure."""

from bisect import bisect_left
from functools import lru_cache
from typing import Final

import numpy as np
import scipy.special as special
from attrs import frozen
from numpy.typing import ArrayLike

from replay.judge.stats import SURENESS, Array, quantile, share_ends

SEEN: Final = 0.8
"""The part of comparisons in which a change of the told size is found."""

STEPS: Final = 400
"""Sizes of a change of shares that are tried, from none to all calls."""

MOST_CALLS: Final = 400
"""Calls a side beyond which shares are told as with so many: the smallest share is then a few percent anyway."""


@frozen
class Bar:
    """What a difference must pass to be worse: its chance among all measures, and its tolerance.

    `chance` is the largest chance of its own that is small enough; `excess` the same in standard errors.
    """

    chance: float
    excess: float
    tolerance: float
    sureness: float = SURENESS


def seen_number(bar: Bar, error: float, margin_error: float, freedom: float) -> float | None:
    """Return the smallest difference of means that is seen; None if none is."""
    if error <= 0 or freedom < 1 or not np.isfinite(error + bar.excess):
        return None
    limit = bar.tolerance + quantile(bar.sureness, freedom) * margin_error
    passes = max(limit, bar.excess * error)
    return float(passes + quantile(SEEN, freedom) * error)


def seen_share(bar: Bar, own: float, was: int, now: int) -> float | None:
    """Return by how much more of the calls must depart to be seen, if the share `own` departs by itself."""
    was, now = min(was, MOST_CALLS), min(now, MOST_CALLS)
    if not was or not now:
        return None
    fewest = _fewest(bar.chance, bar.tolerance, bar.sureness, was, now)
    chances = _binomial(np.arange(was + 1.0), was, own)

    def is_seen(step: int) -> bool:
        return float((chances * _at_least(fewest, now, min(1.0, own + step / STEPS))).sum()) >= SEEN

    most = int((1 - own) * STEPS + 1e-9)
    if most < 0 or not is_seen(most):
        return None
    return bisect_left(range(most), True, key=is_seen) / STEPS  # whoever departs more is seen more often


@lru_cache(maxsize=64)
def _fewest(chance: float, tolerance: float, sureness: float, was: int, now: int) -> Array:
    """Return, for each count of departing calls in the baseline, how few of the variant's are worse.

    The fields of a comparison ask it again and again: kept, it is a tenth of the work.
    """
    before, after = np.meshgrid(np.arange(was + 1.0), np.arange(now + 1.0), indexing="ij")
    low, _ = share_ends(before, np.full_like(before, was), after, np.full_like(after, now), sureness)
    is_worse = (low > tolerance) & (_tail(before, after, was, now) <= chance + 1e-12)
    return np.where(is_worse.any(axis=1), is_worse.argmax(axis=1), now + 1).astype(np.float64)


def _tail(before: Array, after: Array, was: int, now: int) -> Array:
    """Return Fisher's chance that so many of all departing calls, or more, fall to the variant."""
    found: Array = _tails(was, now)[(before + after).astype(int), after.astype(int)]
    return found


@lru_cache(maxsize=8)
def _tails(was: int, now: int) -> Array:
    """Return Fisher's chances for every count of departing calls, and every part of them."""
    total = was + now
    hits, drawn = np.arange(total + 1.0)[:, None], np.arange(now + 1.0)[None, :]
    logs = _log_choose(hits, drawn) + _log_choose(total - hits, now - drawn) - _log_choose(total, now)
    weights = np.where((drawn <= hits) & (now - drawn <= total - hits), np.exp(logs), 0.0)
    tails: Array = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    return tails


def _log_choose(whole: ArrayLike, part: ArrayLike) -> Array:
    of, some = np.asarray(whole, dtype=np.float64), np.asarray(part, dtype=np.float64)
    is_possible = (some >= 0) & (some <= of)
    safe = np.where(is_possible, some, 0.0)
    logs: Array = special.gammaln(of + 1) - special.gammaln(safe + 1) - special.gammaln(of - safe + 1)
    return np.where(is_possible, logs, -np.inf)


def _binomial(hits: Array, count: int, share: float) -> Array:
    known: Array = np.exp(
        _log_choose(count, hits) + special.xlogy(hits, share) + special.xlog1py(count - hits, -share)
    )
    return known


def _at_least(hits: Array, count: int, share: float) -> Array:
    """Return the chance of so many of `count` or more; `count + 1` never come."""
    found: Array = np.where(hits <= 0, 1.0, special.bdtrc(np.minimum(hits, count + 1) - 1, count, share))
    return np.where(hits > count, 0.0, found)
