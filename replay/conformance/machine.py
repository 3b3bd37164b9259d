"""How busy the machine and the bridge were while calls went on: where nothing was left, times are nobody's fault."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

LOOK_SECONDS: Final = 0.5
MOST_LOOKS: Final = 1_200
"""Ten minutes: a card takes two."""
IDLE, WAITS = 3, 4
"""Of the first line of /proc/stat, behind its name: so many ticks with nothing to do, or waiting for a disk."""
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
SESSION, USED, USED_BY_KERNEL = 3, 11, 12
"""Of the stat of a process, behind the name in brackets."""
WINDOW: Final = 4
"""So many looks, two seconds: what a process uses in one may be a piece of work that it does once."""
SETTLED_SECONDS: Final = 2.0
"""What a bridge does once, in the beginning of a call, is not what a call takes."""
FULL_PERCENT: Final = 90.0
"""A process that uses so much of a core for two seconds has nothing left: most can't use more than one."""

LATE_MS: Final = 150
TOO_LATE_MS: Final = 400
"""This process does little: where it is so late, any bridge on the same machine is."""
IDLE_PERCENT: Final = 8.0
MOST_LATE: Final = 10_000
NOTICED_SECONDS: Final = 0.02


_Used = tuple[float, Mapping[int, float]]
"""A moment, and the seconds that each process had used by then."""


@attrs.frozen
class Hurry:
    """How late this process was at worst, and how much of the machine had nothing to do."""

    late_ms: int = 0
    idle_percent: float = 100.0
    bridge_percent: float = 0.0
    """Of one core, for the bridge's busiest process, in its busiest two seconds; 0 where it was not started here."""
    steady_percent: float = 0.0
    """The same on average, without what it does once in the beginning."""

    @property
    def spoils_times(self) -> bool:
        """Whether the machine was too busy for times to be held against the bridge."""
        return self.late_ms > LATE_MS or self.idle_percent < IDLE_PERCENT

    @property
    def fills_its_core(self) -> bool:
        """Whether the bridge itself had no time left."""
        return self.bridge_percent >= FULL_PERCENT

    @property
    def spoils_the_call(self) -> bool:
        """Whether it was so late that whoever ran beside it can't be blamed for what took long, or came too late."""
        return self.late_ms > TOO_LATE_MS


@attrs.define
class Load:
    """Notes when this process was late, and looks at the machine's counters twice a second, where it has them.

    `bridge` is the session of processes whose own time is looked at, too."""

    _proc: Path = Path("/proc")
    bridge: int | None = None
    _late: deque[tuple[float, float]] = attrs.field(factory=lambda: deque(maxlen=MOST_LATE))
    _looks: deque[tuple[float, int, int]] = attrs.field(factory=lambda: deque(maxlen=MOST_LOOKS))
    _used: deque[_Used] = attrs.field(factory=lambda: deque(maxlen=MOST_LOOKS))

    def look(self, now: float, late: float) -> None:
        """Note by how many seconds this process was late, and look if the last time was long enough ago."""
        if late > NOTICED_SECONDS:
            self._late.append((now, late))
        if self._looks and now - self._looks[-1][0] < LOOK_SECONDS:
            return
        try:
            ticks = [int(word) for word in (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:]]
        except (OSError, ValueError):
            return
        if len(ticks) > WAITS:
            self._looks.append((now, sum(ticks), ticks[IDLE] + ticks[WAITS]))
        if self.bridge is not None:
            self._used.append((now, dict(_used_by(self.bridge, self._proc))))

    def since(self, then: float) -> Hurry:
        """Return how it was since then."""
        late = max((late for at, late in self._late if at >= then), default=0)
        used = self._used_since(then)
        windows = zip(used, used[WINDOW:], strict=False)
        busiest = max((_percent(*window) for window in windows), default=0.0)
        settled = self._used_since(then + SETTLED_SECONDS)
        steady = _percent(settled[0], settled[-1]) if len(settled) > 1 else 0.0
        return Hurry(round(1000 * late), self._idle_percent(then), busiest, steady)

    def _used_since(self, then: float) -> list[_Used]:
        return [look for look in self._used if look[0] >= then]

    def _idle_percent(self, since: float) -> float:
        """All of it, where there is no way to tell."""
        looks = [look for look in self._looks if look[0] >= since]
        if len(looks) < 2 or looks[-1][1] == looks[0][1]:
            return 100.0
        return 100 * (looks[-1][2] - looks[0][2]) / (looks[-1][1] - looks[0][1])


def _used_by(session: int, proc: Path) -> Iterator[tuple[int, float]]:
    """Yield each process of a session with the seconds that it has used, of the user's time and of the kernel's."""
    for number in filter(str.isdigit, os.listdir(proc)):
        try:
            words = (proc / number / "stat").read_text().rpartition(")")[2].split()
            if int(words[SESSION]) == session:
                yield int(number), (int(words[USED]) + int(words[USED_BY_KERNEL])) / TICKS_A_SECOND
        except (OSError, ValueError, IndexError):
            continue  # it is over, or no process


def _percent(earlier: _Used, later: _Used) -> float:
    """Return how much of a core the busiest process has used between two looks."""
    used = max((seconds - earlier[1].get(number, 0.0) for number, seconds in later[1].items()), default=0.0)
    return 100 * used / (later[0] - earlier[0])
