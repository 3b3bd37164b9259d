"""How late this process' event loop is: what every task of every call suffers, and what no peer may be blamed for."""

from collections.abc import Callable
from typing import Any, Final

import structlog
import trio
from attrs import define, field

TICK_SECONDS: Final = 0.1
TICKS_TO_REFUSE: Final = 5
"""Looks in a row at which the loop was too late before new calls are refused: one long step is no overload."""

TICKS_TO_ADMIT: Final = 20
"""Looks in a row at which it was no more than half as late, until they are taken again: 2 s."""

log: Any = structlog.get_logger(__name__)


@define(eq=False)
class LoopLag:
    """Feels the loop ten times a second, once `run` does.

    `felt` is told each time how late the loop was, in seconds. With more than `most_ms` again and again the loop
    `is_late`: it can't carry one more call. 0 means that it never counts as late.
    """

    most_ms: int = 0
    felt: Callable[[float], None] = field(default=lambda seconds: None)
    is_late: bool = False
    _lost: float = 0.0
    _due: float = float("inf")
    _bad: int = 0
    _good: int = 0

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
