"""What one setting does to the callers of a corpus, counted per recording. Pure; whole arrays, no loop over windows.

Definitions, all on the clock of the audio (ms):

- A turn is *found* when a stretch that the detector takes for speech overlaps it, up to 100 ms after its end.
- A turn is *cut off* when a stop is announced after it was found and before its end.
- A *pause* of 200 ms or more is cut when such a stop falls between its start and the next pause, or the turn's end.
- A start is *false* when its stretch of speech overlaps no turn (50 ms before, 100 ms after) and nothing unsure.
- The *response delay* of a turn is from its last sound to the stop of the stretch that covers its end. What the model
  then takes to answer comes on top.
- A found turn is *not ended* when that stop does not come within 2 s (`Corpus.ended_within_ms`), nor came before its
  end. Its delay is "beyond": in a percentile it is longer than all others, in the mean it counts with those 2 s. A
  recording that is over sooner says nothing of it.
- An onset is *clipped* when more than 50 ms of a found turn's beginning lie before the audio that the server keeps.
"""

from typing import Any, Final

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from replay.sound.silero_network import WINDOW_MS
from replay.vad.engine.machine import Ints, Segments
from replay.vad.truth.corpus import Bools, Corpus

EARLY_MS: Final = 50
LATE_MS: Final = 100
"""Engines are 30 to 60 ms behind what people mark, and see 32 ms at a time."""

CLIPPED_MS: Final = 50
"""Less is not heard: a plosive's burst lasts about that long."""

AFTERWARDS_MS: Final = 5000
"""Where a stop is put that did not come before the end of its recording: in the quiet before the next."""

BIN_MS: Final = 16
"""Delays are collected in bins of half a window, up to when a turn is not ended: those are in a last bin."""


@frozen
class Outcome:
    """What became of each turn, pause and stretch of speech under one setting.

    found, is_cut, not_ended, delay_ms (-1 for none), late_ms (how far behind the turn's beginning the speech was
    noticed): one a turn. pause_cut: one a pause. is_false, with_agent, call: one a stretch; start_ms when it is
    announced.
    """

    found: Bools = field(repr=False)
    is_cut: Bools = field(repr=False)
    not_ended: Bools = field(repr=False)
    delay_ms: Ints = field(repr=False)
    late_ms: Ints = field(repr=False)
    pause_cut: Bools = field(repr=False)
    is_false: Bools = field(repr=False)
    with_agent: Bools = field(repr=False)
    start_ms: Ints = field(repr=False)
    stop_ms: Ints = field(repr=False)
    call: Ints = field(repr=False)


@frozen
class Stretches:
    """What a detector took for speech, in ms on the corpus' clock, in order, one call's after the other.

    first: where the speech in it begins. onset: where its audio would begin without any prefix padding. heard: when
    it was announced. end: where the speech in it ends. stop: when its end was announced, or `AFTERWARDS_MS` after the
    recording where it never was; ends: which of them were. call: the recording.
    """

    first: Ints = field(repr=False)
    onset: Ints = field(repr=False)
    heard: Ints = field(repr=False)
    end: Ints = field(repr=False)
    stop: Ints = field(repr=False)
    ends: Bools = field(repr=False)
    call: Ints = field(repr=False)


def stretches_of(corpus: Corpus, segments: Segments, lag_ms: int = 0) -> Stretches:
    """Return what the local machine took for speech, its events so much later than its windows."""
    call = np.searchsorted(corpus.track.begins, segments.first, side="right") - 1
    first = segments.first * WINDOW_MS
    never = corpus.track.ends[call] * WINDOW_MS + AFTERWARDS_MS
    return Stretches(
        first=first,
        onset=first + WINDOW_MS + lag_ms,
        heard=(segments.heard + 1) * WINDOW_MS + lag_ms,
        end=segments.end * WINDOW_MS,
        stop=np.where(segments.stop < 0, never, (segments.stop + 1) * WINDOW_MS + lag_ms),
        ends=segments.stop >= 0,
        call=call,
    )


def outcome_of(corpus: Corpus, segments: Segments, lag_ms: int = 0) -> Outcome:
    """Say what these segments do to each turn and pause, and which of them are false."""
    return judged(corpus, stretches_of(corpus, segments, lag_ms))


def judged(corpus: Corpus, told: Stretches) -> Outcome:
    """Say what a detector does to each turn and pause, and which of its stretches of speech are false."""
    turns, count = corpus.turns, len(told.first)
    first = np.searchsorted(told.end, turns.start, side="right")
    last = np.searchsorted(told.first, turns.end + LATE_MS, side="left") - 1
    found = last >= first
    where = np.minimum(np.maximum(last, 0), max(count - 1, 0))
    stop, deadline = _taken(told.stop, where, 0), turns.end + corpus.ended_within_ms
    ends_after = found & _taken(told.ends, where, False) & (stop >= turns.end) & (stop <= deadline)
    over = corpus.track.begins * WINDOW_MS + corpus.lengths_ms
    onset = _taken(told.onset, np.minimum(first, max(count - 1, 0)), 0)
    is_known = corpus.turns.meet(told.first - LATE_MS, told.end + EARLY_MS)
    return Outcome(
        found=found,
        is_cut=found & (np.searchsorted(told.stop, turns.end, side="left") > first),
        not_ended=found & (stop > deadline) & (deadline <= over[turns.call]),
        delay_ms=np.where(ends_after, stop - turns.end, -1),
        late_ms=np.where(found, np.maximum(onset - turns.start, 0), 0),
        pause_cut=_pauses_cut(corpus, told.stop, first),
        is_false=~(is_known | corpus.unsure.meet(told.first, told.end)),
        with_agent=corpus.agent.hold(told.heard),
        start_ms=told.heard,
        stop_ms=told.stop,
        call=told.call,
    )


def _taken(values: NDArray[Any], places: Ints, nothing: int | bool) -> NDArray[Any]:
    """Return values at places, or nothing where there are no values at all."""
    return values[places] if len(values) else np.full(len(places), nothing)


def _pauses_cut(corpus: Corpus, stop: Ints, first: Ints) -> Bools:
    """Say of each pause whether a stop falls in it, of a segment that had found its turn."""
    own = first[corpus.pause_turn]
    before = np.maximum(np.searchsorted(stop, corpus.pauses.start, side="right"), own)
    cut: Bools = np.searchsorted(stop, corpus.pauses.end, side="left") > before
    return cut


# ---------------------------------------------------------------- counts

COUNTS: Final = (
    "cut",
    "pauses_cut",
    "short_missed",
    "missed",
    "false_agent",
    "false_quiet",
    "not_ended",
    "judged",
    "waited_ms",
    "found",
)


@frozen
class Counts:
    """Outcomes counted per recording: `of` maps each of COUNTS to (recordings,); clipped is (recordings, prefixes);
    delays is (recordings, bins), those of turns not ended in the last."""

    of: dict[str, NDArray[np.float64]] = field(repr=False)
    clipped: NDArray[np.float64] = field(repr=False)
    delays: NDArray[np.float32] = field(repr=False)


def counts_of(corpus: Corpus, outcome: Outcome, prefixes: tuple[int, ...]) -> Counts:
    """Count an outcome, with the onsets clipped at each of these prefix paddings (ms)."""
    turn, count = corpus.turns.call, corpus.per_call
    judged = outcome.not_ended | (outcome.delay_ms >= 0)
    waited_ms = np.where(outcome.not_ended, corpus.ended_within_ms, outcome.delay_ms)[judged]
    false = outcome.call[outcome.is_false]
    with_agent = outcome.with_agent[outcome.is_false]
    of: dict[str, NDArray[np.float64]] = {
        "cut": count(turn[outcome.is_cut]),
        "pauses_cut": count(corpus.pauses.call[outcome.pause_cut]),
        "short_missed": count(turn[corpus.is_short & ~outcome.found]),
        "missed": count(turn[~outcome.found]),
        "false_agent": count(false[with_agent]),
        "false_quiet": count(false[~with_agent]),
        "not_ended": count(turn[outcome.not_ended]),
        "judged": count(turn[judged]),
        "waited_ms": np.bincount(turn[judged], weights=waited_ms, minlength=corpus.calls).astype(np.float64),
        "found": count(turn[outcome.found]),
    }
    clipped = [count(turn[outcome.late_ms - prefix > CLIPPED_MS]) for prefix in prefixes]
    return Counts(of, np.stack(clipped, axis=1), _binned(corpus, outcome, judged))


def _binned(corpus: Corpus, outcome: Outcome, judged: Bools) -> NDArray[np.float32]:
    """Return how many delays of each recording are in each bin; the last has those of turns that were not ended."""
    bins = corpus.ended_within_ms // BIN_MS + 2
    own = np.where(outcome.not_ended, bins - 1, outcome.delay_ms // BIN_MS)[judged]
    place = own + corpus.turns.call[judged] * bins
    counted = np.bincount(place, minlength=corpus.calls * bins).reshape(corpus.calls, bins)
    return counted.astype(np.float32)
