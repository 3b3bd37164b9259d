"""How far a command is, on lines: for whoever started it and has no terminal, such as the console."""

import os
import sys
import time
from typing import Final

from attrs import define, field

EVERY_SECONDS: Final = 2.0
VARIABLE: Final = "REPLAY_PROGRESS"


@define
class ProgressLines:
    """Says how far it is, every two seconds at most, if `REPLAY_PROGRESS=lines` asks for it."""

    is_wanted: bool = field(factory=lambda: os.environ.get(VARIABLE) == "lines")
    _said: float = float("-inf")

    def tell(self, what: str, done: int, total: int | None) -> None:
        """Take note of how far it is; the last of all is always said."""
        now = time.monotonic()
        if self.is_wanted and (now >= self._said + EVERY_SECONDS or done == total):
            self._said = now
            of = f" of {total}" if total else ""
            print(f"{done}{of} {what}", file=sys.stderr, flush=True)
