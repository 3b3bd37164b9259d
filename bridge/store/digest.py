"""What a list of calls shows of one without reading the rest of its rows. Pure."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]

MOST_CHARACTERS: Final = 300
"""Of the caller's first words: two lines on a page."""

MOST_SPOKEN: Final = 1_000_000
"""Of all that was said: an hour has some sixty thousand."""

OF_WORDS: Final = frozenset({"opening_words"})
"""Columns that hold what was said."""


def digest(transcript: Sequence[Row], tool_calls: Sequence[Row], turns: Sequence[Row]) -> Row:
    """Return the caller's first words, how many tools failed, and the longest wait for an answer."""
    words = next((row["said"] for row in transcript if row["role"] == "caller" and row["said"]), None)
    waits = [wait for row in turns if (wait := _wait_ms(row)) is not None]
    return {
        "opening_words": None if words is None else words[:MOST_CHARACTERS],
        "failed_tool_calls": sum(row["error_kind"] is not None for row in tool_calls),
        "longest_wait_ms": max(waits, default=None),
    }


def spoken(transcript: Sequence[Row]) -> list[Row]:
    """Return all that was said in a call as the one row that is searched; none where nobody said anything."""
    said = "\n".join(row["said"] for row in transcript if row["said"])[:MOST_SPOKEN]
    return [{"position": 0, "said": said, "lowered": said.lower()}] if said else []


def _wait_ms(turn: Row) -> int | None:
    """Return how long the caller waited: from their last sound where that is known, else from turn detection's word."""
    felt: int | None = turn.get("latency_ms")
    return turn.get("response_ms") if felt is None else felt
