"""How late this process' event loop is, and how busy: what every call suffers, and what no peer may be blamed for."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog
import trio
from attrs import define, field

from bridge.settings.server import Server

TICK_SECONDS: Final = 0.1
TICKS_TO_REFUSE: Final = 5
"""Looks in a row at which the loop was too late before new calls are refused: one long step is no overload."""

TICKS_TO_ADMIT: Final = 20
"""Looks in a row at which it was no more than half as late, until they are taken again: 2 s."""

LOOKS_AT_WORK: Final = 10
"""One second: what a call's beginning or a garbage collection takes is no overload."""

FREE_AGAIN_PERCENT: Final = 5
"""So much less than the limit, so that a single call that ends does not turn it on and off."""

log: Any = structlog.get_logger(__name__)


@define(eq=False)
class LoopWork:
    """How much of one core the thread of the loop took in the last second; at `most_percent` it is full.

    A loop that is full is late for all its calls soon after: this is known before. 0 means that it is never full.
    """

    most_percent: int = 0
    is_full: bool = False
    _clock: Callable[[], float] = time.perf_counter
    _worked: Callable[[], float] = time.thread_time
    _looks: deque[tuple[float, float]] = field(factory=lambda: deque(maxlen=LOOKS_AT_WORK + 1))

    def look(self) -> None:
        """Look at the thread that this runs in; say so once when it begins to be full, and when there is room again."""
        self._looks.append((self._clock(), self._worked()))
        (began, before), (now, worked) = self._looks[0], self._looks[-1]
        if len(self._looks) <= LOOKS_AT_WORK or now <= began:
            return
        percent = 100 * (worked - before) / (now - began)
        most = self.most_percent or float("inf")
        if not self.is_full and percent >= most:
            self.is_full = True
            log.warning(
                "event loop is full: no new calls",
                busy_percent=round(percent),
                max_busy_percent=self.most_percent,
            )
        elif self.is_full and percent <= most - FREE_AGAIN_PERCENT:
            self.is_full = False
            log.warning("event loop has room again: new calls are taken")


@define(eq=False)
class LoopLag:
    """Feels the loop ten times a second, once `run` does.

    `felt` is told each time how late the loop was, in seconds. With more than `most_ms` again and again the loop
    `is_late`: it can't carry one more call. 0 means that it never counts as late.
    """

    most_ms: int = 0
    felt: Callable[[float], None] = field(default=lambda seconds: None)
    is_late: bool = False
    work: LoopWork = field(factory=LoopWork)
    _lost: float = 0.0
    _due: float = float("inf")
    _bad: int = 0
    _good: int = 0

    def follow(self, server: Server) -> None:
        """Take the limits of settings that were read, or read again."""
        self.most_ms, self.work.most_percent = server.max_lag_ms, server.max_busy_percent

    def awake(self) -> float:
        """Return the seconds of a clock that stands still while the loop is late; for telling how long a peer took."""
        return min(trio.current_time(), self._due) - self._lost

    async def run(self) -> None:
        """Feel the loop until cancelled."""
        try:
            while True:
                self._due = trio.current_time() + TICK_SECONDS
                await trio.sleep_until(self._due)
                late = trio.current_time() - self._due
                self._lost += late
                self.felt(late)
                self._judge(late)
                self.work.look()
        finally:
            self._due = float("inf")

    def _judge(self, late: float) -> None:
        """Keep count of looks in a row, and say so once when the loop begins to be late, and when it is well again."""
        most = self.most_ms / 1000 or float("inf")
        self._bad = self._bad + 1 if late > most else 0
        self._good = self._good + 1 if late <= most / 2 else 0
        if not self.is_late and self._bad >= TICKS_TO_REFUSE:
            self.is_late = True
            log.warning(
                "event loop is late: no new calls", late_ms=round(late * 1000), max_lag_ms=self.most_ms
            )
        elif self.is_late and self._good >= TICKS_TO_ADMIT:
            self.is_late = False
            log.warning("event loop is in time again: new calls are taken")
