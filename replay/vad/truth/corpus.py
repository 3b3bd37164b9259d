"""Many recordings and what is true of them, laid end to end on one clock, so that a setting is judged by whole arrays.

Pure. The clock is ms; recording n begins at `track.begins[n]` windows of 32 ms.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.engine.machine import Ints, Track
from replay.vad.truth.truth import LONG_PAUSE_MS, Source, Span, Truth

Bools = NDArray[np.bool_]
MS_PER_HOUR: Final = 3_600_000

ENDED_WITHIN_MS: Final = 2000
"""A turn that has no stop so long after its last sound is not ended: nobody waits longer for a machine to notice."""


@frozen
class Spans:
    """Spans in order of time: start and end in ms, and the recording that each lies in."""

    start: Ints = field(repr=False)
    end: Ints = field(repr=False)
    call: Ints = field(repr=False)

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> "Spans":
        """Return these (start, end, recording) as arrays."""
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2])

    def hold(self, moments: Ints) -> Bools:
        """Say of each moment whether a span holds it."""
        place = np.searchsorted(self.end, moments, side="right")
        return _overlaps(self, place, moments, moments + 1)

    def meet(self, starts: Ints, ends: Ints) -> Bools:
        """Say of each stretch whether a span overlaps it."""
        return _overlaps(self, np.searchsorted(self.end, starts, side="right"), starts, ends)


def _overlaps(spans: Spans, place: Ints, starts: Ints, ends: Ints) -> Bools:
    if not len(spans.start):
        return np.zeros(len(starts), bool)
    known = place < len(spans.start)
    found: Bools = known & (spans.start[np.minimum(place, len(spans.start) - 1)] < ends)
    return found


@frozen
class Corpus:
    """Recordings with their truths.

    turns: the callers' turns. is_short: which of them are short replies. pauses: those of 200 ms and more, each from
    its start to the next one's, or to the end of its turn: a stop in there is that pause's doing. pause_turn: the
    number of each pause's turn. names and sources: one a recording.
    """

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    track: Track
    turns: Spans
    is_short: Bools = field(repr=False)
    pauses: Spans
    pause_turn: Ints = field(repr=False)
    pause_ms: Ints = field(repr=False)
    agent: Spans
    unsure: Spans
    lengths_ms: Ints = field(repr=False)
    ended_within_ms: int = ENDED_WITHIN_MS
    """After its last sound a turn is to be ended within this time."""

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        probabilities: Iterable[Floats],
        truths: Sequence[Truth],
        ended_within_ms: int = ENDED_WITHIN_MS,
    ) -> "Corpus":
        """Lay recordings end to end: names, speech probabilities (a window of 32 ms each) and truths, in one order."""
        track = Track.of(list(probabilities))
        bases = (track.begins * WINDOW_MS).tolist()
        turns = [(turn, base, call) for call, (truth, base) in enumerate(zip(truths, bases, strict=True))
                 for turn in truth.turns]  # fmt: skip
        pauses = [(number, *row) for number, (turn, base, call) in enumerate(turns)
                  for row in _pauses(turn.pauses, turn.span.end_ms, base, call)]  # fmt: skip
        return cls(
            names=tuple(names),
            sources=tuple(truth.source for truth in truths),
            track=track,
            turns=Spans.of([(turn.span.start_ms + base, turn.span.end_ms + base, call) for turn, base, call in turns]),
            is_short=np.array([turn.is_short for turn, _, _ in turns], dtype=bool),
            pauses=Spans.of([(start, bound, call) for _, start, bound, call, _ in pauses]),
            pause_turn=np.array([number for number, *_ in pauses], dtype=np.int64),
            pause_ms=np.array([length for *_, length in pauses], dtype=np.int64),
            agent=Spans.of(list(_moved((truth.agent for truth in truths), bases))),
            unsure=Spans.of(list(_moved((truth.unsure for truth in truths), bases))),
            lengths_ms=np.array([truth.length_ms for truth in truths], dtype=np.int64),
            ended_within_ms=ended_within_ms,
        )  # fmt: skip

    @property
    def calls(self) -> int:
        """Return how many recordings there are."""
        return len(self.names)

    @property
    def hours(self) -> float:
        """Return how long they last together."""
        return float(self.lengths_ms.sum()) / MS_PER_HOUR

    def totals(self) -> dict[str, NDArray[np.float64]]:
        """Return what does not depend on a setting, per recording: turns, short, pauses, hours."""
        return {
            "turns": self.per_call(self.turns.call),
            "short": self.per_call(self.turns.call[self.is_short]),
            "pauses": self.per_call(self.pauses.call),
            "hours": self.lengths_ms / MS_PER_HOUR,
        }

    def per_call(self, calls: Ints) -> NDArray[np.float64]:
        """Count how often each recording's number stands in an array."""
        return np.bincount(calls, minlength=self.calls).astype(np.float64)


def _pauses(pauses: Sequence[Span], end_ms: int, base: int, call: int) -> Iterable[tuple[int, int, int, int]]:
    """Yield (start, where its doing ends, recording, length) of each long pause of a turn."""
    long = [pause for pause in pauses if pause.length_ms >= LONG_PAUSE_MS]
    bounds = [*(pause.start_ms for pause in long[1:]), end_ms]
    for pause, bound in zip(long, bounds, strict=False):
        yield pause.start_ms + base, bound + base, call, pause.length_ms


def _moved(spans: Iterable[Sequence[Span]], bases: list[int]) -> Iterable[tuple[int, int, int]]:
    for call, (own, base) in enumerate(zip(spans, bases, strict=True)):
        for span in sorted(own):
            yield span.start_ms + base, span.end_ms + base, call
