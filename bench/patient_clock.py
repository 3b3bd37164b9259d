"""Simulated time for one process that talks to itself over real sockets: a call of ten seconds takes a fraction of one.

Time passes while there is nothing to do, `RATE` times as fast as it really does and never beyond the next deadline, and
stands still while there is. So a busy machine makes what runs here slower, and never late. While something works that
is not a task, a thread or what `holds_back` names, time goes on as it really does. What measures how fast the bridge
is, and whatever waits for another process, needs the real clock.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import trio
from attrs import define, field

RATE: Final = 40.0
"""Simulated seconds in a real one. A frame is half a millisecond then, about what trio and a loopback socket need."""

LONGEST_SLEEP: Final = 0.05
"""Real seconds until we look again: what holds time back may have ended meanwhile."""

LONGEST_WORK: Final = 5.0
"""Real seconds of work for which time stands still: a loop that waits for something without sleeping must end."""


@define(eq=False)
class PatientClock(trio.abc.Clock):
    """The clock of a run that waits for its own work."""

    threads: int = 0
    """Tasks that wait for a thread."""
    others: list[Callable[[], bool]] = field(factory=list)
    """Each says whether something works elsewhere."""
    _now: float = 0.0
    _until: float | None = None
    _asleep_since: float = 0.0
    _awake_since: float = 0.0

    def start_clock(self) -> None:
        """Begin at nought."""
        self._awake_since = time.perf_counter()

    def current_time(self) -> float:
        """Return the time, which has passed if we slept."""
        real = time.perf_counter()
        if self._until is not None:
            self._now = min(self._until, self._now + (real - self._asleep_since) * self._rate)
            self._until, self._awake_since = None, real
        elif (beyond := real - self._awake_since - LONGEST_WORK) > 0:
            self._now, self._awake_since = self._now + beyond, self._awake_since + beyond
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return for how many real seconds to sleep; there is nothing to do until then."""
        wait = deadline - self._now
        if wait <= 0:
            return 0
        self._until, self._asleep_since = deadline, time.perf_counter()
        return min(wait / self._rate, LONGEST_SLEEP)

    @property
    def _rate(self) -> float:
        return 1.0 if self.threads or any(is_working() for is_working in self.others) else RATE


def run(
    function: Callable[..., Awaitable[Any]], *, clock: trio.abc.Clock | None = None, **options: Any
) -> Any:
    """Run as `trio.run` does, on a clock of this kind unless another is given."""
    if clock is not None:
        return trio.run(function, clock=clock, **options)
    patient = PatientClock()
    with _counting_threads(patient):
        return trio.run(function, clock=patient, **options)


def holds_back(is_working: Callable[[], bool]) -> None:
    """Let time go on as it really does while this says so; for a run on any other clock it changes nothing."""
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, PatientClock):
        clock.others.append(is_working)


@contextmanager
def _counting_threads(clock: PatientClock) -> Iterator[None]:
    """Tell the clock of each task that waits for a thread: trio itself tells nobody."""
    plain = trio.to_thread.run_sync

    async def counted(*args: Any, **options: Any) -> Any:
        clock.threads += 1
        try:
            return await plain(*args, **options)
        finally:
            clock.threads -= 1

    trio.to_thread.run_sync = counted
    try:
        yield
    finally:
        trio.to_thread.run_sync = plain
