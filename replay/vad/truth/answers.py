"""What a person answered on a page, for many calls in one file: taken into the label files of those calls.

The file is a label file for each call, one after the other, each behind `# call <id>`.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from replay.vad.truth.checked import minus, overlaid
from replay.vad.truth.labels import (
    LabelError,
    default_path,
    labels_beside,
    read_labels,
    read_lines,
    text_of,
    write_labels,
)
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Span, Truth

CALL: Final = re.compile(r"# call (\S+)")


@frozen
class Taken:
    """What became of the answers about one call: the file they are in now, or why they are in none."""

    call_id: str
    path: Path | None
    moments: int
    why: str = ""


def sections_of(path: Path) -> dict[str, list[str]]:
    """Return the lines for each call. Raises `LabelError`."""
    found: dict[str, list[str]] = {}
    own: list[str] | None = None
    lines = text_of(path)
    for line in lines:
        if heading := CALL.fullmatch(line.strip()):
            own = found.setdefault(heading[1], [])
        elif own is not None:
            own.append(line)
    if not found:
        raise LabelError(
            [f"{path}: no line in it begins with `# call`: save it from the page of `replay vad labels`"]
        )
    return found


def take(path: Path, recordings: Sequence[Recording]) -> list[Taken]:
    """Put the answers in a file into the label files beside the tapes. Raises `LabelError` and `OSError`.

    Nothing is written where there is a fault. Labels of a whole call are a person's work and stay as they are.
    """
    known = {one.call_id: one for one in recordings}
    read: list[tuple[str, Recording | None, Truth | None]] = []
    faults: list[str] = []
    for call_id, lines in sections_of(path).items():
        recording = known.get(call_id)
        try:
            read.append((call_id, recording, read_lines(lines, path, recording) if recording else None))
        except LabelError as error:
            faults += error.faults
    if faults:
        raise LabelError(faults)
    return [_taken(call_id, recording, truth) for call_id, recording, truth in read]


def _taken(call_id: str, recording: Recording | None, answered: Truth | None) -> Taken:
    if recording is None or answered is None:
        return Taken(call_id, None, 0, "no such call among these tapes")
    tape = Path(recording.path)
    path = labels_beside(tape) or default_path(tape)
    moments = len(answered.checked or ())
    if path.exists():
        before = read_labels(path, recording)
        if before.checked is None:
            return Taken(call_id, None, 0, f"{path} has labels of the whole call")
        kept = tuple(_rest(before.checked, answered.checked or ()))
        answered = evolve(
            overlaid(before, answered), checked=tuple(sorted([*kept, *(answered.checked or ())]))
        )
    write_labels(path, answered, recording)
    return Taken(call_id, path, moments)


def _rest(before: Iterable[Span], now: Sequence[Span]) -> Iterable[Span]:
    """Yield what of the moments checked before is not checked anew."""
    for span in before:
        parts = [span]
        for one in now:
            parts = [rest for part in parts for rest in minus(part, one)]
        yield from parts
