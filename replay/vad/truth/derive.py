"""What a caller did, worked out from the call itself: no person listened, so it is the weakest source of truth. Pure.

Three witnesses are asked: a local engine that says how much each 32 ms sound like speech, the server's transcripts,
and whether the caller went on before the agent was heard.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
from attrs import evolve, field, frozen

from replay.sound.ears import Ear, listened
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.engine.machine import Ints, Setting, Track, runs_of
from replay.vad.truth.recording import Heard, Recording, ServerTurn
from replay.vad.truth.truth import Span, Truth, Turn

WITNESS: Final = Ear("16k", "reset")
"""Which ear is asked, however the server hears: of 467 composed turns it missed 2, the one that keeps its memory 28."""

STARTS_LATE_MS: Final = 35
ENDS_LATE_MS: Final = 105
"""How much later than somebody speaks it notices that, and that they stopped: the middle of 467 composed turns, half of
which lie within 30 ms. Taken off, or every delay would be so much too short, and no beginning clipped."""

SURE: Final = 0.5
"""From here on it is speech: the engine's default, at which it finds 98 to 100 % of short replies on the phone."""

RELEASE: Final = 0.35
"""Below this, speech is over: the engine's authors take 0.15 off the threshold, and so does the lab's machine."""

SURE_WINDOWS: Final = 2
"""A single loud window, 32 ms, is likelier a click than a word: the shortest of 3,000 spoken digits lasts four."""

FAINT: Final = 0.3
"""From here on it may be speech: line noise, hum, clicks and traffic were never measured to reach it."""

FAINT_MS: Final = 150
"""What is faint and shorter than this is breath: the shortest of 3,000 spoken digits lasts 140 ms."""

CLOSED_MS: Final = 64
"""A gap shorter than two windows is a consonant, or the engine's doubt, and no pause."""

JOIN_MS: Final = 1200
"""Who goes on within this time had not ended: of the pauses from 200 ms on in real turns 90 % are shorter than 1 s,
95 % than 1.6 s."""

ECHO_PEAK: Final = 0.8
"""What sounds less like speech than this while the agent is heard may be its echo. Chosen, not measured."""

EDGE_MS: Final = 200
"""The server's edges and ours may differ by this much: that silence has begun is noticed 55 to 115 ms late."""

ADDS_NOTHING: Final = Setting(threshold=0.5, silence_duration_ms=0, prefix_padding_ms=0)
"""Stands for semantic_vad: what that adds at the ends of a turn is not told."""

Verdict: TypeAlias = Literal["speech", "unsure", "nothing"]


def derive(recording: Recording, probabilities: Floats) -> Truth:
    """Return what the caller did, from the local engine's probability of each 32 ms and what came of the call.

    `probabilities` are those of the recording's own audio by the ear `WITNESS`, (windows,) float32. Every rule has its
    reason beside its constant in this module.
    """
    heard = sounds_of(recording)
    spans = Spans.of(sound.span for sound in heard)
    judged = [
        (stretch.span, _judged(stretch, *_nearest(stretch.span, heard, spans), recording.agent))
        for stretch in _stretches(probabilities, recording.length_ms)
    ]
    speech = _in_time(_closed([span for span, verdict in judged if verdict == "speech"]))
    turns = [Turn.of_speech(group) for group in _groups(speech, recording.agent)]
    return Truth(
        turns=tuple(_with_words(turns, heard)),
        source="derived",
        length_ms=recording.length_ms,
        agent=recording.agent,
        unsure=tuple(span for span, verdict in judged if verdict == "unsure"),
    )


def derived_from(recording: Recording) -> Truth:
    """Return what the caller did, in a recording that nothing has listened to yet."""
    return derive(recording, listened([recording.audio], [WITNESS])[0][WITNESS])


# ---------------------------------------------------------------- what the server heard


@frozen
class Sound:
    """One turn of the server's, by the speech in it.

    span: where that may be in the audio: what the server adds is taken off, and `EDGE_MS` put on. began_ms: when the
    server noticed it.
    """

    turn: ServerTurn
    span: Span
    began_ms: int

    @property
    def words(self) -> str:
        """Return what the server read in it."""
        return (self.turn.words or "").strip()

    @property
    def has_words(self) -> bool:
        """Say whether a transcript came with something to read in it; "." is nothing."""
        return any(letter.isalnum() for letter in self.words)

    @property
    def is_empty(self) -> bool:
        """Say whether a transcript came and there was nothing in it."""
        return self.turn.words is not None and not self.has_words


def sounds_of(recording: Recording) -> list[Sound]:
    """Return what the session on the tape heard; what other sessions made of the recording is no witness."""
    if not recording.heard:
        return []
    real = recording.heard[0]
    return [_sound(turn, real, recording.length_ms) for turn in real.turns]


def _sound(turn: ServerTurn, heard: Heard, length_ms: int) -> Sound:
    setting = heard.setting if isinstance(heard.setting, Setting) else ADDS_NOTHING
    began_ms = turn.start_ms + setting.prefix_padding_ms
    stop_ms = length_ms if turn.stop_ms is None else turn.stop_ms - setting.silence_duration_ms + EDGE_MS
    start_ms = max(0, began_ms - EDGE_MS)
    return Sound(turn, Span(start_ms, max(stop_ms, start_ms + 1)), began_ms)


@frozen
class Spans:
    """Many spans, to ask how much of another they share: an hour of call has a thousand of each."""

    starts: Ints = field(repr=False)
    ends: Ints = field(repr=False)

    @classmethod
    def of(cls, spans: Iterable[Span]) -> "Spans":
        """Return these spans, in any order."""
        edges = np.array([(span.start_ms, span.end_ms) for span in spans], dtype=np.int64).reshape(-1, 2)
        return cls(edges[:, 0], edges[:, 1])

    def shared_ms(self, span: Span) -> Ints:
        """Return how long each of them is there together with another span."""
        both: Ints = np.minimum(self.ends, span.end_ms) - np.maximum(self.starts, span.start_ms)
        return np.maximum(both, 0)

    def share(self, span: Span) -> bool:
        """Say whether any of them is there together with another span."""
        return bool(self.shared_ms(span).any())


# ---------------------------------------------------------------- speech


@frozen
class _Stretch:
    """What the local engine takes for speech: `is_sure`, or else only faintly like it."""

    span: Span
    peak: float
    is_sure: bool


def _stretches(probabilities: Floats, length_ms: int) -> list[_Stretch]:
    """Return the sure stretches and the faint ones that none of them is in, in order."""
    sure = _closed(_runs(probabilities, SURE, RELEASE, SURE_WINDOWS))
    known = Spans.of(sure)
    faint = [
        span
        for span in _closed(_runs(probabilities, FAINT, FAINT, 1))
        if span.length_ms >= FAINT_MS and not known.share(span)
    ]
    both = [*((span, True) for span in sure), *((span, False) for span in faint)]
    return [
        _Stretch(Span(span.start_ms, min(span.end_ms, length_ms)), _peak(probabilities, span), is_sure)
        for span, is_sure in sorted(both)
        if span.start_ms < length_ms
    ]


def _runs(probabilities: Floats, threshold: float, release: float, windows: int) -> list[Span]:
    runs = runs_of(Track.of([probabilities]), threshold, release, windows)
    return [
        Span(int(first) * WINDOW_MS, int(end) * WINDOW_MS)
        for first, heard, end in zip(runs.first, runs.heard, runs.end, strict=True)
        if heard >= 0
    ]


def _peak(probabilities: Floats, span: Span) -> float:
    return float(probabilities[span.start_ms // WINDOW_MS : span.end_ms // WINDOW_MS].max())


def _closed(spans: Iterable[Span]) -> list[Span]:
    """Return the spans, those with next to nothing between them as one."""
    closed: list[Span] = []
    for span in spans:
        if closed and span.start_ms - closed[-1].end_ms < CLOSED_MS:
            span = Span(closed.pop().start_ms, span.end_ms)
        closed.append(span)
    return closed


def _in_time(spans: Iterable[Span]) -> list[Span]:
    """Return the spans as they were spoken; each keeps a window at least, and none overlaps the one before."""
    spoken: list[Span] = []
    for span in spans:
        free_ms = spoken[-1].end_ms if spoken else 0
        start_ms = max(free_ms, span.start_ms - STARTS_LATE_MS)
        end_ms = max(span.end_ms - ENDS_LATE_MS, span.start_ms + WINDOW_MS)
        spoken.append(Span(start_ms, end_ms))
    return spoken


def _nearest(span: Span, heard: Sequence[Sound], spans: Spans) -> tuple[Sound | None, int]:
    """Return the sound that shares most with a span, and how much that is; none when none shares any."""
    shared = spans.shared_ms(span)
    if not shared.any():
        return None, 0
    return heard[int(shared.argmax())], int(shared.max())


def _judged(stretch: _Stretch, sound: Sound | None, shared_ms: int, agent: Iterable[Span]) -> Verdict:
    """Say what a stretch is, given the server's turn that shares most with it: its transcript counts."""
    if sound is not None and sound.is_empty and 2 * shared_ms >= stretch.span.length_ms:
        return "nothing"
    if sound is not None and sound.has_words:
        return "speech"
    if not stretch.is_sure:
        return "unsure"
    return "unsure" if stretch.peak < ECHO_PEAK and _is_inside(stretch.span, agent) else "speech"


def _is_inside(span: Span, agent: Iterable[Span]) -> bool:
    return any(one.start_ms <= span.start_ms and span.end_ms <= one.end_ms for one in agent)


def _groups(speech: Iterable[Span], agent: Sequence[Span]) -> list[list[Span]]:
    """Return stretches of speech turn by turn: who went on soon, and before the agent was heard, had not ended."""
    groups: list[list[Span]] = []
    for span in speech:
        if groups and goes_on(groups[-1][-1].end_ms, span.start_ms, agent):
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def goes_on(silent_ms: int, again_ms: int, agent: Iterable[Span]) -> bool:
    """Say whether speech again at one moment belongs to what fell silent at the other."""
    begins = any(silent_ms <= one.start_ms < again_ms for one in agent)
    return again_ms - silent_ms <= JOIN_MS and not begins


def _with_words(turns: Sequence[Turn], heard: Iterable[Sound]) -> list[Turn]:
    """Return the turns with the server's transcripts, each given to the turn it shares most with."""
    words: list[list[str]] = [[] for _ in turns]
    spans = Spans.of(turn.span for turn in turns)
    for sound in heard:
        shared = spans.shared_ms(sound.span)
        if sound.has_words and shared.any():
            words[int(shared.argmax())].append(sound.words)
    return [evolve(turn, words=" ".join(said)) for turn, said in zip(turns, words, strict=True)]
