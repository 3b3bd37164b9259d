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
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000} min {ms // 1000 % 60:02d} s"


def short_id(call_id: str) -> str:
    """Return as much of a call's id as lists show; `bridge show` and the others take it for the whole."""
    return call_id[:SHOWN_OF_ID]
