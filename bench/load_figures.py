"""What a level of load came to, medians of several, and what may be said of it. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from attrs import asdict, frozen

MOST_MS: Final = 20.0
"""The p99 beyond which a level is not carried: one frame."""

MOST_WAITED_PERCENT: Final = 3.0
"""Beyond it somebody else was at work on the side's core, and its latency is theirs."""

MOST_LATE_MS: Final = 2.0
"""The p99 of the load's own lateness beyond which nobody else is blamed for latency."""


@frozen
class Spread:
    """A distribution in ms; 0 of nothing."""

    p50: float = 0.0
    p99: float = 0.0
    most: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of some values; a percentile is one of them."""
        ordered = sorted(values)
        if not ordered:
            return cls()
        last = len(ordered) - 1
        return cls(ordered[round(last * 0.5)], ordered[round(last * 0.99)], ordered[-1], len(ordered))

    def __str__(self) -> str:
        return f"{self.p50:.1f} / {self.p99:.1f} / {self.most:.0f}" if self.count else "-"


@frozen
class Level:
    """So many calls at once at one side, for some seconds."""

    side: str
    calls: int
    seconds: float
    cpu_ms: float
    """CPU time of its processes for a second of one call, without the indexer."""
    core_percent: float
    """The same in parts of one core."""
    waited_percent: float
    """Of the time, in which the side could have run and somebody else had its core."""
    to_model: Spread
    to_phone: Spread
    first_audio: Spread
    clears: Spread
    late: Spread
    """How late the load was by itself."""
    load_percent: float
    """Of its own core, that the load took."""
    rss_mb: float
    rss_idle_mb: float
    lost: int = 0
    strange: int = 0
    dropped: int = 0
    uncleared: int = 0
    refused: int = 0
    by_process: tuple[float, ...] = ()
    """Parts of a core, by process."""

    @property
    def rss_kb_a_call(self) -> float:
        """Return what each call takes beyond what there was before the first."""
        return 1024 * (self.rss_mb - self.rss_idle_mb) / max(1, self.calls)

    @property
    def is_whole(self) -> bool:
        """Say whether every frame came in its order, every call lived, and every interruption was heard."""
        return not (self.lost or self.strange or self.dropped or self.uncleared or self.refused)

    @property
    def p99(self) -> float:
        """Return the worse way's p99."""
        return max(self.to_model.p99, self.to_phone.p99)

    @property
    def is_carried(self) -> bool:
        """Say whether so many calls were carried."""
        return self.is_whole and self.p99 <= MOST_MS

    @property
    def is_blurred(self) -> bool:
        """Say whether the load was late itself, so that nothing is known of the side's latency."""
        return self.late.p99 > MOST_LATE_MS

    @property
    def faults(self) -> str:
        """Return what went wrong, in words."""
        counted = {
            "frames lost": self.lost, "frames odd": self.strange, "calls dropped": self.dropped,
            "no clear": self.uncleared, "refused": self.refused,
        }  # fmt: skip
        said = [f"{count} {what}" for what, count in counted.items() if count]
        if self.is_blurred:
            said.append(f"the load was late: p99 {self.late.p99:.1f} ms")
        if self.waited_percent > MOST_WAITED_PERCENT:
            said.append(f"others had its core for {self.waited_percent:.0f} % of the time")
        return "; ".join(said)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self) | {"rss_kb_a_call": self.rss_kb_a_call, "is_carried": self.is_carried}


def median_of(levels: Sequence[Level]) -> Level:
    """Return the medians of the same level measured several times; what went wrong is added up."""
    first = levels[0]
    numbers: dict[str, Any] = {
        name: median(getattr(one, name) for one in levels)
        for name in (
            "seconds",
            "cpu_ms",
            "core_percent",
            "waited_percent",
            "load_percent",
            "rss_mb",
            "rss_idle_mb",
        )
    }
    spreads: dict[str, Any] = {
        name: _median_spread([getattr(one, name) for one in levels])
        for name in ("to_model", "to_phone", "first_audio", "clears", "late")
    }
    faults: dict[str, Any] = {
        name: sum(getattr(one, name) for one in levels)
        for name in ("lost", "strange", "dropped", "uncleared", "refused")
    }
    each = tuple(median(parts) for parts in zip(*(one.by_process for one in levels), strict=False))
    return Level(side=first.side, calls=first.calls, by_process=each, **numbers, **spreads, **faults)


def _median_spread(spreads: Sequence[Spread]) -> Spread:
    return Spread(
        median(one.p50 for one in spreads),
        median(one.p99 for one in spreads),
        max(one.most for one in spreads),
        sum(one.count for one in spreads),
    )


def by_side(levels: Iterable[Level]) -> dict[tuple[str, int], list[Level]]:
    """Return levels by their side and number of calls, in the order in which they were measured."""
    found: dict[tuple[str, int], list[Level]] = {}
    for one in levels:
        found.setdefault((one.side, one.calls), []).append(one)
    return found


def ratios(levels: Iterable[Level], side: str, other: str) -> dict[int, list[float]]:
    """Return CPU of one side by CPU of another, pair by pair, by the number of calls."""
    grouped = by_side(levels)
    found = {}
    for (name, calls), ours in grouped.items():
        theirs = grouped.get((other, calls), [])
        if name == side and theirs:
            pairs = zip(ours, theirs, strict=False)
            found[calls] = [one.cpu_ms / two.cpu_ms for one, two in pairs if two.cpu_ms]
    return {calls: pairs for calls, pairs in found.items() if pairs}  # a clock's tick is more than some take


def most_carried(levels: Iterable[Level]) -> dict[str, int]:
    """Return the largest number of calls that each side carried below the first that it did not."""
    most: dict[str, int] = {}
    failed: set[str] = set()
    for one in sorted(levels, key=lambda level: level.calls):
        if not one.is_carried:
            failed.add(one.side)
        elif one.side not in failed:
            most[one.side] = one.calls
        most.setdefault(one.side, 0)
    return most
