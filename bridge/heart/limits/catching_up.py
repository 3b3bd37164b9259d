"""Catching up: after the process was held up, nobody's silence is believed until their words are read. Pure, int ms."""

from typing import Final

from attrs import define

HELD_UP_MS: Final = 100
"""An alarm that rings so late says that the whole process was held up: what peers said meanwhile is still unread."""

CATCH_UP_MS: Final = 500
"""For so long after that, no peer's silence is believed: reading what waits in the sockets takes a few ms."""


@define
class CatchingUp:
    """Whether what peers have said may still be unread."""

    until: int = 0
    """No peer has been silent before: we have not read all it said."""

    def notice(self, deadline: int, now: int) -> None:
        """Take account of how late we are asked."""
        if now - deadline >= HELD_UP_MS:
            self.until = now + CATCH_UP_MS
