"""Real time, but for what this thread waited for a processor: how late a loop is by its own doing, on a busy machine.

What blocks the loop is as long on it as it really is; that somebody else had the processor is not. Linux alone tells
for how long: elsewhere it is the real clock.
"""

import os
import threading
import time
from typing import Final

import trio
from attrs import define, field

NANOSECONDS: Final = 1e9


def _open_told() -> int | None:
    """Open what Linux tells of this thread: nanoseconds that it ran, that it waited to, and how often it did."""
    try:
        return os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


@define(eq=False)
class FairClock(trio.abc.Clock):
    """The clock of a run in the thread that made it."""

    _told: int | None = field(factory=_open_told)

    def start_clock(self) -> None:
        """Do nothing: it always goes."""

    def current_time(self) -> float:
        """Return the seconds in which this thread did something, or had nothing to do."""
        return time.perf_counter() - self._waited()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return for how many seconds to sleep."""
        return deadline - self.current_time()

    def _waited(self) -> float:
        if self._told is None:
            return 0.0
        return int(os.pread(self._told, 100, 0).split()[1]) / NANOSECONDS

    def __del__(self) -> None:
        """Close what was opened."""
        if self._told is not None:
            os.close(self._told)
