"""Catching up: after the process was held up, nobody's silence is believed until their words are read. Pure, int ms."""

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import define

Alarm: TypeAlias = tuple[int, Callable[[], None]]
"""When something is due, in ms since the call's birth, and what happens then."""

SilentAt: TypeAlias = Callable[[int], int]
"""`CatchingUp.silent_at`, for those whose alarms are about a peer's silence."""

HELD_UP_MS: Final = 100
"""An alarm that rings so late says that the whole process was held up: what peers said meanwhile is still unread."""

CATCH_UP_MS: Final = 500
"""For so long after that, no peer's silence is believed: reading what waits in the sockets takes a few ms."""


@define
class CatchingUp:
    """Whether what peers have said may still be unread."""

    _until: int = 0

    def notice(self, deadline: int, now: int) -> None:
        """Take account of how late we are asked."""
        if now - deadline >= HELD_UP_MS:
            self._until = now + CATCH_UP_MS

    def silent_at(self, ms: int) -> int:
        """Return when a peer that was to be heard by then has been silent: not before we have read all it said."""
        return max(ms, self._until)
