"""Sound and tapes of calls, ready for their pages: prepared once, by a process of its own, and kept for a while.

They are made of tapes and go with them: whoever erases a call, or its sound, erases them too (`files_of`).
"""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from bridge.console.app import Begin
from bridge.console.ready.prepared import FAULT, LINES, SOUND
from bridge.errors import in_words
from bridge.machine import child
from bridge.objects.names import is_object
from bridge.page.sound_file import HEAD, size_in
from bridge.tapes.names import READY
from bridge.uploads.stub import lying, stub_of

MOST_READY: Final = 16
"""Of an hour of talk each has 60 MB of sound."""

MOST_AT_ONCE: Final = 2
PREPARE_SECONDS: Final = 60
LOOK_SECONDS: Final = 0.02
"""How often it is looked how much of a sound is there, by whoever waits to hear it."""

ENOUGH_BYTES: Final = 2**15
"""Two seconds, of what is still written: with less nobody begins to play."""


@define(eq=False)
class Prepared:
    """What is made of one tape, or was."""

    tape: Path
    stamp_ns: int
    """When the tape was written last: it may be rewritten."""
    length_ms: int
    folder: Path
    is_begun: trio.Event = field(factory=trio.Event)
    """Then nothing of an older tape is left in the folder."""
    is_over: trio.Event = field(factory=trio.Event)

    async def has_lines(self) -> bool:
        """Wait until all is prepared; say whether anything could be."""
        await self.is_over.wait()
        return await trio.Path(self.folder / LINES).exists()

    async def sound(self, first: int, most: int) -> tuple[bytes, int]:
        """Return some of the sound's bytes, at most so many, or all with no `most`; and how many there are in all.

        What is not written yet is waited for. No bytes at all when there is no sound.
        """
        await (self.is_begun if most else self.is_over).wait()
        while True:
            is_over = self.is_over.is_set()
            found, size = await trio.to_thread.run_sync(_part, self.folder / SOUND, first, most)
            enough = min(most, size - first, ENOUGH_BYTES)
            if is_over or (size and len(found) >= enough):
                return found, size
            with trio.move_on_after(LOOK_SECONDS):
                await self.is_over.wait()


@define(eq=False)
class Shelf:
    """What is ready, that which was wanted longest ago first."""

    data: Path
    begin: Begin
    _ready: dict[str, Prepared] = field(factory=dict)
    _preparing: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(MOST_AT_ONCE))

    async def of(self, call_id: str, tape: Path, length_ms: int) -> Prepared | None:
        """Return what is prepared of a call of this length, or is from now on; None where its tape is gone."""
        stamp_ns = await trio.to_thread.run_sync(_written_ns, tape)
        before = self._ready.pop(call_id, None)
        if stamp_ns is None:
            await self._remove(call_id)
            return None
        is_known = before is not None and before.stamp_ns == stamp_ns
        if before is None or not is_known or (before.is_over.is_set() and not before.folder.is_dir()):
            wanted = Prepared(tape, stamp_ns, length_ms, self.data / READY / call_id)
            self.begin(self._prepare, wanted, before)
        else:
            wanted = before
        self._ready[call_id] = wanted
        await self._keep_few()
        return wanted

    async def _prepare(self, wanted: Prepared, before: Prepared | None) -> None:
        if before is not None:
            await before.is_over.wait()
        try:
            async with self._preparing:
                await trio.to_thread.run_sync(_emptied, wanted.folder)
                wanted.is_begun.set()
                await _run(wanted)
            if await trio.to_thread.run_sync(_written_ns, wanted.tape) is None:  # it was erased meanwhile
                await trio.to_thread.run_sync(_removed, wanted.folder)
        finally:
            wanted.is_begun.set()
            wanted.is_over.set()

    async def clear(self) -> None:
        """Remove what an earlier run has left there."""
        folder = self.data / READY
        names = await trio.to_thread.run_sync(_names_in, folder)
        for name in names:
            if name not in self._ready:
                await self._remove(name)

    async def _keep_few(self) -> None:
        over = [call_id for call_id, one in self._ready.items() if one.is_over.is_set()]
        for call_id in over[: max(0, len(self._ready) - MOST_READY)]:
            del self._ready[call_id]
            await self._remove(call_id)

    async def _remove(self, call_id: str) -> None:
        await trio.to_thread.run_sync(_removed, self.data / READY / call_id)


async def _run(wanted: Prepared) -> None:
    tape = await trio.to_thread.run_sync(lying, wanted.tape)
    command = child("bridge.console.ready.prepared", str(tape), str(wanted.length_ms), str(wanted.folder))
    with trio.move_on_after(PREPARE_SECONDS):
        try:
            await trio.run_process(command, stdin=subprocess.DEVNULL, capture_stdout=True)
        except (OSError, subprocess.CalledProcessError) as error:
            await trio.Path(wanted.folder / FAULT).write_text(in_words(error))
    if not await trio.Path(wanted.folder / LINES).exists():  # it was cut off: nobody shall wait for the rest
        await trio.Path(wanted.folder / SOUND).unlink(missing_ok=True)


def _part(path: Path, first: int, most: int) -> tuple[bytes, int]:
    """Return bytes of a file that may still be written, and how many it will have."""
    try:
        with path.open("rb") as file:
            size = size_in(file.read(HEAD.size))
            file.seek(first)
            return file.read(most or size), size
    except OSError:
        return b"", 0


def _names_in(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()] if folder.is_dir() else []


def _written_ns(path: Path) -> int | None:
    """Return when a tape was written last, which its stub says too; of one in storage alone that nobody here put there
    it is not known."""
    if is_object(path):
        return 0
    for one in (path, stub_of(path)):
        with suppress(OSError):
            return one.stat().st_mtime_ns
    return None


def _emptied(folder: Path) -> None:
    _removed(folder)
    folder.mkdir(parents=True, mode=0o700)


def _removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
