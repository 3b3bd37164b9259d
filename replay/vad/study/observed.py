"""What a turn detection really did to the callers on the tapes: its own events, judged as a modelled setting is. Pure.

When a turn's end was known differs. server_vad's `audio_end_ms` is the moment of its decision, on the clock of the
audio. semantic_vad's says nothing of how long it waited before it told: of that, the moment counts at which its event
came. The way here is part of it, so `way_ms` says how long that took where it can be told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from attrs import evolve, field, frozen

from bridge.settings.turn_detection import SemanticVad
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.engine.machine import Hearing, Setting, runs_of, segments_of, silence_windows
from replay.vad.study.intervals import Array, ends_of
from replay.vad.study.metrics import AFTERWARDS_MS, Counts, Stretches, counts_of, judged, outcome_of
from replay.vad.study.sweep import DRAWN, METRICS, RATIOS, Measured, drawn_calls, measured
from replay.vad.truth.corpus import ENDED_WITHIN_MS, Corpus
from replay.vad.truth.recording import Heard, Recording
from replay.vad.truth.truth import Span, Truth, Turn


@frozen
class Session:
    """One turn detection's share of one recording: number of the recording, what it said, and what it could hear."""

    call: int
    heard: Heard
    span: Span


@frozen
class Observed:
    """What one turn detection did to the callers, by the names in METRICS.

    leg: whose session it was. modelled: what the local machine says of the same setting on the same audio, and apart:
    how far the observed is above it, in the metrics of DRAWN and over the same resamples; nothing for semantic_vad.
    way_ms: how long after the decision a stop's event came, in the middle; None where that can't be told.
    """

    leg: str
    setting: Setting | SemanticVad
    calls: int
    totals: Mapping[str, float]
    measured: Mapping[str, Measured] = field(repr=False)
    modelled: Mapping[str, Measured] = field(repr=False)
    apart: Mapping[str, Measured] = field(repr=False)
    way_ms: float | None

    @property
    def is_semantic(self) -> bool:
        """Say whether that was semantic_vad."""
        return isinstance(self.setting, SemanticVad)

    @property
    def differs_in(self) -> tuple[str, ...]:
        """Return the metrics in which the local model is another, surely and by more than a little."""
        return tuple(name for name, apart in self.apart.items() if _differs(name, apart))


def _differs(name: str, apart: Measured) -> bool:
    return (apart.low > 0 or apart.high < 0) and abs(apart.value) >= (
        WORTH_MS
        if name.endswith("_ms")
        else WORTH_AN_HOUR
        if RATIOS.get(name, ((), ""))[1] == "hours"
        else WORTH_SHARE
    )


WORTH_SHARE: Final = 0.02
WORTH_MS: Final = 50
WORTH_AN_HOUR: Final = 5
"""Less apart is not worth a word, however sure it is: a caller notices none of it."""


def observed(
    recordings: Sequence[Recording],
    probabilities: Sequence[Floats],
    truths: Sequence[Truth],
    hearing: Hearing,
    *,
    ended_within_ms: int = ENDED_WITHIN_MS,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Observed, ...]:
    """Return what each turn detection on these recordings did, the one with most calls first of each leg."""
    groups: dict[tuple[str, Setting | SemanticVad], list[Session]] = {}
    for session in sessions_of(recordings):
        if session.heard.setting is not None:
            groups.setdefault((session.heard.leg, session.heard.setting), []).append(session)
    told = []
    for own in groups.values():
        corpus = corpus_of(own, recordings, probabilities, truths, ended_within_ms)
        told.append(_observed(own, corpus, hearing, drawn_calls(len(own), resamples, seed)))
    return tuple(sorted((one for one in told if one.totals["turns"]), key=lambda one: (one.leg, -one.calls)))


def sessions_of(recordings: Iterable[Recording]) -> Iterator[Session]:
    """Yield every session that heard any of these recordings."""
    for call, recording in enumerate(recordings):
        for heard in recording.heard:
            end_ms = recording.length_ms if heard.ends_at_ms is None else heard.ends_at_ms
            begin_ms = max(0, heard.starts_at_ms) // WINDOW_MS * WINDOW_MS
            if begin_ms < end_ms:
                yield Session(call, heard, Span(begin_ms, end_ms))


def corpus_of(
    sessions: Sequence[Session],
    recordings: Sequence[Recording],
    probabilities: Sequence[Floats],
    truths: Sequence[Truth],
    ended_within_ms: int = ENDED_WITHIN_MS,
) -> Corpus:
    """Lay what each of these sessions could hear end to end."""
    return Corpus.of(
        [recordings[one.call].call_id for one in sessions],
        [
            probabilities[one.call][one.span.start_ms // WINDOW_MS : -(-one.span.end_ms // WINDOW_MS)]
            for one in sessions
        ],
        [_during(truths[one.call], one.span) for one in sessions],
        ended_within_ms,
    )


def _during(truth: Truth, span: Span) -> Truth:
    """Return what is true in a span, on its own clock: turns that lie in it whole, and what else there is of it."""
    inside = (
        one for one in truth.turns if span.start_ms <= one.span.start_ms and one.span.end_ms <= span.end_ms
    )
    turns = (Turn.of_speech(list(_clipped(one.speech, span)), one.words) for one in inside)
    agent, unsure = (tuple(_clipped(spans, span)) for spans in (truth.agent, truth.unsure))
    return evolve(
        truth, turns=tuple(turns), agent=agent, unsure=unsure, length_ms=span.length_ms, checked=None
    )


def _clipped(spans: Iterable[Span], within: Span) -> Iterator[Span]:
    for span in spans:
        start_ms, end_ms = max(span.start_ms, within.start_ms), min(span.end_ms, within.end_ms)
        if start_ms < end_ms:
            yield Span(start_ms - within.start_ms, end_ms - within.start_ms)


def stretches_heard(corpus: Corpus, sessions: Sequence[Session]) -> Stretches:
    """Return what each recording's session took for speech, on the clock of a corpus of just these sessions."""
    rows = [
        (*row, call)
        for call, (session, begin) in enumerate(zip(sessions, corpus.track.begins.tolist(), strict=True))
        for row in _rows(session, begin * WINDOW_MS)
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 7)
    first, onset, heard, end, stop, ends, call = table.T
    return Stretches(first, onset, heard, end, stop, ends.astype(bool), call)


def _rows(session: Session, base: int) -> Iterator[tuple[int, int, int, int, int, bool]]:
    """Yield what `Stretches` has of each turn that the server heard."""
    base -= session.span.start_ms  # what is told on the recording's clock
    shift, over = base + session.heard.starts_at_ms, base + session.span.end_ms
    match session.heard.setting:
        case Setting(silence_duration_ms=silence_ms, prefix_padding_ms=prefix_ms):
            for turn in session.heard.turns:
                onset = shift + turn.start_ms + prefix_ms
                end = over if turn.stop_ms is None else shift + turn.stop_ms - silence_ms
                stop = over + AFTERWARDS_MS if turn.stop_ms is None else shift + turn.stop_ms
                yield max(shift, onset - WINDOW_MS), onset, onset, end, stop, turn.stop_ms is not None
        case _:  # what semantic_vad adds at either end is not told
            for turn in session.heard.turns:
                first = shift + turn.start_ms
                heard = first if turn.start_came_ms is None else base + turn.start_came_ms
                end = over if turn.stop_ms is None else shift + turn.stop_ms
                stop = (
                    end + AFTERWARDS_MS if turn.stop_ms is None else max(end, base + (turn.stop_came_ms or 0))
                )
                yield first, first, heard, end, stop, turn.stop_ms is not None


# ---------------------------------------------------------------- the numbers


def _observed(sessions: Sequence[Session], corpus: Corpus, hearing: Hearing, weights: Array) -> Observed:
    setting = sessions[0].heard.setting
    assert setting is not None
    prefixes = (setting.prefix_padding_ms if isinstance(setting, Setting) else 0,)
    told = counts_of(corpus, judged(corpus, stretches_heard(corpus, sessions)), prefixes)
    here, drawn = _measured(corpus, told, weights)
    modelled: dict[str, Measured] = {}
    apart: dict[str, Measured] = {}
    if isinstance(setting, Setting):
        runs = runs_of(
            corpus.track, hearing.threshold(setting.threshold), hearing.release(setting.threshold),
            hearing.start_windows,
        )  # fmt: skip
        segments = segments_of(runs, silence_windows(setting.silence_duration_ms))
        local = counts_of(corpus, outcome_of(corpus, segments, hearing.lag_ms), prefixes)
        modelled, local_drawn = _measured(corpus, local, weights)
        apart = {name: _apart(here[name], modelled[name], drawn[name] - local_drawn[name]) for name in DRAWN}
    return Observed(
        sessions[0].heard.leg, setting, corpus.calls, {name: float(one.sum()) for name, one in corpus.totals().items()},
        here, modelled, apart, _way_ms(sessions),
    )  # fmt: skip


def _measured(corpus: Corpus, counts: Counts, weights: Array) -> tuple[dict[str, Measured], dict[str, Array]]:
    """Return each metric with its interval, and the draws of those that are kept: (resamples,)."""
    *sides, drawn = measured(corpus, [counts], weights)
    told = {name: Measured(*(float(np.ravel(side[name])[0]) for side in sides)) for name in METRICS}
    return told, {name: draws.reshape(len(draws)) for name, draws in drawn.items()}


def _apart(here: Measured, there: Measured, drawn: Array) -> Measured:
    low, high = ends_of(drawn)
    return Measured(here.value - there.value, float(low), float(high))


def _way_ms(sessions: Iterable[Session]) -> float | None:
    """Return how long after its decision a stop's event came, in the middle; None where no decision has a moment."""
    late = [
        turn.stop_came_ms - turn.stop_ms - one.heard.starts_at_ms
        for one in sessions
        if isinstance(one.heard.setting, Setting)
        for turn in one.heard.turns
        if turn.stop_ms is not None and turn.stop_came_ms is not None
    ]
    return float(np.median(late)) if late else None
