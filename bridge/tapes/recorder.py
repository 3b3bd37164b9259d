"""Tape lines to disk: in batches, from threads, never waited for. When the disk can't keep up, audio is shed first
and counted; decisions are kept. When it is full, sound is left out before words and decisions are.
"""

import errno
import gzip
import os
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog
import trio
from attrs import define, field

from bridge.tapes.files import Piece, Sync, Write, append_to, sync, sync_all, write_all
from bridge.tapes.header import Header, encode_header
from bridge.tapes.names import finished_path, open_path
from bridge.tapes.reader import Known, known_on_disk
from bridge.tapes.tape_writer import TapeWriter

FLUSH_SECONDS: Final = 0.15
"""From one flush to the next. With the writing itself, and a loop that is late, it is less than 250 ms: what a
`kill -9` may cost."""

MOST_AT_ONCE: Final = 32
"""Tapes in one hop to the thread. Encoding and writing them takes the interpreter from every call: of 150 at once 5 ms,
a third of all that a frame may be late."""

SYNC_SECONDS: Final = 1.0
"""From one sync to the next: with a flush, what a power cut may cost. Each takes a disk's time for every live call."""

RETRY_SECONDS: Final = 1.0
"""Until a tape that could not be compressed is tried again."""

MOST_TAPES: Final = 1200
"""Tapes that may wait for a disk that fails, more than calls may be live; beyond it those of ended calls are lost."""

LAST_SECONDS: Final = 2

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


def _one_thread() -> trio.CapacityLimiter:
    return trio.CapacityLimiter(1)


@define(eq=False)
class Recorder:
    """Writes every open tape; `on_done` is told the path of each one that is complete.

    Writing, syncing and compressing have a task and a thread each: none waits for another one.
    """

    folder: Path
    on_done: Callable[[Path], None] = field(default=lambda path: None)
    write: Write = append_to
    sync: Sync = sync
    hushed_by: str = ""
    lost: int = 0
    _open: dict[Path, TapeWriter] = field(factory=dict)
    """In the order of their turns: what was written longest ago comes first."""
    _ended: dict[Path, TapeWriter] = field(factory=dict)
    """Tapes that are whole and wait to be compressed."""
    _new: list[TapeWriter] = field(factory=list)
    _unsynced: set[Path] = field(factory=set)
    _failing: set[str] = field(factory=set)
    """What can't be done at the moment."""
    _shed_before: int = 0
    _writing: trio.Lock = field(factory=trio.Lock)
    _writer: trio.CapacityLimiter = field(factory=_one_thread)
    _beginner: trio.CapacityLimiter = field(factory=_one_thread)
    _syncer: trio.CapacityLimiter = field(factory=_one_thread)
    _compressor: trio.CapacityLimiter = field(factory=_one_thread)
    _has_new: trio.Event = field(factory=trio.Event)
    _has_ended: trio.Event = field(factory=trio.Event)
    _closing: trio.Event = field(factory=trio.Event)
    _scope: trio.CancelScope = field(factory=lambda: trio.CancelScope(shield=True))

    # ------------------------------------------------------------ tapes

    def open_tape(self, header: Header) -> TapeWriter:
        """Start a tape for a call; its file appears at once, when `run` goes on, and with the next flush otherwise."""
        is_hushed = bool(header.has_audio and self.hushed_by)
        header = msgspec.structs.replace(header, has_audio=False) if is_hushed else header
        path = open_path(self.folder, header)
        tape = TapeWriter(path, header)
        tape.put(encode_header(header))
        if is_hushed:
            tape.remark(f"sound is not kept: {self.hushed_by}")
        self._open[path] = tape
        self._new.append(tape)
        self._has_new.set()
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
        if not self.hushed_by or self.is_failing:
            return
        log.warning("sound is kept again")
        self.hushed_by = ""
        for tape in self._with_sound():
            tape.unhush()

    def _with_sound(self) -> list[TapeWriter]:
        return [tape for tape in self._open.values() if tape.header.has_audio and not tape.is_finished]

    def taped_as(self, call_id: str) -> Known | None:
        """Return the call recorded under this id, by this process or another; looks at the disk."""
        for tape in self.tapes:
            if tape.header.call_id == call_id:
                return Known.by(tape.header)
        return known_on_disk(self.folder, call_id)

    # ------------------------------------------------------------ tasks

    async def run(self) -> None:
        """Keep tapes until `finish`, then write and compress what is left.

        Shielded: when all is cancelled at once, the last words of the calls are still to come.
        """
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_beginning, name="beginnings of tapes")
                nursery.start_soon(self._keep_synced, name="tapes' sync")
                nursery.start_soon(self._keep_compressing, name="tapes' compression")
                await self._keep_flushing()
                await self.flush()
                await self.complete()
                nursery.cancel_scope.cancel(reason="all is written")

    def finish(self) -> None:
        """Let `run` write what is left and end, soon: a dead disk can't hold us."""
        self._closing.set()
        self._scope.deadline = trio.current_time() + LAST_SECONDS

    async def _keep_flushing(self) -> None:
        """Write each tape every `FLUSH_SECONDS`: all of them at once while they are few, and else in turns."""
        due = trio.current_time()
        while not self._closing.is_set():
            turns = max(1, -(-len(self._open) // MOST_AT_ONCE))
            due = max(due + FLUSH_SECONDS / turns, trio.current_time())
            with trio.move_on_at(due):
                await self._closing.wait()
            await self._write(list(islice(self._open.values(), -(-len(self._open) // turns))))

    async def _keep_beginning(self) -> None:
        """Put the beginnings of new tapes on the disk at once: their webhooks wait for it."""
        while True:
            await self._has_new.wait()
            self._has_new = trio.Event()
            await self.begin_new()

    async def _keep_synced(self) -> None:
        while True:
            await trio.sleep(SYNC_SECONDS)
            await self.sync_written()

    async def _keep_compressing(self) -> None:
        while True:
            await self._has_ended.wait()
            self._has_ended = trio.Event()
            await self.complete()
            if "compressed" in self._failing:
                await trio.sleep(RETRY_SECONDS)
                self._has_ended.set()

    async def _in_thread(
        self, limiter: trio.CapacityLimiter, work: Callable[..., Result], *args: Any
    ) -> Result:
        return await trio.to_thread.run_sync(work, *args, limiter=limiter, abandon_on_cancel=True)

    # ------------------------------------------------------------ writing

    async def flush(self) -> None:
        """Write what waits of all tapes, in one hop to one thread."""
        await self._write(self._open.values())

    async def begin_new(self) -> None:
        """Write and sync what there is of tapes that are new; then, or when it can't be done, they have begun."""
        new, self._new = self._new, []
        try:
            await self._write(new)
            await self._sync(self._beginner, self._unsynced.intersection(tape.path for tape in new))
        finally:
            for tape in new:
                tape.has_begun()

    async def _write(self, tapes: Iterable[TapeWriter]) -> None:
        async with self._writing:  # of one tape, what was said earlier is written earlier
            still = [tape for tape in tapes if tape.path in self._open]
            taken = [(tape, tape.take(), tape.is_finished) for tape in still]
            self._open |= {tape.path: self._open.pop(tape.path) for tape in still}
            pieces = [
                Piece(tape.path, partial(encode_header, tape.header), data) for tape, data, _ in taken if data
            ]
            faults = await self._in_thread(self._writer, write_all, self.write, pieces) if pieces else {}
        if pieces and not faults:
            self._failing.discard("written")
        for tape, data, is_last in taken:
            if tape.path in faults:
                self._put_back(tape, data, faults[tape.path])
            else:
                self._has_written(tape, has_data=bool(data), is_last=is_last)

    def _has_written(self, tape: TapeWriter, *, has_data: bool, is_last: bool) -> None:
        if has_data:
            self._unsynced.add(tape.path)
        if is_last:
            self._ended[tape.path] = self._open.pop(tape.path)
            self._has_ended.set()

    def _put_back(self, tape: TapeWriter, data: bytes, error: OSError) -> None:
        """Keep what could not be written for the next try; finished tapes wait in bounds."""
        self._cant_be("written", tape.path, error)
        tape.put_back(data)
        if tape.is_finished and self.backlog > MOST_TAPES:
            log.error("tape is lost: too many wait for the disk", path=str(tape.path))
            self._let_go(self._open, tape.path)
            self.lost += 1

    def _cant_be(self, done: str, path: Path, error: OSError) -> None:
        """Say once that something can't be done with tapes, until it can again."""
        if done not in self._failing:
            log.error(f"tape can't be {done}, trying on", path=str(path), error=str(error))
        self._failing.add(done)
        if error.errno in FULL:
            self.hush(f"the disk is full ({error.strerror})")

    def _let_go(self, tapes: dict[Path, TapeWriter], path: Path) -> None:
        tape = tapes.pop(path, None)  # at the end two tasks may compress the same one
        self._shed_before += tape.shed if tape else 0

    # ------------------------------------------------------------ syncing

    async def sync_written(self) -> None:
        """Let what was written outlive a power cut."""
        await self._sync(self._syncer, set(self._unsynced))

    async def _sync(self, limiter: trio.CapacityLimiter, paths: set[Path]) -> None:
        if not paths:
            return
        self._unsynced -= paths
        faults = await self._in_thread(limiter, sync_all, self.sync, paths)
        self._unsynced |= faults.keys() & {tape.path for tape in self.tapes}
        if not faults:
            self._failing.discard("synced")
        for path, error in faults.items():
            self._cant_be("synced", path, error)

    # ------------------------------------------------------------ compressing

    async def complete(self) -> None:
        """Compress the tapes of calls that are over, one after the other, while others are written."""
        for path in list(self._ended):
            try:
                await self._in_thread(self._compressor, self._compress, path)
            except OSError as error:
                self._cant_be("compressed", path, error)
                if self.backlog > MOST_TAPES:
                    log.error("tape is left for the next start: too many wait for the disk", path=str(path))
                    self._let_go(self._ended, path)
            else:
                self._failing.discard("compressed")
                if path in self._ended:
                    self._let_go(self._ended, path)
                    self.on_done(finished_path(path))

    def _compress(self, path: Path) -> None:
        if path.exists():  # else it was completed before, by one who was cut off
            compress(path, self.sync)

    # ------------------------------------------------------------ seen from outside

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return len(self._open) + len(self._ended)

    @property
    def tapes(self) -> tuple[TapeWriter, ...]:
        """Return the tapes that are not complete on disk."""
        return *self._open.values(), *self._ended.values()

    @property
    def shed(self) -> int:
        """Return how many lines were shed, ever."""
        return self._shed_before + sum(tape.shed for tape in self.tapes)

    @property
    def is_failing(self) -> bool:
        """Say whether tapes could not be written, synced or compressed the last time."""
        return bool(self._failing)


def compress(path: Path, sync: Sync = sync) -> Path:
    """Replace a tape by its compressed form, never leaving a moment without one, whatever the power does."""
    done = finished_path(path)
    part = done.with_suffix(".part")
    try:
        with path.open("rb") as source, gzip.open(part, "wb", compresslevel=5) as target:
            while block := source.read(2**20):
                target.write(block)
        sync(part)
        os.replace(part, done)
    except BaseException:
        part.unlink(missing_ok=True)  # half a copy on a full disk keeps others from being written
        raise
    for folder in path.parents[:2]:
        sync(folder)
    path.unlink()
    return done
