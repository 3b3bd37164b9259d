"""The clock of the load: what is due at absolute times, to a tenth of a millisecond, and how late it was.

An event loop's own timers are whole milliseconds: ten calls' frames would leave in one burst, which no network does.
Linux has timers that are files. Python has them from 3.13 on; here libc is asked.
"""

import asyncio
import ctypes
import os
from array import array
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter
from typing import Final, TypeAlias

Action: TypeAlias = Callable[[float], None]
"""What is to be done; it is told when it was due."""

MONOTONIC: Final = 1
NONBLOCKING: Final = os.O_NONBLOCK
ABSOLUTE: Final = 1
NEVER: Final = float("inf")


class _Spec(ctypes.Structure):
    _fields_ = (
        ("every_s", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("at_s", ctypes.c_long),
        ("at_ns", ctypes.c_long),
    )


class LoadClock:
    """Does what is due within a running event loop. Its time is `time.perf_counter()`."""

    def __init__(self) -> None:
        self.late = array("d")
        """Seconds by which each thing was done too late: the load's own doing, not that of whom it loads."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.timerfd_create(MONOTONIC, NONBLOCKING)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._heap: list[tuple[float, int, Action]] = []
        self._numbers = count()
        self._armed = NEVER
        asyncio.get_running_loop().add_reader(self._file, self._ring)

    def at(self, due: float, action: Action) -> None:
        """Have something done at a moment."""
        heappush(self._heap, (due, next(self._numbers), action))
        if due < self._armed:
            self._arm(due)

    def close(self) -> None:
        """Do nothing more."""
        self._heap.clear()
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)

    def _ring(self) -> None:
        """Do what was due when this began: what becomes due meanwhile waits until sockets were read, too."""
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return
        self._armed = NEVER
        began, heap, late = perf_counter(), self._heap, self.late
        while heap and heap[0][0] <= began:
            due, _, action = heappop(heap)
            late.append(perf_counter() - due)
            action(due)
        if heap:
            self._arm(heap[0][0])

    def _arm(self, due: float) -> None:
        self._armed = due
        whole = int(due)
        spec = _Spec(0, 0, whole, max(1, int((due - whole) * 1e9)))
        self._libc.timerfd_settime(self._file, ABSOLUTE, ctypes.byref(spec), None)
