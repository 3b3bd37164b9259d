"""How busy the machine was while calls went on: where it had nothing left, times are nobody's fault."""

from collections import deque
from pathlib import Path
from typing import Final

import attrs

LOOK_SECONDS: Final = 0.5
MOST_LOOKS: Final = 1_200
"""Ten minutes: a card takes two."""
IDLE, WAITS = 3, 4
"""Of the first line of /proc/stat, behind its name: so many ticks with nothing to do, or waiting for a disk."""


LATE_MS: Final = 150
TOO_LATE_MS: Final = 400
"""This process does little: where it is so late, any bridge on the same machine is."""
IDLE_PERCENT: Final = 8.0
MOST_LATE: Final = 10_000
NOTICED_SECONDS: Final = 0.02


@attrs.frozen
class Hurry:
    """How late this process was at worst, and how much of the machine had nothing to do."""

    late_ms: int = 0
    idle_percent: float = 100.0

    @property
    def spoils_times(self) -> bool:
        """Whether the machine was too busy for times to be held against the bridge."""
        return self.late_ms > LATE_MS or self.idle_percent < IDLE_PERCENT

    @property
    def spoils_the_call(self) -> bool:
        """Whether it was so late that whoever ran beside it can't be blamed for what took long, or came too late."""
        return self.late_ms > TOO_LATE_MS


@attrs.define
class Load:
    """Notes when this process was late, and looks at the machine's counters twice a second, where it has them."""

    _stat: Path = Path("/proc/stat")
    _late: deque[tuple[float, float]] = attrs.field(factory=lambda: deque(maxlen=MOST_LATE))
    _looks: deque[tuple[float, int, int]] = attrs.field(factory=lambda: deque(maxlen=MOST_LOOKS))

    def look(self, now: float, late: float) -> None:
        """Note by how many seconds this process was late, and look if the last time was long enough ago."""
        if late > NOTICED_SECONDS:
            self._late.append((now, late))
        if self._looks and now - self._looks[-1][0] < LOOK_SECONDS:
            return
        try:
            ticks = [int(word) for word in self._stat.read_text().split("\n", 1)[0].split()[1:]]
        except (OSError, ValueError):
            return
        if len(ticks) > WAITS:
            self._looks.append((now, sum(ticks), ticks[IDLE] + ticks[WAITS]))

    def since(self, then: float) -> Hurry:
        """Return how it was since then."""
        late = max((late for at, late in self._late if at >= then), default=0)
        return Hurry(round(1000 * late), self._idle_percent(then))

    def _idle_percent(self, since: float) -> float:
        """All of it, where there is no way to tell."""
        looks = [look for look in self._looks if look[0] >= since]
        if len(looks) < 2 or looks[-1][1] == looks[0][1]:
            return 100.0
        return 100 * (looks[-1][2] - looks[0][2]) / (looks[-1][1] - looks[0][1])
