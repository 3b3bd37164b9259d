"""How far the local machine's events and a server's agree, on the same audio under the same settings. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from attrs import evolve, field, frozen

from replay.sound.ears import Ear, smoothed
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.engine.machine import Hearing, Ints, Setting, Track, runs_of, segments_of, silence_windows
from replay.vad.truth.recording import Recording, ServerTurn

TOLERANCE_MS: Final = 150
"""Two events this close are the same one: about five windows, less than the shortest pause that counts."""

REACH_MS: Final = 600
"""How far apart two events may be to be compared at all, before the lag between them is known."""


@frozen
class Case:
    """One session's events on one recording: the local machine is to find the same ones in the same probabilities.

    probabilities: (windows of 32 ms,) float32, by ear.
    """

    call_id: str
    setting: Setting
    probabilities: Mapping[Ear, Floats] = field(repr=False)
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


def cases_of(recordings: Sequence[Recording], probabilities: Mapping[Ear, Sequence[Floats]]) -> list[Case]:
    """Return a case for every session that had server_vad, the shadow's too, of recordings and their probabilities."""
    return [
        Case(
            recording.call_id,
            heard.setting,
            {ear: _listened(own[number], heard.ends_at_ms) for ear, own in probabilities.items()},
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
    return Bench.of(cases).agreement(hearing)


@frozen
class _Group:
    """Cases of one setting, their events laid on one clock; the ears' tracks have the same windows."""

    setting: Setting
    tracks: dict[tuple[Ear, float], Track]
    """By ear and smoothing; those that are smoothed once they were asked for."""
    starts: Ints
    stops: Ints

    @classmethod
    def of(cls, setting: Setting, cases: Sequence[Case]) -> "_Group":
        tracks = {
            (ear, 1.0): Track.of([case.probabilities[ear] for case in cases])
            for ear in cases[0].probabilities
        }
        bases = next(iter(tracks.values())).begins * WINDOW_MS
        starts = np.concatenate([case.starts + base for case, base in zip(cases, bases, strict=True)])
        stops = np.concatenate([case.stops + base for case, base in zip(cases, bases, strict=True)])
        return cls(setting, tracks, starts, stops)

    def local(self, hearing: Hearing) -> tuple[Ints, Ints]:
        """Return what the local machine says, starts and stops, in the times a server without lag would tell."""
        track, remote = self._track(hearing), self.setting.threshold
        runs = runs_of(track, hearing.threshold(remote), hearing.release(remote), hearing.start_windows)
        found = segments_of(runs, silence_windows(self.setting.silence_duration_ms))
        base = track.begins[np.searchsorted(track.begins, found.first, side="right") - 1] * WINDOW_MS
        starts = (found.first + 1) * WINDOW_MS - self.setting.prefix_padding_ms
        return np.maximum(starts, base), (found.stop[found.stop >= 0] + 1) * WINDOW_MS

    def _track(self, hearing: Hearing) -> Track:
        key = hearing.ear, hearing.smoothing
        if key not in self.tracks:
            plain = self.tracks[hearing.ear, 1.0]
            self.tracks[key] = evolve(plain, probabilities=smoothed(plain.probabilities, hearing.smoothing))
        return self.tracks[key]


@frozen
class Bench:
    """Cases by their settings, made ready for many hearings."""

    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> "Bench":
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


def together(parts: Sequence[Agreement]) -> Agreement:
    server, local, matched = (
        sum(getattr(part, name) for part in parts) for name in ("server", "local", "matched")
    )
    errors = np.concatenate([np.zeros(0, np.int64), *(part.errors_ms for part in parts)])
    cost_ms = sum(part.cost_ms * (part.server + part.local) for part in parts) / max(1, server + local)
    return Agreement(server, local, matched, errors, cost_ms)
