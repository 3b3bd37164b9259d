"""The hearing with which the local machine's events are nearest to a server's: which ear, and how it listens. Pure.

It is looked for from coarse to fine. First every ear, with and without smoothing, on a wide grid of thresholds,
hystereses and starts; then the best few of them on finer grids; at last the best alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np
from attrs import evolve

from replay.sound.ears import Ear
from replay.vad.engine.machine import Hearing
from replay.vad.study.agreement import Bench, Case

FEWEST_EVENTS: Final = 20
"""Fewer say nothing: an ear and six numbers are fitted to them."""

SMOOTHINGS: Final = (1.0, 0.65, 0.5, 0.35, 0.2)
"""How much of a smoothed probability is the window's own; LiveKit's detector has 0.65."""

COARSEST: Final = 0.1
COARSE: Final = 0.05
FINE: Final = 0.01
HYSTERESES: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
FEW_HYSTERESES: Final = (0.0, 0.15, 0.3)
STARTS: Final = (1, 2, 3, 4)
FEW_STARTS: Final = (1, 3)
REACH: Final = 0.4
"""Local thresholds are looked for this far below and above the server's."""

BEST: Final = 3
"""Kinds of ear that are looked at more closely: the right one is among the first three of forty, or none is."""

Kind = tuple[Ear, float]
"""An ear, and how what it says is smoothed."""


def fit(cases: Sequence[Case]) -> Hearing:
    """Return the hearing under which the local machine's events are nearest to the server's."""
    bench, ears = Bench.of(cases), list(cases[0].probabilities)
    wide = list(product(_around(0, REACH, COARSEST), FEW_HYSTERESES, FEW_STARTS))
    plain = [(ear, weight) for ear in ears for weight in (1.0, 0.35)]
    best_ears = dict.fromkeys(one.ear for one in _best_kinds(bench, plain, wide))
    kinds = [(ear, weight) for ear in best_ears for weight in SMOOTHINGS]
    best = _best_kinds(bench, kinds, wide)
    nearer = (_cheapest(bench, _by_its_ear(one))[1] for one in best)
    _, chosen = min((_refined(bench, one) for one in nearer), key=lambda one: (one[0], *_order(one[1])))
    return _sloped(cases, chosen)


def _best_kinds(
    bench: Bench, kinds: Iterable[Kind], grid: Sequence[tuple[float, float, int]]
) -> list[Hearing]:
    """Return the best hearings of the best few kinds, each the cheapest of its kind on a grid."""
    tried = []
    for ear, weight in kinds:
        own = (Hearing(ear, shift, 1, drop, start, smoothing=weight) for shift, drop, start in grid)
        tried.append(_cheapest(bench, own))
    tried.sort(key=lambda one: (one[0], *_order(one[1])))
    return [hearing for _, hearing in tried[:BEST]]


def _by_its_ear(best: Hearing) -> Iterator[Hearing]:
    """Yield hearings by the same ear with every threshold, hysteresis and start."""
    for shift, drop, start in product(_around(0, REACH, COARSE), HYSTERESES, STARTS):
        yield evolve(best, shift=shift, hysteresis=drop, start_windows=start)


def _refined(bench: Bench, best: Hearing) -> tuple[float, Hearing]:
    cost = 0.0
    for step in (COARSE / 2, FINE):
        fine = product(_around(best.shift, 2 * step, step), _around(best.hysteresis, 2 * step, step), STARTS)
        near = (
            evolve(best, shift=shift, hysteresis=max(0.0, drop), start_windows=start)
            for shift, drop, start in fine
        )
        cost, best = _cheapest(bench, near)
    return cost, best


def _around(middle: float, reach: float, step: float) -> list[float]:
    count = round(reach / step)
    return [round(middle + step * number, 3) for number in range(-count, count + 1)]


def _cheapest(bench: Bench, hearings: Iterable[Hearing]) -> tuple[float, Hearing]:
    """Return the cheapest; among all that are as good as it, the one in the middle."""
    tried = sorted(
        (bench.with_lag(hearing) for hearing in hearings), key=lambda one: (one[0], *_order(one[1]))
    )
    as_good = [hearing for cost, hearing in tried if cost <= tried[0][0] + SAME_MS]
    same = [one for one in as_good if one.start_windows == as_good[0].start_windows]
    return tried[0][0], sorted(same, key=lambda one: (one.shift, one.hysteresis))[len(same) // 2]


SAME_MS: Final = 1e-9


def _order(hearing: Hearing) -> tuple[object, ...]:
    """Of equally good ones the plainest comes first."""
    kind = hearing.ear.is_gated, -hearing.smoothing, hearing.ear
    return hearing.start_windows, abs(hearing.shift), abs(hearing.hysteresis - 0.15), *kind


def _sloped(cases: Sequence[Case], hearing: Hearing) -> Hearing:
    """Return it with a slope as well, where the calls had thresholds far enough apart to tell one, and it helps."""
    found = []
    for remote in sorted({case.setting.threshold for case in cases}):
        own = [case for case in cases if case.setting.threshold == remote]
        if sum(case.events for case in own) >= FEWEST_EVENTS:
            near = (evolve(hearing, shift=shift) for shift in _around(hearing.shift, 0.2, 2 * FINE))
            found.append((remote, remote + _cheapest(Bench.of(own), near)[1].shift))
    if len(found) < 2 or found[-1][0] - found[0][0] < 2 * COARSE:
        return hearing
    remotes, locals_ = np.array(found).T
    slope, shift = np.polyfit(remotes, locals_, 1)
    bench = Bench.of(cases)
    sloped = evolve(hearing, slope=round(float(slope), 3), shift=round(float(shift), 3))
    return min(bench.with_lag(hearing), bench.with_lag(sloped), key=lambda one: one[0])[1]
