"""One simulated time for several processes that talk over real sockets: faster than real time, as fast as they keep up.

Each process says, in a file that all of them map, up to which moment it has done its work: its next deadline while it
sleeps, and the moment it woke up at while it works; for itself time stands still meanwhile. Time goes on at a fixed
rate, and never further than `LEAD_SECONDS` beyond the last of them. So a process that is late makes all the others
wait: what runs here is slower then, and not broken.
"""

import mmap
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

LEAD_SECONDS: Final = 0.06
"""How far, in simulated time, processes may be apart: three frames."""

SHORTEST_SLEEP: Final = 0.0003
"""Real seconds until a process that is held back looks again."""

LONGEST_SLEEP: Final = 0.05
DOUBLE: Final = struct.Struct("d")
AHEAD: Final = 1e18
"""What a process says that waits for no time: others need not wait for it."""


@define(eq=False)
class SharedClock(trio.abc.Clock):
    """The clock of one process; slot 0 keeps the time, and every process writes what it has done into its own slot.

    `rate`: simulated seconds in a real one, at most.
    """

    path: Path
    slot: int
    slots: int
    rate: float
    _map: mmap.mmap = field(init=False)
    _latest: float = 0.0
    _is_asleep: bool = False

    def __attrs_post_init__(self) -> None:
        with self.path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @staticmethod
    def make(path: Path, slots: int) -> None:
        """Make the file: the time and when it was written, then a slot for each process that has not begun."""
        path.write_bytes(DOUBLE.pack(0.0) + DOUBLE.pack(time.perf_counter()) + DOUBLE.pack(AHEAD) * slots)

    def start_clock(self) -> None:
        """Begin where the others are."""
        self._latest = self._read(0)
        self._say(self._latest)

    def current_time(self) -> float:
        """Return the time, which stands still until there is nothing left to do here."""
        if not self._is_asleep:
            return self._latest
        self._is_asleep = False
        real = time.perf_counter()
        simulated = self._read(0) + max(0.0, real - self._read(1)) * self.rate
        now = max(self._latest, min(simulated, self._limit()))
        if self.slot == 0:
            DOUBLE.pack_into(self._map, 0, now)
            DOUBLE.pack_into(self._map, DOUBLE.size, real)
        self._latest = now
        self._say(now)
        return now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return for how many real seconds to sleep; until then nothing is to be done here."""
        wait = deadline - self._latest
        if wait <= 0:
            return 0
        self._is_asleep = True
        self._say(min(deadline, AHEAD))
        return min(max(wait / self.rate, SHORTEST_SLEEP), LONGEST_SLEEP)

    def _limit(self) -> float:
        others = (self._read(2 + slot) for slot in range(self.slots) if slot != self.slot)
        return min(others, default=AHEAD) + LEAD_SECONDS

    def _read(self, place: int) -> float:
        value: float = DOUBLE.unpack_from(self._map, place * DOUBLE.size)[0]
        return value

    def _say(self, moment: float) -> None:
        DOUBLE.pack_into(self._map, (2 + self.slot) * DOUBLE.size, moment)


@contextmanager
def in_real_time() -> Iterator[None]:
    """Let time go on as it really does meanwhile: for what the machine does by its own clock, such as idle threads.

    To be called where time is kept, in slot 0: the others are never far ahead of it.
    """
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, SharedClock)
    assert clock.slot == 0
    rate, clock.rate = clock.rate, 1.0
    try:
        yield
    finally:
        clock.rate = rate
