"""Keys that the caller presses, put together to one entry until they pause, and how they are kept. Pure, int ms."""

import re
from typing import Final

from attrs import define

PAUSE_MS: Final = 1500
"""Keys pressed closer together than this are given to the model as one entry."""

MOST: Final = 32
LAST: Final = "#"
"""Ends an entry at once, as every phone menu has it."""

HIDDEN: Final = "x"
"""What a tape has in place of a key, where keys are masked; a replay takes it for one."""

MASKED: Final = "masked"
"""The setting of an agent on whose tapes keys are hidden."""

_SECRET: Final = re.compile(f"[^{LAST}]")


@define
class Keys:
    """What was pressed and not given to the model yet."""

    due: int | None = None
    """When the entry is over; None while there is none."""
    _pressed: str = ""

    @property
    def are_coming(self) -> bool:
        """Say whether the caller is in the middle of an entry."""
        return self.due is not None

    def press(self, key: str, now: int) -> None:
        """Take one more key."""
        self._pressed += key
        is_over = key == LAST or len(self._pressed) >= MOST
        self.due = now if is_over else now + PAUSE_MS

    def take(self) -> str:
        """Return the entry, and begin another."""
        pressed, self._pressed, self.due = self._pressed, "", None
        return pressed


def hidden(keys: str) -> str:
    """Return an entry as it is kept where keys are masked: as long, and ended by what ended it."""
    return _SECRET.sub(HIDDEN, keys)


def sentence_of(keys: str) -> str:
    """Return what the model reads of an entry."""
    return f"(The caller pressed these keys on the phone: {keys})"
