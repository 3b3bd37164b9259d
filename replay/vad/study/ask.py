"""Which moments a person should listen to first: those whose labels would narrow the answer most.

What is worked out from a call is weakest in three places: whether somebody who went on had finished before, whether a
faint sound was the caller, and whether what the server read nothing in was nothing. Of all such moments those come
first over which the settings disagree that chance itself would choose among, and in which most is to be doubted. How
much they disagree is counted; how much is to be doubted is a guess, and only sorts.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from attrs import field, frozen

from bridge.tapes.reader import read_tape
from replay.sound.silero_network import WINDOW_MS
from replay.tapes.wav import write_wav
from replay.vad.engine.machine import Ints
from replay.vad.study.changes import outcome_under
from replay.vad.study.recommend import choices_of_chance
from replay.vad.study.study import Study
from replay.vad.truth.derive import JOIN_MS, Sound, sounds_of
from replay.vad.truth.from_words import is_finished
from replay.vad.truth.labels import SUFFIXES, write_questions
from replay.vad.truth.truth import Span, Truth, Turn

MOMENTS: Final = 20
"""A quarter of an hour's work."""

LONGEST_GAP_MS: Final = 2500
"""Who is silent for longer has finished, whatever they say next."""

LEAST_GAP_MS: Final = 300
"""Nobody takes a shorter silence for an end."""

AROUND_MS: Final = 150
"""A moment reaches a little beyond the speech in it, for edges are not exact."""

LEAST_STAKE: Final = 0.1
"""Where all settings do the same, a label still tells how good they are."""

Kind: TypeAlias = Literal["one or two", "speech"]
Answer: TypeAlias = Literal["one", "two", "yes", "no", "unsure"]
ANSWERS: Final[dict[Kind, tuple[Answer, ...]]] = {
    "one or two": ("one", "two", "unsure"), "speech": ("yes", "no", "unsure"),
}  # fmt: skip


@frozen
class Question:
    """One moment that a person is asked about.

    call: the number of the recording. span: what is listened to, and is checked then. before, after: the stretches of
    speech on either side of the silence in question, or all of them and none. words: what the transcript has before
    it, and looks_finished what that alone says. weight: how much a label would tell.
    """

    call: int
    kind: Kind
    span: Span
    before: tuple[Span, ...]
    after: tuple[Span, ...] = ()
    words: str = ""
    doubt: float = field(default=0.5, repr=False)
    weight: float = 0.0

    @property
    def looks_finished(self) -> bool | None:
        """Say what the words alone say of whether the caller had finished."""
        return is_finished(self.words)

    def truth(self, answer: Answer, length_ms: int) -> Truth:
        """Return what is true in its span, given an answer."""
        turns: tuple[Turn, ...] = ()
        unsure: tuple[Span, ...] = ()
        speech = (*self.before, *self.after)
        match answer:
            case "one" | "yes":
                turns = (Turn.of_speech(speech),)
            case "two":
                turns = (Turn.of_speech(self.before), Turn.of_speech(self.after))
            case "unsure":
                unsure = (Span(speech[0].start_ms, speech[-1].end_ms),)
        return Truth(turns, "derived", length_ms, unsure=unsure, checked=(self.span,))


def questions(study: Study, most: int = MOMENTS) -> tuple[Question, ...]:
    """Return the moments to listen to, that which tells most first; no two of them overlap, and none is labelled."""
    weighed = sorted(_weighed(study), key=lambda one: (-one.weight, one.call, one.span))
    chosen: list[Question] = []
    for one in weighed:
        if len(chosen) < most and not any(
            one.call == other.call and _meet(one.span, other.span) for other in chosen
        ):
            chosen.append(one)
    return tuple(chosen)


def _meet(one: Span, other: Span) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms


# ---------------------------------------------------------------- what there is to be asked


def _asked(study: Study) -> Iterator[Question]:
    """Yield everything that could be asked about calls that nobody labelled."""
    for call, (recording, truth) in enumerate(zip(study.recordings, study.truths, strict=True)):
        if truth.source != "derived":
            continue
        sounds = sounds_of(recording)
        for one in (*_gaps(call, truth, sounds), *_sounds(call, truth, sounds)):
            if not any(_meet(one.span, checked) for checked in truth.checked or ()):
                yield one


def _gaps(call: int, truth: Truth, sounds: Sequence[Sound]) -> Iterator[Question]:
    """Yield every silence within a turn or after one that could be the other of the two."""
    for turn in truth.turns:
        speech = turn.speech
        for place in range(1, len(speech)):
            gap = Span(speech[place - 1].end_ms, speech[place].start_ms)
            if gap.length_ms >= LEAST_GAP_MS:
                doubt = 0.4 * min(1.0, gap.length_ms / JOIN_MS)
                yield _of_gap(
                    call, truth, speech[:place], speech[place:], doubt, _words_before(gap, sounds), True
                )
    for turn, then in pairwise(truth.turns):
        gap_ms = then.span.start_ms - turn.span.end_ms
        if LEAST_GAP_MS <= gap_ms <= LONGEST_GAP_MS:
            gap = Span(turn.span.end_ms, then.span.start_ms)
            late = max(0.0, (gap_ms - JOIN_MS) / (LONGEST_GAP_MS - JOIN_MS))
            words = _words_before(gap, sounds)
            yield _of_gap(call, truth, turn.speech, then.speech, 0.5 * (1 - late), words, False)


def _of_gap(
    call: int,
    truth: Truth,
    before: Sequence[Span],
    after: Sequence[Span],
    doubt: float,
    words: str,
    is_one: bool,
) -> Question:
    said = is_finished(words)
    if said is not None:  # words are a witness among others: they move the doubt, and decide nothing
        doubt = max(doubt, 0.6) if said == is_one else doubt / 2
    span = _around(Span(before[0].start_ms, after[-1].end_ms), truth)
    return Question(call, "one or two", span, tuple(before), tuple(after), words, doubt)


def _words_before(gap: Span, sounds: Sequence[Sound]) -> str:
    """Return what the server read in the turn that it ended in or just after this silence."""
    ended = [one for one in sounds if one.turn.stop_ms is not None and _holds(gap, one.turn.stop_ms)]
    return ended[0].words if ended else ""


def _holds(gap: Span, stop_ms: int) -> bool:
    return gap.start_ms <= stop_ms < gap.end_ms + LEAST_GAP_MS


def _sounds(call: int, truth: Truth, sounds: Sequence[Sound]) -> Iterator[Question]:
    """Yield what may be the caller and may be none."""
    for span in truth.unsure:
        yield Question(call, "speech", _around(span, truth), (span,))
    reads = any(one.has_words for one in sounds)
    for one in (one for one in sounds if reads and one.is_empty and one.span.start_ms < truth.length_ms):
        span = Span(one.span.start_ms, min(one.span.end_ms, truth.length_ms))
        if not _is_known(span, truth):
            yield Question(call, "speech", _around(span, truth), (span,), doubt=0.35)
    for turn in truth.turns:
        if reads and turn.is_short and not turn.words:
            yield Question(call, "speech", _around(turn.span, truth), tuple(turn.speech), doubt=0.3)


def _is_known(span: Span, truth: Truth) -> bool:
    return any(_meet(span, one) for one in (*(turn.span for turn in truth.turns), *truth.unsure))


def _around(span: Span, truth: Truth) -> Span:
    """Return it with a little on both sides, but nothing of another turn or doubt."""
    others = [one for one in (*(turn.span for turn in truth.turns), *truth.unsure) if not _meet(one, span)]
    low = max([0, *(one.end_ms for one in others if one.end_ms <= span.start_ms)])
    high = min([truth.length_ms, *(one.start_ms for one in others if one.start_ms >= span.end_ms)])
    return Span(max(low, span.start_ms - AROUND_MS), min(high, span.end_ms + AROUND_MS))


# ---------------------------------------------------------------- what an answer would tell


def _weighed(study: Study) -> Iterator[Question]:
    """Yield every question by how much settings in question disagree over it, and how much is to be doubted."""
    rivals = choices_of_chance(study.sweep, study.recommendation)
    outcomes = [(outcome_under(study.corpus, one, study.hearing), share) for one, share in rivals]
    bases = (study.corpus.track.begins * WINDOW_MS).tolist()
    for one in _asked(study):
        base = bases[one.call]
        if one.after:
            begin, end = one.before[-1].end_ms + base, one.after[0].start_ms + base
            does = sum(share for outcome, share in outcomes if _any_in(outcome.stop_ms, begin, end))
        else:
            begin, end = one.span.start_ms + base, one.span.end_ms + base
            does = sum(share for outcome, share in outcomes if _any_in(outcome.start_ms, begin, end))
        stake = LEAST_STAKE + (1 - LEAST_STAKE) * 4 * does * (1 - does)
        yield Question(
            one.call, one.kind, one.span, one.before, one.after, one.words, one.doubt, one.doubt * stake
        )


def _any_in(moments: Ints, begin: int, end: int) -> bool:
    low, high = np.searchsorted(moments, (begin, end))
    return bool(high > low)


# ---------------------------------------------------------------- for Audacity


def write_for_audacity(folder: Path, study: Study, asked: Sequence[Question]) -> Iterator[Path]:
    """Write the sound of each call that is asked about and a label file with the questions; yield each file.

    Raises `OSError` and `TapeError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for call in dict.fromkeys(one.call for one in asked):
        recording, truth = study.recordings[call], study.truths[call]
        own = [one for one in asked if one.call == call]
        path = folder / f"{recording.call_id}.wav"
        write_wav(read_tape(Path(recording.path)), path)
        yield path
        path = folder / f"{recording.call_id}{SUFFIXES[0]}"
        write_questions(path, recording, truth, [one.span for one in own])
        yield path
