"""How well the local machine stands for the server's turn detection, and the hearing with which it does so best. Pure.

Which detector a server runs is not published. But each tape has its events: what it said of this very audio, under a
known setting. The local machine is fitted to them, and how far it agrees is measured on calls that were not used for
the fit. A recommendation stands on that agreement, or there is none.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
from attrs import evolve, frozen

from replay.sound.silero import POLICIES
from replay.vad.engine.machine import Hearing, Setting
from replay.vad.study.agreement import TOLERANCE_MS, Agreement, Bench, Case, agreement_of, together

FEWEST_EVENTS: Final = 20
"""Fewer say nothing: six numbers are fitted to them."""

ENOUGH: Final = 0.9
"""The least agreement with which a recommendation is made, unless told otherwise."""

BEYOND: Final = 0.1
"""How far from a threshold that was in force another may be recommended: the server's scale may be another."""

HYSTERESES: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
STARTS: Final = (1, 2, 3, 4)
COARSE: Final = 0.05
FINE: Final = 0.01
REACH: Final = 0.4
"""Local thresholds are looked for this far below and above the server's."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@frozen
class Calibration:
    """What was fitted, and how well it stands for the server.

    agreement: of the hearing, on the calls it was fitted to. held_out: of hearings fitted to one half of the calls, on
    the other half; this is what counts. calls: how many had events.
    """

    hearing: Hearing
    agreement: Agreement
    held_out: Agreement
    calls: int
    settings: tuple[Setting, ...]

    @property
    def known(self) -> tuple[float, float]:
        """Return between which of the server's thresholds this says how it hears: a little beyond those in force."""
        seen = [setting.threshold for setting in self.settings]
        return max(0.0, min(seen) - BEYOND), min(1.0, max(seen) + BEYOND)

    def is_good(self, enough: float = ENOUGH) -> bool:
        """Say whether a recommendation may stand on it."""
        return self.held_out.server >= FEWEST_EVENTS and self.held_out.share >= enough

    def verdict(self, enough: float = ENOUGH) -> str:
        """Return what it says about the tool's right to recommend anything, for people."""
        told = self.held_out
        if told.server < FEWEST_EVENTS:
            return (
                f"{told.server} events in calls that were not used for the fit are too few to calibrate on: "
                f"at least {FEWEST_EVENTS} are needed"
            )
        share = (
            f"{told.share * 100:.0f} % of all events within {TOLERANCE_MS} ms, on calls not used for the fit"
        )
        if told.share < enough:
            return (
                f"the local model does not hear as the server does: {share}; {enough * 100:.0f} % are needed"
            )
        p50, p90 = told.stop_error_ms(0.5), told.stop_error_ms(0.9)
        return f"the local model reproduces {share}; stops are off by {p50:.0f} ms (median) and {p90:.0f} ms (90 %)"


# ---------------------------------------------------------------- the fit


def calibrate(cases: Sequence[Case], *, mapped: Map = map) -> Calibration:
    """Fit a hearing to what the server said, and measure how far it agrees on calls it was not fitted to.

    `mapped` may be an executor's map: it is given the three fits. Raises `ValueError` for no cases at all.
    """
    if not cases:
        raise ValueError("nothing to calibrate on: no session had server_vad")
    calls = list(dict.fromkeys(case.call_id for case in cases))
    halves = [[case for case in cases if calls.index(case.call_id) % 2 == half] for half in range(2)]
    hearing, *others = mapped(fit, [cases, *(halves if all(halves) else [])])
    held_out = [agreement_of(halves[1 - half], other) for half, other in enumerate(others)]
    settings = tuple(dict.fromkeys(case.setting for case in cases))
    return Calibration(hearing, agreement_of(cases, hearing), together(held_out), len(calls), settings)


def fit(cases: Sequence[Case]) -> Hearing:
    """Return the hearing under which the local machine's events are nearest to the server's."""
    bench = Bench.of(cases)
    policies = [policy for policy in POLICIES if policy in cases[0].probabilities]
    rough = product(policies, _around(0, REACH, COARSE), HYSTERESES, STARTS)
    _, best = _cheapest(
        bench, (Hearing(policy, shift, 1, drop, start) for policy, shift, drop, start in rough)
    )
    for step in (COARSE / 2, FINE):
        fine = product(_around(best.shift, 2 * step, step), _around(best.hysteresis, 2 * step, step), STARTS)
        near = (
            evolve(best, shift=shift, hysteresis=max(0.0, drop), start_windows=start)
            for shift, drop, start in fine
        )
        _, best = _cheapest(bench, near)
    return _sloped(cases, best)


def _around(middle: float, reach: float, step: float) -> list[float]:
    count = round(reach / step)
    return [round(middle + step * number, 3) for number in range(-count, count + 1)]


def _cheapest(bench: Bench, hearings: Iterable[Hearing]) -> tuple[float, Hearing]:
    """Return the cheapest; among all that are as good as it, the one in the middle."""
    tried = sorted(
        (bench.with_lag(hearing) for hearing in hearings), key=lambda one: (one[0], *_order(one[1]))
    )
    as_good = [hearing for cost, hearing in tried if cost <= tried[0][0] + SAME_MS]
    same = [
        one
        for one in as_good
        if (one.policy, one.start_windows) == (as_good[0].policy, as_good[0].start_windows)
    ]
    return tried[0][0], sorted(same, key=lambda one: (one.shift, one.hysteresis))[len(same) // 2]


SAME_MS: Final = 1e-9


def _order(hearing: Hearing) -> tuple[object, ...]:
    """Of equally good ones the plainest comes first."""
    return hearing.start_windows, abs(hearing.shift), abs(hearing.hysteresis - 0.15), hearing.policy


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
