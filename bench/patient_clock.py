"""Simulated time for one process that talks to itself over real sockets: a call of ten seconds takes a fraction of one.

Time passes while there is nothing to do, `RATE` times as fast as it really does and never beyond the next deadline, and
stands still while there is: here, in a thread that a task waits for, or in a process that was started. So a busy
machine makes what runs here slower, and never late. While a thread only waits, time goes on as it really does: it has
a clock of its own. What measures how late the bridge is, and processes that keep time of their own, need the real one.
"""

import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, field

RATE: Final = 40.0
"""Simulated seconds in a real one. A frame is half a millisecond then, about what trio and a loopback socket need."""

LONGEST_SLEEP: Final = 0.05
"""Real seconds until we look again: what holds time back may have ended meanwhile."""

LOOK_SECONDS: Final = 0.005
"""The same while a thread or a process is at work: time may go on from when it is done."""

LONGEST_WORK: Final = 5.0
"""Seconds of the processor's for which time stands still: a loop that waits for something without sleeping must end."""

LONGEST_HOLD: Final = 120.0
"""Real seconds for which a thread or a process holds time back: one that works for ever must be seen to."""

CAN_LOOK: Final = sys.platform == "linux"
"""Whether the system says what threads and processes do. Where it doesn't, time is real while there are any."""

AT_WORK: Final = (b"R", b"D")
"""What Linux calls a thread that runs, waits for a processor, or for a disk."""

_run = trio.run


@define(eq=False)
class Helper:
    """A process that was started here."""

    pid: int
    is_gone: bool = False
    _ran: tuple[bytes, ...] = ()

    def is_at_work(self) -> bool:
        """Say whether it works, or has since the last look."""
        try:
            _, _, told = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b") ")
            of_main = Path(f"/proc/{self.pid}/schedstat").read_bytes()
        except OSError:
            self.is_gone = True
            return False
        state, *rest = told.split()
        before, self._ran = self._ran, (of_main, *rest[10:12])  # all threads' time, in hundredths of a second
        self.is_gone = state == b"Z"
        return state in AT_WORK or self._ran != before


@define(eq=False)
class PatientClock(trio.abc.Clock):
    """The clock of a run that waits for its own work."""

    threads: int = 0
    """Tasks that wait for a thread."""
    helpers: list[Helper] = field(factory=list)
    _now: float = 0.0
    _until: float | None = None
    _asleep_since: float = 0.0
    _asleep_for: float = 0.0
    _worked: float = 0.0
    _held: float = 0.0

    def start_clock(self) -> None:
        """Begin at nought."""
        self._worked = time.thread_time()

    def current_time(self) -> float:
        """Return the time, which has passed if we slept."""
        worked = time.thread_time()
        if self._until is not None:
            # what we slept beyond our time we waited for a processor
            asleep = min(time.perf_counter() - self._asleep_since, self._asleep_for)
            self._now = min(self._until, self._now + asleep * self._rate(asleep))
            self._until, self._worked = None, worked
        elif (beyond := worked - self._worked - LONGEST_WORK) > 0:
            self._now, self._worked = self._now + beyond, self._worked + beyond
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return for how many real seconds to sleep; there is nothing to do until then."""
        wait = deadline - self._now
        if wait <= 0:
            return 0
        is_waited_for = self.threads > 0 or self._held > 0
        self._asleep_for = min(
            wait if is_waited_for else wait / RATE, LOOK_SECONDS if is_waited_for else LONGEST_SLEEP
        )
        self._until, self._asleep_since = deadline, time.perf_counter()
        return self._asleep_for

    def _rate(self, asleep: float) -> float:
        """Return how fast time was while we slept."""
        if self._is_held():
            self._held += asleep
            return 0.0 if self._held < LONGEST_HOLD else 1.0
        self._held = 0.0
        return 1.0 if self.threads or (self.helpers and not CAN_LOOK) else RATE

    def _is_held(self) -> bool:
        if not CAN_LOOK:
            return False
        at_work = [helper.is_at_work() for helper in self.helpers]
        self.helpers = [helper for helper in self.helpers if not helper.is_gone]
        return any(at_work) or (self.threads > 0 and _other_thread_works())


def _other_thread_works() -> bool:
    """Say whether another thread of this process works, or would if it had a processor."""
    ours = str(threading.get_native_id())
    return any(_state(task) in AT_WORK for task in os.listdir("/proc/self/task") if task != ours)


def _state(task: str) -> bytes:
    try:
        return Path(f"/proc/self/task/{task}/stat").read_bytes().rpartition(b") ")[2][:1]
    except OSError:  # it has just ended
        return b""


def run(
    function: Callable[..., Awaitable[Any]], *args: Any, clock: trio.abc.Clock | None = None, **options: Any
) -> Any:
    """Run as `trio.run` does, on a clock of this kind unless another is given."""
    if clock is not None:
        return _run(function, *args, clock=clock, **options)
    patient = PatientClock()
    with _told_of_helpers(patient):
        return _run(function, *args, clock=patient, **options)


@contextmanager
def in_all_runs() -> Iterator[None]:
    """Let `trio.run` be like `run` meanwhile: for commands, which bring a loop of their own."""
    trio.run = run  # type: ignore[assignment]  # which takes any function, as trio's does
    try:
        yield
    finally:
        trio.run = _run


@contextmanager
def _told_of_helpers(clock: PatientClock) -> Iterator[None]:
    """Tell the clock of tasks that wait for a thread, and of processes: trio itself tells nobody."""
    in_thread, process = trio.to_thread.run_sync, trio.lowlevel.open_process

    async def counted(*args: Any, **options: Any) -> Any:
        clock.threads += 1
        try:
            return await in_thread(*args, **options)
        finally:
            clock.threads -= 1

    async def watched(*args: Any, **options: Any) -> trio.Process:
        started = await process(*args, **options)
        clock.helpers.append(Helper(started.pid))
        return started

    trio.to_thread.run_sync, trio.lowlevel.open_process = counted, watched  # type: ignore[assignment]
    try:
        yield
    finally:
        trio.to_thread.run_sync, trio.lowlevel.open_process = in_thread, process
