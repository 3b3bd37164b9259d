"""How counts, lengths of time and call ids are written, wherever people read them. Pure."""

from typing import Final

SHOWN_OF_ID: Final = 10
"""Characters of a call's id in lists: eight of its digits, and no two calls of a day begin alike."""


def counted(count: int, thing: str, things: str = "") -> str:
    """Return how many there are: 1 call, 2 calls."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def seconds(ms: int | None) -> str:
    """Return a length of time as people read it."""
    if ms is None:
        return ""
    if (tenths := nearest(ms, 100)) < 600:
        return f"{tenths / 10:.1f} s"
    whole = nearest(ms, 1000)
    return f"{whole // 60} min {whole % 60:02d} s"


def nearest(ms: int, unit_ms: int) -> int:
    """Return how many of a unit a time is, to the nearest; a half counts as one more."""
    return (ms + unit_ms // 2) // unit_ms


def short_id(call_id: str) -> str:
    """Return as much of a call's id as lists show; `bridge show` and the others take it for the whole."""
    return call_id[:SHOWN_OF_ID]
