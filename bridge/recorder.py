"""Tape lines to disk: in batches, from one thread, never waited for. When the disk can't keep up, audio is shed
first and counted; decisions are kept. When it is full, sound is left out before words and decisions are.
"""

import errno
import gzip
import os
import zlib
from collections import deque
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import trio
from attrs import define, field, frozen

from bridge.errors import TapeError
from bridge.reading import about
from bridge.redact import silenced
from bridge.tape import BRIDGE, NOTE, Header, Line, check_lines, decode_header, encode, encode_header

FLUSH_SECONDS: Final = 0.2
"""With the writing itself it is less than 250 ms: what a `kill -9` may cost."""

MOST_LINES: Final = 20_000
"""Lines of one call that may wait for the disk: about three minutes; beyond it audio lines are shed."""

MOST_LINES_OF_ANY_KIND: Final = 60_000
MOST_TAPES: Final = 1200
"""Tapes that may wait for a disk that fails, more than calls may be live; beyond it those of ended calls are lost."""

LAST_SECONDS: Final = 2
MOST_BYTES: Final = 2**30
"""Of a tape that is read: the longest call has some 200 MB. What is larger would take all memory."""

OPEN_SUFFIX: Final = ".jsonl"
DONE_SUFFIX: Final = ".jsonl.gz"

DISK: Final = "disk"
"""Who says on a tape that sound was left out: not the heart, so a replay says nothing of it again."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
Write = Callable[[Path, bytes], None]
log = structlog.get_logger(__name__)


def append_to(path: Path, data: bytes) -> None:
    """Append to a file, making it first if need be: all of it or, with an `OSError`, nothing."""
    with path.open("ab", buffering=0) as file:
        before, rest = file.seek(0, os.SEEK_END), memoryview(data)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(before)
            raise


@define(eq=False)
class TapeWriter:
    """One call's tape while the call runs: a bounded buffer that the recorder empties."""

    path: Path
    header: Header
    shed: int = 0
    is_finished: bool = False
    watch: Callable[[Line], None] = field(default=lambda line: None)
    is_hushed: bool = False
    _lines: deque[bytes] = field(factory=deque)
    _remarks: list[str] = field(factory=list)
    _reported: int = 0
    _last_ms: int = 0

    @property
    def waiting(self) -> int:
        """Return how many lines wait for the disk."""
        return len(self._lines)

    def append(self, line: Line) -> None:
        """Put a line on the tape; never waits."""
        self.watch(line)
        self._last_ms = line.t_ms
        waiting = len(self._lines)
        if waiting >= MOST_LINES and (_is_audio(line) or waiting >= MOST_LINES_OF_ANY_KIND):
            self.shed += 1
        else:
            has_audio = self.header.has_audio and not self.is_hushed
            self._lines.append(encode(line if has_audio else _without_audio(line)))

    def hush(self, why: str) -> None:
        """Keep silence in place of sound from the next line on, and say so in the call's record."""
        self.is_hushed = True
        self.remark(f"sound is not kept from here on: {why}")

    def unhush(self) -> None:
        """Keep sound again from the next line on."""
        self.is_hushed = False
        self.remark("sound is kept again")

    def remark(self, text: str) -> None:
        """Put a line into the call's log, with the next flush: between two lines that belong together it may not be."""
        self._remarks.append(text)

    def put(self, data: bytes) -> None:
        """Put a ready-made line on the tape: the header."""
        self._lines.append(data)

    def put_back(self, data: bytes) -> None:
        """Take back lines that could not be written; they come first again, and count against the bound."""
        self._lines.extendleft(reversed(data.splitlines(keepends=True)))

    def take(self) -> bytes:
        """Take everything that waits for the disk."""
        if self.shed > self._reported:
            note: dict[str, Any] = {"kind": "shed", "lines": self.shed}
            self._reported = self.shed
            self._lines.append(encode(Line(t_ms=self._last_ms, leg=NOTE, sender=BRIDGE, note=note)))
        for text in self._remarks:
            note = {"kind": "log", "text": text}
            self._lines.append(encode(Line(t_ms=self._last_ms, leg=NOTE, sender=DISK, note=note)))
        self._remarks.clear()
        data = b"".join(self._lines)
        self._lines.clear()
        return data


_AUDIO_MARKS: Final = (b'"event":"media"', b'"response.output_audio.delta"')


def _is_audio(line: Line) -> bool:
    if line.audio is not None or line.append is not None:
        return True
    start = bytes(line.msg)[:400] if line.msg else b""
    return any(mark in start for mark in _AUDIO_MARKS)


def _without_audio(line: Line) -> Line:
    return silenced(line) if _is_audio(line) else line


@define(eq=False)
class Recorder:
    """Writes every open tape; `on_done` is told the path of each one that is complete."""

    folder: Path
    on_done: Callable[[Path], None] = field(default=lambda path: None)
    write: Write = append_to
    hushed_by: str = ""
    _open: dict[Path, TapeWriter] = field(factory=dict)
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))
    lost: int = 0
    _shed_before: int = 0
    _is_failing: bool = False
    _closing: trio.Event = field(factory=trio.Event)
    _scope: trio.CancelScope = field(factory=lambda: trio.CancelScope(shield=True))

    def open_tape(self, header: Header) -> TapeWriter:
        """Start a tape for a call; its file appears with the next flush."""
        is_hushed = bool(header.has_audio and self.hushed_by)
        header = msgspec.structs.replace(header, has_audio=False) if is_hushed else header
        path = open_path(self.folder, header)
        tape = TapeWriter(path, header)
        tape.put(encode_header(header))
        if is_hushed:
            tape.remark(f"sound is not kept: {self.hushed_by}")
        self._open[path] = tape
        return tape

    def hush(self, why: str) -> None:
        """Keep no sound of any call from now on: records are what the rest of the disk is for."""
        if self.hushed_by:
            return
        log.error("sound is not kept any more; calls and their records go on", why=why)
        self.hushed_by = why
        for tape in self._with_sound():
            tape.hush(why)

    def unhush(self) -> None:
        """Keep sound again, of calls that began with it and of new ones; not while writing fails."""
        if not self.hushed_by or self._is_failing:
            return
        log.warning("sound is kept again")
        self.hushed_by = ""
        for tape in self._with_sound():
            tape.unhush()

    def _with_sound(self) -> list[TapeWriter]:
        return [tape for tape in self._open.values() if tape.header.has_audio and not tape.is_finished]

    def agent_taped_as(self, call_id: str) -> str | None:
        """Return the agent of the call recorded under this id, by this process or another; looks at the disk."""
        for tape in self._open.values():
            if tape.header.call_id == call_id:
                return tape.header.agent
        return agent_on_disk(self.folder, call_id)

    async def run(self) -> None:
        """Flush every 200 ms until `finish`, then once more.

        Shielded: when all is cancelled at once, the last words of the calls are still to come.
        """
        with self._scope:
            while not self._closing.is_set():
                with trio.move_on_after(FLUSH_SECONDS):
                    await self._closing.wait()
                await self.flush()
            await self.flush()

    def finish(self) -> None:
        """Let `run` write what is left and end, soon: a dead disk can't hold us."""
        self._closing.set()
        self._scope.deadline = trio.current_time() + LAST_SECONDS

    async def flush(self) -> None:
        """Write what waits, and complete the tapes whose calls are over."""
        for path, tape in list(self._open.items()):
            is_finished, data = tape.is_finished, tape.take()
            try:
                if data:
                    await self._in_thread(self._write, path, data)
                    self._is_failing, data = False, b""
                if is_finished:
                    await self._in_thread(_complete, path)
            except OSError as error:  # disk full, folder gone: calls go on, and what waits is tried again
                self._put_back(path, tape, data, error)
            else:
                if is_finished:
                    self._shed_before += self._open.pop(path).shed
                    self.on_done(finished_path(path))

    async def _in_thread(self, work: Callable[..., None], *args: Any) -> None:
        await trio.to_thread.run_sync(work, *args, limiter=self._limiter, abandon_on_cancel=True)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = encode_header(self._open[path].header)
        if not data.startswith(header) and not path.exists():
            log.error("tape was deleted while its call goes on; starting it again", path=str(path))
            data = header + data
        self.write(path, data)

    def _put_back(self, path: Path, tape: TapeWriter, data: bytes, error: OSError) -> None:
        """Keep what could not be written for the next try, and say so once; finished tapes wait in bounds."""
        if not self._is_failing:
            log.error("tape can't be written, trying on", path=str(path), error=str(error))
        self._is_failing = True
        if error.errno in FULL:
            self.hush(f"the disk is full ({error.strerror})")
        tape.put_back(data)
        if tape.is_finished and len(self._open) > MOST_TAPES:
            log.error("tape is lost: too many wait for the disk", path=str(path))
            self._shed_before += self._open.pop(path).shed
            self.lost += 1

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return len(self._open)

    @property
    def tapes(self) -> tuple[TapeWriter, ...]:
        """Return the tapes that are not complete on disk."""
        return tuple(self._open.values())

    @property
    def shed(self) -> int:
        """Return how many lines were shed, ever."""
        return self._shed_before + sum(tape.shed for tape in self._open.values())

    @property
    def is_failing(self) -> bool:
        """Say whether the last write failed."""
        return self._is_failing


def open_path(folder: Path, header: Header) -> Path:
    """Return where the tape of a call is while the call goes on."""
    return folder / header.started_at[:10] / f"{header.call_id}{OPEN_SUFFIX}"


def agent_on_disk(folder: Path, call_id: str) -> str | None:
    """Return the agent of the tape of this id in a folder with a folder for each day; None when there is none."""
    names = (f"{call_id}{OPEN_SUFFIX}", f"{call_id}{DONE_SUFFIX}")
    days = [day for day in folder.iterdir() if day.is_dir()] if folder.is_dir() else []
    found = next((day / name for day in days for name in names if (day / name).exists()), None)
    return None if found is None else _agent_on(found)


def finished_path(path: Path) -> Path:
    """Return the name of a complete tape."""
    return path.with_name(path.name.removesuffix(OPEN_SUFFIX) + DONE_SUFFIX)


def call_id_of(path: Path) -> str:
    """Return the call id in a tape's name."""
    return path.name.removesuffix(DONE_SUFFIX).removesuffix(OPEN_SUFFIX)


def _agent_on(path: Path) -> str:
    """Return the agent in a tape's header; nobody's when there is none to read."""
    header = header_of(path)
    return header.agent if header is not None else ""


def header_of(path: Path) -> Header | None:
    """Return a tape's header, reading no more than that; None when there is none to read."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            return decode_header(file.readline(MOST_BYTES))
    except (OSError, EOFError, zlib.error, TapeError):
        return None


def _complete(path: Path) -> None:
    if path.exists():  # else it was completed before, by a flush that was cut off
        compress(path)


def compress(path: Path) -> Path:
    """Replace a tape by its compressed form, never leaving a moment without one."""
    done = finished_path(path)
    part = done.with_suffix(".part")
    try:
        with path.open("rb") as source, gzip.open(part, "wb", compresslevel=5) as target:
            while block := source.read(2**20):
                target.write(block)
        os.replace(part, done)
    except BaseException:
        part.unlink(missing_ok=True)  # half a copy on a full disk keeps others from being written
        raise
    path.unlink()
    return done


# ---------------------------------------------------------------- reading


@frozen
class Tape:
    """A tape in memory: its header and its lines as bytes; `is_torn` when the last line was cut off."""

    path: Path
    header: Header
    lines: list[bytes]
    is_torn: bool


def read_tape(path: Path) -> Tape:
    """Read a tape, compressed or not, and make sure that every line of it can be used. Raises `TapeError`."""
    with about(path):
        lines = BytesIO(_content_of(path)).readlines()
        is_torn = bool(lines) and not lines[-1].endswith(b"\n")
        if len(lines) <= is_torn:
            raise TapeError("not a tape: no whole line in it")
        header, whole = decode_header(lines[0]), lines[1 : len(lines) - is_torn]
        check_lines(whole, first=2)
    return Tape(path, header, [line for line in whole if not line.isspace()], is_torn)


def _content_of(path: Path) -> bytes:
    """Return what is in a tape, unpacked. Raises `TapeError`."""
    blocks, size = list[bytes](), 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            while block := file.read(2**20):
                blocks.append(block)
                size += len(block)
                if size > MOST_BYTES:
                    raise TapeError(f"larger than any call is: more than {MOST_BYTES >> 20} MiB")
    except OSError as error:
        raise TapeError(f"can't be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise TapeError(f"can't be read: {error}") from None
    return b"".join(blocks)


def tapes_under(folder: Path, *, only_open: bool = False) -> list[Path]:
    """Return the tapes in a folder, oldest first by name."""
    suffixes = (OPEN_SUFFIX,) if only_open else (OPEN_SUFFIX, DONE_SUFFIX)
    found = (Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return sorted(path for path in found if path.name.endswith(suffixes))
