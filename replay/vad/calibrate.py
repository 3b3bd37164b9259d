"""How well the local machine stands for the server's turn detection, and the hearing with which it does so best. Pure.

Which detector a server runs is not published. But each tape has its events: what it said of this very audio, under a
known setting. The local machine is fitted to them, and how far it agrees is measured on calls that were not used for
the fit. A recommendation stands on that agreement, or there is none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
from attrs import evolve, field, frozen

from replay.vad.machine import Hearing, Ints, Setting, Track, runs_of, segments_of, silence_windows
from replay.vad.recording import Recording, ServerTurn
from replay.vad.silero import POLICIES, WINDOW_MS, Floats, Policy

TOLERANCE_MS: Final = 150
"""Two events this close are the same one: about five windows, less than the shortest pause that counts."""

REACH_MS: Final = 600
"""How far apart two events may be to be compared at all, before the lag between them is known."""

FEWEST_EVENTS: Final = 20
"""Fewer say nothing: six numbers are fitted to them."""

ENOUGH: Final = 0.9
"""The least agreement with which a recommendation is made, unless told otherwise."""

HYSTERESES: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
STARTS: Final = (1, 2, 3, 4)
COARSE: Final = 0.05
FINE: Final = 0.01
REACH: Final = 0.4
"""Local thresholds are looked for this far below and above the server's."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@frozen
class Case:
    """One session's events on one recording: the local machine is to find the same ones in the same probabilities."""

    call_id: str
    setting: Setting
    probabilities: Mapping[Policy, Floats] = field(repr=False)
    starts: Ints = field(repr=False)
    """audio_start_ms of every speech_started, on the clock of the recording."""
    stops: Ints = field(repr=False)
    """audio_end_ms of every speech_stopped."""

    @property
    def events(self) -> int:
        """Return how many events it has."""
        return len(self.starts) + len(self.stops)


@frozen
class Agreement:
    """How far two lists of events agree. server, local: how many there are. matched: pairs within 150 ms.

    errors_ms: of each matched stop, local less server. cost_ms: the mean distance of all events, 150 for one that has
    no match: what a fit makes small.
    """

    server: int
    local: int
    matched: int
    errors_ms: Ints = field(repr=False)
    cost_ms: float

    @property
    def share(self) -> float:
        """Return the share of all events, of either side, that are matched: 0 to 1."""
        together = self.server + self.local
        return 2 * self.matched / together if together else 0.0

    def stop_error_ms(self, share: float) -> float:
        """Return the size of the error that so many of the matched stops stay under, in ms; NaN for no stop."""
        return float(np.quantile(np.abs(self.errors_ms), share)) if len(self.errors_ms) else float("nan")


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


def cases_of(recordings: Sequence[Recording], probabilities: Mapping[Policy, Sequence[Floats]]) -> list[Case]:
    """Return a case for every session that had server_vad, the shadow's too, of recordings and their probabilities."""
    return [
        Case(
            recording.call_id,
            heard.setting,
            {policy: _listened(own[number], heard.ends_at_ms) for policy, own in probabilities.items()},
            _times(heard.starts_at_ms, (turn.start_ms for turn in heard.turns)),
            _times(heard.starts_at_ms, _stops(heard.turns)),
        )
        for number, recording in enumerate(recordings)
        for heard in recording.heard
        if isinstance(heard.setting, Setting)
    ]


def _listened(probabilities: Floats, ends_at_ms: int | None) -> Floats:
    """Return what a session could hear: all of it, or as far as a shadow that was given up came."""
    return probabilities if ends_at_ms is None else probabilities[: ends_at_ms // WINDOW_MS]


def _stops(turns: Iterable[ServerTurn]) -> Iterator[int]:
    return (turn.stop_ms for turn in turns if turn.stop_ms is not None)


def _times(offset_ms: int, times_ms: Iterable[int]) -> Ints:
    return np.array(sorted(offset_ms + time_ms for time_ms in times_ms), dtype=np.int64)


# ---------------------------------------------------------------- agreement


def agreement_of(cases: Sequence[Case], hearing: Hearing) -> Agreement:
    """Let the local machine hear what the server heard, under the same settings, and compare."""
    return _Bench.of(cases).agreement(hearing)


@frozen
class _Group:
    """Cases of one setting, their events laid on one clock; the policies' tracks have the same windows."""

    setting: Setting
    tracks: Mapping[Policy, Track]
    starts: Ints
    stops: Ints

    @classmethod
    def of(cls, setting: Setting, cases: Sequence[Case]) -> "_Group":
        tracks = {
            policy: Track.of([case.probabilities[policy] for case in cases])
            for policy in cases[0].probabilities
        }
        bases = next(iter(tracks.values())).begins * WINDOW_MS
        starts = np.concatenate([case.starts + base for case, base in zip(cases, bases, strict=True)])
        stops = np.concatenate([case.stops + base for case, base in zip(cases, bases, strict=True)])
        return cls(setting, tracks, starts, stops)

    def local(self, hearing: Hearing) -> tuple[Ints, Ints]:
        """Return what the local machine says, starts and stops, in the times a server without lag would tell."""
        track, remote = self.tracks[hearing.policy], self.setting.threshold
        runs = runs_of(track, hearing.threshold(remote), hearing.release(remote), hearing.start_windows)
        found = segments_of(runs, silence_windows(self.setting.silence_duration_ms))
        base = track.begins[np.searchsorted(track.begins, found.first, side="right") - 1] * WINDOW_MS
        starts = (found.first + 1) * WINDOW_MS - self.setting.prefix_padding_ms
        return np.maximum(starts, base), (found.stop[found.stop >= 0] + 1) * WINDOW_MS


@frozen
class _Bench:
    """Cases by their settings, made ready for many hearings."""

    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> "_Bench":
        settings = dict.fromkeys(case.setting for case in cases)
        return cls(tuple(_Group.of(one, [case for case in cases if case.setting == one]) for one in settings))

    def agreement(self, hearing: Hearing) -> Agreement:
        """Compare what the server said with what the local machine says under a hearing."""
        return _compared([(group, group.local(hearing)) for group in self.groups], hearing.lag_ms)

    def with_lag(self, hearing: Hearing) -> tuple[float, Hearing]:
        """Return the hearing with the lag that the events have under it, and what it costs."""
        sides = [(group, group.local(hearing)) for group in self.groups]
        lag_ms = _lag(sides)
        return _compared(sides, lag_ms).cost_ms, evolve(hearing, lag_ms=lag_ms)


Sides = Sequence[tuple[_Group, tuple[Ints, Ints]]]


def _lag(sides: Sides) -> int:
    """Return the median of how much later the server's events are than the nearest local ones, in ms."""
    late = [_apart(server, local, REACH_MS) for group, own in sides
            for server, local in zip((group.starts, group.stops), own, strict=True)]  # fmt: skip
    found = np.concatenate(late)
    return -round(float(np.median(found))) if len(found) else 0


def _apart(server: Ints, local: Ints, reach_ms: int) -> Ints:
    """Return local less server for events that are each other's nearest and not further apart than this, in ms."""
    if not len(server) or not len(local):
        return np.zeros(0, np.int64)
    there, back = _nearest(server, local), _nearest(local, server)
    apart: Ints = local[there] - server
    is_close = (back[there] == np.arange(len(server))) & (np.abs(apart) <= reach_ms)
    close: Ints = apart[is_close]
    return close


def _nearest(these: Ints, those: Ints) -> Ints:
    """Return, for each of these, the number of the nearest of those; both are in order."""
    after = np.minimum(np.searchsorted(those, these), len(those) - 1)
    before = np.maximum(after - 1, 0)
    nearest: Ints = np.where(np.abs(those[before] - these) <= np.abs(those[after] - these), before, after)
    return nearest


def _compared(sides: Sides, lag_ms: int) -> Agreement:
    starts = [_apart(group.starts, own[0] + lag_ms, TOLERANCE_MS) for group, own in sides]
    stops = [_apart(group.stops, own[1] + lag_ms, TOLERANCE_MS) for group, own in sides]
    server = sum(len(group.starts) + len(group.stops) for group, _ in sides)
    local = sum(len(own[0]) + len(own[1]) for _, own in sides)
    errors = np.concatenate([*starts, *stops])
    lonely, together = server + local - 2 * len(errors), server + local
    cost_ms = (
        (2 * float(np.abs(errors).sum()) + lonely * TOLERANCE_MS) / together if together else TOLERANCE_MS
    )
    return Agreement(server, local, len(errors), np.concatenate(stops), float(cost_ms))


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
    return Calibration(hearing, agreement_of(cases, hearing), _together(held_out), len(calls), settings)


def _together(parts: Sequence[Agreement]) -> Agreement:
    server, local, matched = (
        sum(getattr(part, name) for part in parts) for name in ("server", "local", "matched")
    )
    errors = np.concatenate([np.zeros(0, np.int64), *(part.errors_ms for part in parts)])
    cost_ms = sum(part.cost_ms * (part.server + part.local) for part in parts) / max(1, server + local)
    return Agreement(server, local, matched, errors, cost_ms)


def fit(cases: Sequence[Case]) -> Hearing:
    """Return the hearing under which the local machine's events are nearest to the server's."""
    bench = _Bench.of(cases)
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


def _cheapest(bench: _Bench, hearings: Iterable[Hearing]) -> tuple[float, Hearing]:
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
            found.append((remote, remote + _cheapest(_Bench.of(own), near)[1].shift))
    if len(found) < 2 or found[-1][0] - found[0][0] < 2 * COARSE:
        return hearing
    remotes, locals_ = np.array(found).T
    slope, shift = np.polyfit(remotes, locals_, 1)
    bench = _Bench.of(cases)
    sloped = evolve(hearing, slope=round(float(slope), 3), shift=round(float(shift), 3))
    return min(bench.with_lag(hearing), bench.with_lag(sloped), key=lambda one: one[0])[1]
