"""What waits to be indexed, and how long until it is tried again. It does nothing itself."""

from collections.abc import Callable

from attrs import define, frozen

from bridge.store.messages import Job, Reply
from bridge.tapes.late import Late

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a process that died is started again, and before a database that can't be used is tried again:
doubled each time."""

ASIDE_SECONDS, LONGEST_ASIDE_SECONDS = 60.0, 3600.0
"""When a tape that was set aside is tried once more, doubled each time: perhaps it was not its fault."""


@define(eq=False)
class Waiting:
    """A tape that is not in the database; `is_ours`: of a call of this process, whose numbers are wanted."""

    path: str
    is_ours: bool
    since: float
    deaths: int = 0
    due: float = 0.0
    pause: float = ASIDE_SECONDS


@frozen
class Errand:
    """A job that somebody waits for; it needs no database, or may fail for want of it."""

    job: Job
    answer: Callable[[Reply], None]


@frozen
class LateTold:
    """What was told of a call that is over, and when its tape is looked for once more: it may not be complete yet."""

    late: Late
    due: float
    pause: float = 1.0
    is_new: bool = True
    """It has not been looked for yet: a daemon that ends does so first."""


@define
class Pauses:
    """Seconds to wait, longer each time."""

    _seconds: float = 0.0

    def next(self) -> float:
        """Return how long to wait now."""
        self._seconds = min(max(2 * self._seconds, FIRST_PAUSE), LONGEST_PAUSE)
        return self._seconds

    def begin_anew(self) -> None:
        """Wait a short time again."""
        self._seconds = 0.0
