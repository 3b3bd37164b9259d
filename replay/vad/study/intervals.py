"""Intervals around what was counted: of resampled calls, and never narrower than so few events allow. Pure.

Turns of one caller are alike, so calls are resampled. But of what never happened no resample knows that it might have:
a share of nought gets Wilson's interval, events an hour get Byar's, which go by the count alone. The wider one counts.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LEVEL: Final = 0.95
Z: Final = 1.96
"""Standard deviations to either end of an interval of that level."""


def ends_of(draws: Array) -> tuple[Array, Array]:
    """Return the ends of the 95 % interval over the first axis: the draws in the middle, by their order."""
    ordered = np.sort(draws, axis=0)  # NaN last, which leaves an interval as wide as what could be counted
    last = len(draws) - 1
    return ordered[round(last * (1 - LEVEL) / 2)], ordered[round(last * (1 + LEVEL) / 2)]


def for_few(calls: int) -> float:
    """Return by how much intervals from resamples of so few calls are to be longer: Student's t, and the lost degree.

    >>> round(for_few(24), 2), round(for_few(600), 2)
    (1.08, 1.0)
    """
    freedom = max(calls - 1, 1)
    student = Z + (Z**3 + Z) / (4 * freedom)
    return float(student / Z * np.sqrt(calls / freedom))


def share_ends(count: NDArray[Any], of: NDArray[Any]) -> tuple[Array, Array]:
    """Return the ends of a share's interval by Wilson, from 0 to 1; NaN of nothing.

    >>> low, high = share_ends(np.array([0, 5]), np.array([40, 40]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.055], [0.088, 0.261])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share, shrink = count / of, Z * Z / of
        middle = (share + shrink / 2) / (1 + shrink)
        half = np.sqrt(shrink * (share * (1 - share) + shrink / 4)) / (1 + shrink)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def rate_ends(count: NDArray[Any], hours: NDArray[Any]) -> tuple[Array, Array]:
    """Return the ends of the interval of events an hour by Byar; NaN of no time.

    >>> low, high = rate_ends(np.array([0, 10]), np.array([1.0, 1.0]))
    >>> low.round(1).tolist(), high.round(1).tolist()
    ([0.0, 4.8], [3.7, 18.4])
    """
    more = count + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        some = np.maximum(count, 1)
        low = np.where(count > 0, count * (1 - 1 / (9 * some) - Z / (3 * np.sqrt(some))) ** 3, 0)
        return low / hours, more * (1 - 1 / (9 * more) + Z / (3 * np.sqrt(more))) ** 3 / hours
