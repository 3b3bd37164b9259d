"""Writing tapes: all at once or not at all, and golden ones with today's decisions in place of the recorded."""

import gzip
from collections.abc import Iterable
from pathlib import Path

from bridge.errors import BridgeError
from bridge.objects.names import is_object
from bridge.objects.opening import open_tape
from bridge.tapes.header import FORMAT
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import decode
from replay.tapes.beside import written_beside
from replay.tapes.player import retold, shed_lines


class RefusedError(BridgeError):
    """A tape can't be accepted as it is today; the message says why."""


def write_tape(path: Path, lines: Iterable[bytes]) -> None:
    """Put a tape in its place atomically, compressed when its name ends in .gz. Raises `OSError`."""
    data = b"".join(lines)
    with written_beside(path) as part:
        # No time and no name in the archive: the same tape is the same file.
        part.write_bytes(gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)


def accept(path: Path) -> None:
    """Re-record a tape: today's decisions from its own inputs, which stay word for word, as the header does.

    Raises `RefusedError` for a tape that lacks inputs, `TapeError`, `OSError`.
    """
    if is_object(path):
        raise RefusedError("in object storage: a golden tape is a file; copy it into a folder first")
    tape = read_tape(path)
    if tape.header.tape != FORMAT:
        raise RefusedError(f"of format {tape.header.tape}: today's decisions are in format {FORMAT}")
    if tape.is_torn:
        raise RefusedError("torn: its last line was cut off, and with it what came after")
    if shed := shed_lines(tape):
        raise RefusedError(
            f"the recorder had to leave out {shed} lines: today's answers to them are not known"
        )
    write_tape(path, [header_line(path), *_told_today(tape)])


def _told_today(tape: Tape) -> list[bytes]:
    """Return the tape as it would be recorded today, making sure that it will replay without a difference."""
    lines = list(retold(tape))
    if list(retold(Tape(tape.path, tape.header, lines, is_torn=False))) != lines:
        raise RefusedError(
            "told again, today's bridge does not repeat itself: its decisions depend on the tape"
        )
    if all(decode(raw).end is None for raw in lines):
        raise RefusedError("today's bridge does not end this call: the tape lacks inputs that it waits for")
    return lines


def header_line(path: Path) -> bytes:
    """Return a tape's first line as it stands there."""
    with open_tape(path) as file:
        return file.readline()
