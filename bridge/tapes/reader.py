"""Reading a tape from its file: the whole of it, checked line by line, or its header alone."""

import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from io import BytesIO
from itertools import chain, filterfalse
from pathlib import Path
from typing import Final

from attrs import define, evolve, frozen

from bridge.errors import TapeError
from bridge.objects.opening import open_tape
from bridge.tapes.header import Header, decode_header
from bridge.tapes.line_reading import check_lines
from bridge.tapes.lines import Ending
from bridge.tapes.names import DONE_SUFFIX, OPEN_SUFFIX, STORED_SUFFIX
from bridge.tapes.odd_tapes import about
from bridge.tapes.tape import decode

MOST_BYTES: Final = 2**30
"""Of a tape that is read: the longest call has some 200 MB. What is larger would take all memory."""


@frozen
class Tape:
    """A tape in memory: its header, and its lines after that as bytes, for `tape.decode` (docs/tape.md has the format).

    `is_torn` when the last line was cut off, and left out: the call's process died, or the call goes on.
    """

    path: Path
    header: Header
    lines: list[bytes]
    is_torn: bool


def read_tape(path: Path) -> Tape:
    """Read a tape, compressed or not, and make sure that every line of it can be used.

    Raises `TapeError`, with the path and the line, when it can't be read, is none, or is larger than 1 GiB unpacked.

    >>> from bridge.tapes.tape import decode
    >>> tape = read_tape(Path("call.jsonl.gz"))
    >>> tape.header.agent, tape.is_torn
    ('front-desk', False)
    >>> lines = [decode(line) for line in tape.lines]
    >>> [line.end["by"] for line in lines if line.end]
    ['tool']
    """
    with about(path):
        tape = _unpacked(path)
        check_lines(tape.lines, first=2)
    return _without_blanks(tape)


@define
class Reading:
    """A tape that is read bit by bit, by whoever checks its lines as they come; of those read, it has the last one and
    the call's end."""

    header: Header
    is_torn: bool
    last: bytes
    end: bytes
    _blocks: Iterator[list[bytes]]

    @classmethod
    def of(cls, path: Path, at_byte: int = 0) -> "Reading":
        """Begin to read a tape, or its lines from that byte behind the header on. Raises `TapeError`."""
        blocks = _blocks_of(path)
        header, *lines = next(blocks, [b""])
        if at_byte:
            blocks.close()
            return cls(decode_header(header), False, b"", b"", _blocks_of(path, len(header) + at_byte))
        return cls(decode_header(header), False, b"", b"", chain([lines], blocks))

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield its whole lines, many at a time, none of them blank. Raises `TapeError`."""
        for lines in self._blocks:
            whole = [line for line in lines if not line.isspace()]
            if whole and not whole[-1].endswith(b"\n"):
                self.is_torn = True
                whole.pop()
            if whole:
                self.last, self.end = whole[-1], end_among(whole) or self.end
                yield whole


def _unpacked(path: Path) -> Tape:
    lines = list(chain.from_iterable(_blocks_of(path)))
    is_torn = bool(lines) and not lines[-1].endswith(b"\n")
    if len(lines) <= is_torn:
        raise TapeError("not a tape: no whole line in it")
    return Tape(path, decode_header(lines[0]), lines[1 : len(lines) - is_torn], is_torn)


def _without_blanks(tape: Tape) -> Tape:
    return evolve(tape, lines=list(filterfalse(bytes.isspace, tape.lines)))


BLOCK_BYTES: Final = 2**16
"""Read at a time: what is larger gets new pages from the kernel each time, which takes as long as unpacking it."""


def _blocks_of(path: Path, begin: int = 0) -> Generator[list[bytes]]:
    """Yield the lines of a tape as they are unpacked, from a byte on, many at a time; the last one may be torn.

    Raises `TapeError`.
    """
    pieces, size = list[bytes](), 0
    try:
        with open_tape(path) as file:
            while size < begin and (passed := file.read(min(BLOCK_BYTES, begin - size))):
                size += len(passed)
            while block := file.read(BLOCK_BYTES):
                size += len(block)
                if size > MOST_BYTES:
                    raise TapeError(f"larger than any call is: more than {MOST_BYTES >> 20} MiB")
                cut = block.rfind(b"\n") + 1
                if cut:
                    yield BytesIO(b"".join([*pieces, block[:cut]])).readlines()
                    pieces = []
                pieces.append(block[cut:])
    except OSError as error:
        raise TapeError(f"can't be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise TapeError(f"can't be read: {error}") from None
    if rest := b"".join(pieces):
        yield [rest]


def header_of(path: Path) -> Header | None:
    """Return a tape's header, reading no more than that; None when there is none to read."""
    try:
        with open_tape(path) as file:
            return decode_header(file.readline(MOST_BYTES))
    except (OSError, EOFError, zlib.error, TapeError):
        return None


@frozen
class Known:
    """What a call of before says of itself: nobody's, and of no time, when its tape has no header to read."""

    agent: str = ""
    opened_by: str = ""
    started_at: str = ""
    asked_agent: str = ""

    def is_of(self, *agents: str) -> bool:
        """Say whether one of these agents answered it, or was called."""
        return self.agent in agents or bool(self.asked_agent and self.asked_agent in agents)

    @classmethod
    def by(cls, header: Header | None) -> "Known":
        """Return what a header says."""
        if header is None:
            return cls()
        return cls(header.agent, header.opened_by, header.started_at, header.asked_agent)


def known_on_disk(folder: Path, call_id: str) -> Known | None:
    """Return the call of this id, if its tape is in a folder with a folder for each day, or was."""
    path = path_on_disk(folder, call_id, (OPEN_SUFFIX, DONE_SUFFIX, STORED_SUFFIX))
    return None if path is None else Known.by(header_of(path))


def path_on_disk(
    folder: Path, call_id: str, suffixes: Sequence[str] = (OPEN_SUFFIX, DONE_SUFFIX)
) -> Path | None:
    """Return where the tape of this id is; it is asked of each new call, and makes no `Path` of what is not there."""
    try:
        with os.scandir(folder) as found:
            days = [day.path for day in found if day.is_dir()]
    except (FileNotFoundError, NotADirectoryError):  # nothing was ever recorded here
        return None
    paths = (os.path.join(day, call_id + suffix) for day in days for suffix in suffixes)
    return next((Path(path) for path in paths if os.path.exists(path)), None)


@frozen
class Ended:
    """Whose call a tape is of, and how it ended; without an ending when it has not, or its process died."""

    agent: str
    ending: Ending | None


def ending_on_disk(folder: Path, call_id: str) -> Ended | None:
    """Return how the call of this id ended, if there is its tape; it reads the whole tape, and keeps nothing of it."""
    path = path_on_disk(folder, call_id)
    header = header_of(path) if path is not None else None
    return Ended(header.agent, _ending_on(path)) if path is not None and header is not None else None


def _ending_on(path: Path) -> Ending | None:
    try:
        with open_tape(path) as file:
            ends = [line for line in file if END_MARK in line[:MOST_OF_AN_END]]
        end = end_among(ends)
        return decode(end).end if end else None
    except (OSError, EOFError, zlib.error, TapeError):
        return None


END_MARK: Final = b'"end":'
MOST_OF_AN_END: Final = 200
"""An ending stands behind its time and its leg; what callers and models say stands further on, or is escaped."""


def end_among(lines: Sequence[bytes]) -> bytes:
    """Return the line of the call's end, nothing where it is none of these: behind it stands what was told later, which
    is no part of the call's length. Raises `TapeError`.
    """
    likely = (raw for raw in reversed(lines) if END_MARK in raw[:MOST_OF_AN_END])
    return next((raw for raw in likely if decode(raw).end is not None), b"")
