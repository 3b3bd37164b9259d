"""Where one call is drawn on a report card's page: what was said and who spoke, on both sides, along one clock. Pure.

Places are in percent of the call's length, so that a page needs no style in any element, and fits any screen.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from replay.conformance.card import Evidence, JudgedCall, Side

Row: TypeAlias = dict[str, Any]

LEFT: Final = 1.0
WIDE: Final = 98.0
"""Percent: a call begins and ends a little inside, so that what is there at its ends can be seen."""
LEAST_WIDTH: Final = 0.3
LEAST_MS: Final = 1000
STEPS_MS: Final = (500, 1000, 2000, 5000, 10_000, 20_000, 60_000)
MOST_TICKS: Final = 8


def length_ms(call: JudgedCall, evidence: Sequence[Evidence]) -> int:
    """Return how long a call is drawn."""
    ends = [line.at_ms for line in (*call.lines, *evidence)] + [span.to_ms for span in call.spans]
    return max((*ends, LEAST_MS))


def place(at_ms: int, length: int) -> float:
    """Return where a moment is, in percent."""
    return round(LEFT + WIDE * min(max(at_ms, 0), length) / length, 2)


def ticks(length: int) -> list[Row]:
    """Return the moments that are named below, some seconds apart."""
    step = next((step for step in STEPS_MS if length / step <= MOST_TICKS), STEPS_MS[-1])
    return [{"x": place(at, length), "text": f"{at / 1000:g} s"} for at in range(0, length + 1, step)]


def spans(call: JudgedCall, side: Side, length: int) -> list[Row]:
    """Return the stretches of one side as rectangles."""
    return [
        {
            "kind": span.kind,
            "x": place(span.from_ms, length),
            "width": max(LEAST_WIDTH, round(WIDE * (span.to_ms - span.from_ms) / length, 2)),
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
        }
        for span in call.spans
        if span.side == side
    ]


def dots(rows: Sequence[Mapping[str, Any]], side: Side, length: int) -> Iterator[Row]:
    """Yield a dot for each line of one side's log; those that prove something come last, and lie above the others."""
    for row in sorted(rows, key=lambda row: bool(row["proves"])):
        if row["side"] == side:
            yield {"x": place(row["at_ms"], length), **row}
