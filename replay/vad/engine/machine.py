"""Turn detection by threshold and silence, from speech probabilities: the machine that stands for server_vad.

It is here twice. `naive_segments` goes window by window, as a server does, and is what the other is tested against.
`runs_of` and `segments_of` find the same in a few operations over whole arrays: probabilities become runs of speech
once for each threshold, and a silence setting then only asks which gaps between runs are long enough.

What the machine does (times at the ends of windows of 32 ms unless said otherwise): a caller begins to speak with the
first window at or above the threshold, once `start_windows` of them came with none below the release mark between.
Silence is counted from the start of the first window below the release mark; it ends the turn when it lasts
`silence_duration_ms`, unless a window at or above the threshold comes first.
"""

from typing import Final

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from replay.sound.ears import Ear
from replay.sound.silero_network import WINDOW_MS, Floats

Ints = NDArray[np.int64]

LEAST: Final = 0.01
"""Local thresholds and release marks stay between this and one minus it."""

PAD_WINDOWS: Final = 10_000 // WINDOW_MS + 1
"""Quiet windows between two recordings: more than the longest silence setting, so that none runs into the next."""


@frozen
class Setting:
    """One server_vad setting, by the field names of the Realtime API: a threshold from 0 to 1, the rest in ms.

    https://platform.openai.com/docs/guides/realtime-vad
    """

    threshold: float
    silence_duration_ms: int
    prefix_padding_ms: int = 300


@frozen
class Hearing:
    """How the server's detector hears, in terms of the local engine: what calibration fits.

    ear: which probabilities it goes by. shift, slope: the local threshold is slope * threshold + shift. hysteresis:
    how far the release mark lies below the local threshold. start_windows: windows of 32 ms that it takes to begin.
    lag_ms: how much later the server's event times are. smoothing: how much of a smoothed probability is the window's
    own, the rest being that of the one before; 1 for none.
    """

    ear: Ear = Ear()
    shift: float = 0.0
    slope: float = 1.0
    hysteresis: float = 0.15
    start_windows: int = 1
    lag_ms: int = 0
    smoothing: float = 1.0

    @property
    def described(self) -> str:
        """Return which ear it is, and whether what that says is smoothed, for people."""
        return str(self.ear) + (f", smoothed ({self.smoothing:g})" if self.smoothing < 1 else "")

    def threshold(self, remote: float) -> float:
        """Return the local threshold that stands for the server's, 0.01 to 0.99.

        >>> Hearing(shift=0.25).threshold(0.5)
        0.75
        """
        return min(max(self.slope * remote + self.shift, LEAST), 1 - LEAST)

    def release(self, remote: float) -> float:
        """Return the local probability below which silence begins."""
        return max(self.threshold(remote) - self.hysteresis, LEAST)


@frozen
class Segment:
    """One stretch in which the detector thinks that the caller speaks. Windows are counted from 0.

    first: the first window of speech. heard: the window at whose end the start is announced. end: the window after
    the last of speech. stop: the window at whose end the stop is announced; None when the audio ends before.
    """

    first: int
    heard: int
    end: int
    stop: int | None


def silence_windows(silence_ms: int) -> int:
    """Return how many windows of silence it takes: the first count that is at least so long."""
    return max(1, -(-silence_ms // WINDOW_MS))


def naive_segments(probabilities: Floats, setting: Setting, hearing: Hearing) -> list[Segment]:
    """Return the segments of one recording, window by window: slow, and easy to believe.

    >>> heard = np.array([0.1, 0.9, 0.9, 0.2, 0.1, 0.1], dtype=np.float32)  # windows of 32 ms
    >>> naive_segments(heard, Setting(threshold=0.5, silence_duration_ms=90), Hearing())
    [Segment(first=1, heard=1, end=3, stop=5)]
    """
    threshold, release = hearing.threshold(setting.threshold), hearing.release(setting.threshold)
    found: list[Segment] = []
    first = end = 0
    loud, is_speaking, quiet_since = 0, False, None
    heard = 0
    for window, probability in enumerate(probabilities):
        is_loud, is_quiet = probability >= threshold, probability < release
        if not is_speaking:
            if is_loud:
                first = window if loud == 0 else first
                loud += 1
            elif is_quiet:
                loud = 0
            if loud >= hearing.start_windows:
                is_speaking, heard, quiet_since = True, window, None
            continue
        if is_loud:
            quiet_since = None
        elif is_quiet and quiet_since is None:
            quiet_since = window
        if quiet_since is not None and (window + 1 - quiet_since) * WINDOW_MS >= setting.silence_duration_ms:
            found.append(Segment(first, heard, quiet_since, window))
            is_speaking, loud = False, 0
    if is_speaking:
        end = len(probabilities) if quiet_since is None else quiet_since
        found.append(Segment(first, heard, end, None))
    return found


# ---------------------------------------------------------------- all recordings at once


@frozen
class Track:
    """The probabilities of many recordings laid end to end, with quiet between them.

    begins: the window at which each recording begins. ends: the window after its last.
    """

    probabilities: Floats = field(repr=False)
    begins: Ints = field(repr=False)
    ends: Ints = field(repr=False)

    @classmethod
    def of(cls, recordings: list[Floats]) -> "Track":
        """Lay these recordings end to end."""
        lengths = np.array([len(one) for one in recordings], dtype=np.int64)
        begins = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths + PAD_WINDOWS)))
        together = np.zeros(int(begins[-1]), dtype=np.float32)
        for begin, one in zip(begins, recordings, strict=False):
            together[begin : begin + len(one)] = one
        return cls(together, begins[:-1], begins[:-1] + lengths)


@frozen
class Runs:
    """Stretches from a window at or above the threshold to the first below the release mark, in order.

    first: that window. heard: the window with which there were enough to begin; -1 when there never were. end: the
    first window below the mark, or the one after the recording's last. limit: the latter.
    """

    first: Ints = field(repr=False)
    heard: Ints = field(repr=False)
    end: Ints = field(repr=False)
    limit: Ints = field(repr=False)


@frozen
class Segments:
    """What `Segment` has, for many, as arrays; `stop` is -1 where the recording ends before."""

    first: Ints = field(repr=False)
    heard: Ints = field(repr=False)
    end: Ints = field(repr=False)
    stop: Ints = field(repr=False)


def runs_of(track: Track, threshold: float, release: float, start_windows: int) -> Runs:
    """Return the runs for one pair of local marks."""
    loud = track.probabilities >= threshold
    marks = np.flatnonzero(loud | (track.probabilities < release))
    is_loud = loud[marks]
    before = np.concatenate((np.zeros(1, bool), is_loud[:-1]))
    first, end = marks[is_loud & ~before], marks[~is_loud & before]
    limit = track.ends[np.searchsorted(track.begins, first, side="right") - 1]
    heard = first if start_windows == 1 else _nth_loud(np.flatnonzero(loud), first, end, start_windows)
    return Runs(first, heard, np.minimum(end, limit), limit)


def _nth_loud(loud: Ints, first: Ints, end: Ints, count: int) -> Ints:
    place = np.searchsorted(loud, first) + count - 1
    window = loud[np.minimum(place, len(loud) - 1)] if len(loud) else first
    return np.where((place < len(loud)) & (window < end), window, -1)


def segments_of(runs: Runs, silence: int) -> Segments:
    """Return the segments that so many windows of silence end."""
    if not len(runs.first):
        return Segments(runs.first, runs.first, runs.first, runs.first)
    is_last = np.append(runs.first[1:] - runs.end[:-1] >= silence, True)
    is_last[:-1] |= runs.limit[1:] != runs.limit[:-1]
    last = np.flatnonzero(is_last)
    begin = np.concatenate((np.zeros(1, np.int64), last[:-1] + 1))
    starters = np.flatnonzero(runs.heard >= 0)
    place = np.searchsorted(starters, begin)
    starter = starters[np.minimum(place, len(starters) - 1)] if len(starters) else begin
    is_heard = (place < len(starters)) & (starter <= last)
    starter, last = starter[is_heard], last[is_heard]
    end, limit = runs.end[last], runs.limit[last]
    stop = np.where(end + silence <= limit, end + silence - 1, -1)
    return Segments(runs.first[starter], runs.heard[starter], end, stop)
