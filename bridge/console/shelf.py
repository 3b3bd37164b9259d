"""Sound and tapes of calls, ready for their pages: prepared once, by a process of its own, and kept for a while.

They are made of tapes and go with them: whoever erases a call, or its sound, erases them too (`files_of`).
"""

import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from bridge.console.prepared import FAULT, LINES
from bridge.errors import in_words
from bridge.machine import child
from bridge.tapes.names import READY

MOST_READY: Final = 16
"""Of an hour of talk each has 60 MB of sound."""

MOST_AT_ONCE: Final = 2
PREPARE_SECONDS: Final = 60


@define(eq=False)
class Shelf:
    """What is ready, that which was wanted longest ago first."""

    data: Path
    _ready: dict[str, int] = field(factory=dict)
    """When each one's tape was written last, in ns: a tape may be rewritten."""
    _preparing: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(MOST_AT_ONCE))
    _turns: dict[str, trio.Lock] = field(factory=dict)

    async def of(self, call_id: str, tape: Path) -> Path | None:
        """Return the folder with a call's sound and lines, or None: its tape is gone, or can't be read."""
        turn = self._turns.setdefault(call_id, trio.Lock())
        async with turn:
            found = await trio.to_thread.run_sync(_written_ns, tape, abandon_on_cancel=True)
            folder = self.data / READY / call_id
            if found is None:
                await self._drop(call_id)
            elif self._ready.pop(call_id, None) != found or not folder.is_dir():
                await self._prepare(tape, folder)
            if found is not None:
                self._ready[call_id] = found
        if not turn.statistics().tasks_waiting:
            self._turns.pop(call_id, None)
        while len(self._ready) > MOST_READY:
            await self._drop(next(iter(self._ready)))
        is_there = found is not None and await trio.Path(folder / LINES).exists()
        return folder if is_there else None

    async def _prepare(self, tape: Path, folder: Path) -> None:
        async with self._preparing:
            await trio.to_thread.run_sync(_emptied, folder)
            command = child("bridge.console.prepared", str(tape), str(folder))
            with trio.move_on_after(PREPARE_SECONDS):
                try:
                    await trio.run_process(command, stdin=subprocess.DEVNULL, capture_stdout=True)
                except (OSError, subprocess.CalledProcessError) as error:
                    await trio.Path(folder / FAULT).write_text(in_words(error))
        if await trio.to_thread.run_sync(_written_ns, tape) is None:  # it was erased meanwhile
            await trio.to_thread.run_sync(_removed, folder)

    async def _drop(self, call_id: str) -> None:
        self._ready.pop(call_id, None)
        await trio.to_thread.run_sync(_removed, self.data / READY / call_id)

    async def clear(self) -> None:
        """Remove what an earlier run has left there."""
        await trio.to_thread.run_sync(partial(_removed, self.data / READY))


def _written_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _emptied(folder: Path) -> None:
    _removed(folder)
    folder.mkdir(parents=True, mode=0o700)


def _removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
