"""Keys that the caller presses, put together to one entry until they pause. Pure, int ms."""

from typing import Final

from attrs import define

PAUSE_MS: Final = 1500
"""Keys pressed closer together than this are given to the model as one entry."""

MOST: Final = 32
LAST: Final = "#"
"""Ends an entry at once, as every phone menu has it."""


@define
class Keys:
    """What was pressed and not given to the model yet."""

    due: int | None = None
    """When the entry is over; None while there is none."""
    _pressed: str = ""

    def press(self, key: str, now: int) -> None:
        """Take one more key."""
        self._pressed += key
        is_over = key == LAST or len(self._pressed) >= MOST
        self.due = now if is_over else now + PAUSE_MS

    def take(self) -> str:
        """Return the entry, and begin another."""
        pressed, self._pressed, self.due = self._pressed, "", None
        return pressed
