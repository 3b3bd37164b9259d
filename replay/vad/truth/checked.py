"""What a person listened to, moment by moment, laid over what is worked out from the call. Pure but for the reading.

A label file may tell of moments alone. Within them it is believed; everywhere else the call tells for itself, anew
each time, so that a better way of working it out is not stopped by an old file.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from attrs import evolve

from replay.vad.truth.labels import find_labels, read_labels
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Span, Truth, Turn


def known_of(recording: Recording, folder: Path | None, derived: Callable[[], Truth]) -> Truth:
    """Return what its label file says, in this folder or beside its tape, and what is derived where that is silent.

    Raises `LabelError`.
    """
    path = find_labels(Path(recording.path), folder)
    return derived() if path is None else completed(read_labels(path, recording), derived)


def completed(told: Truth, derived: Callable[[], Truth]) -> Truth:
    """Return what a label file told, completed by what is derived if it tells of moments alone."""
    return told if told.checked is None else overlaid(derived(), told)


def overlaid(derived: Truth, told: Truth) -> Truth:
    """Return what is derived with everything in the checked moments as it was told."""
    checked = told.checked or ()
    turns = [rest for turn in derived.turns for rest in _without(turn, checked)]
    unsure = [span for one in derived.unsure for span in _outside(one, checked)]
    return evolve(
        derived,
        turns=tuple(sorted([*turns, *told.turns], key=lambda turn: turn.span)),
        unsure=tuple(sorted([*unsure, *told.unsure])),
        checked=checked,
    )


def _without(turn: Turn, checked: Sequence[Span]) -> Iterator[Turn]:
    """Yield what is left of a turn outside of the checked moments, a turn for each side of them."""
    if not any(_meet(turn.span, one) for one in checked):
        yield turn
        return
    groups: list[list[Span]] = []
    for part in (part for speech in turn.speech for part in _outside(speech, checked)):
        if groups and not any(groups[-1][-1].end_ms <= one.end_ms <= part.start_ms for one in checked):
            groups[-1].append(part)
        else:
            groups.append([part])
    yield from (Turn.of_speech(group, turn.words) for group in groups)


def _outside(span: Span, checked: Iterable[Span]) -> list[Span]:
    """Return the parts of a span that no checked moment holds."""
    parts = [span]
    for one in checked:
        parts = [rest for part in parts for rest in minus(part, one)]
    return parts


def minus(span: Span, other: Span) -> Iterator[Span]:
    """Yield what is left of a span without another."""
    if not _meet(span, other):
        yield span
        return
    if span.start_ms < other.start_ms:
        yield Span(span.start_ms, other.start_ms)
    if other.end_ms < span.end_ms:
        yield Span(other.end_ms, span.end_ms)


def _meet(one: Span, other: Span) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms
