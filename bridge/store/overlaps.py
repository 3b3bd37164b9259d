"""Callers who spoke while the agent did: what of it is in a call's row, and where they interrupted. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

FALSE: Final = "false_interruption"
IGNORED: Final = "barge_in_ignored"
POSSIBLE: Final = "barge_in_possible"
BARGE_IN: Final = "barge_in"
COUNTED: Final[Mapping[str, str]] = {
    "noises_ignored": "noise",
    "backchannels_ignored": "backchannel",
    "protected_ignored": "protected",
    "short_ignored": "short",
}
"""Each column with what it was: no words, words of somebody who listens, into what is protected, or too short."""


def overlaps_of(milestones: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how often the agent stopped and went on, and how often it was spoken into for each reason, either way."""
    told = [(row["name"], row["data"].get("why")) for row in milestones if row["name"] in (FALSE, IGNORED)]
    whys = [why for _, why in told]
    return {
        "false_interruptions": sum(name == FALSE for name, _ in told),
        **{column: whys.count(why) for column, why in COUNTED.items()},
    }


def stopped_before(record: Mapping[str, Any]) -> dict[int, int]:
    """Return where the agent had stopped for each interruption that was known only later, by when it was known.

    By speaking rules the agent stops first, and what the caller says decides: both are one interruption.
    """
    stopped, found = None, dict[int, int]()
    for row in record["milestones"]:
        if row["name"] == POSSIBLE:
            stopped = row["t_ms"]
        elif row["name"] == FALSE:
            stopped = None
        elif row["name"] == BARGE_IN:
            cut = _cut_at(record["items"], row["t_ms"])
            if stopped is not None and all(item["first_heard"] <= stopped for item in cut):
                found[row["t_ms"]] = stopped
            stopped = None
    return found


def cut_in_words(items: Sequence[Mapping[str, Any]], t_ms: int) -> str:
    """Return what an interruption cut off, in words."""
    cut = _cut_at(items, t_ms)
    heard, made = sum(row["heard_ms"] for row in cut), sum(row["generated_ms"] for row in cut)
    if not cut:
        return "barge-in"
    return f"the caller cut in: {heard / 1000:.1f} s heard of {made / 1000:.1f} s said"


def verdict_in_words(stopped_ms: int, t_ms: int) -> str:
    """Return what is said where it becomes known that the caller interrupted an agent that had stopped for it."""
    return f"known to be an interruption, {(t_ms - stopped_ms) / 1000:.1f} s after the agent stopped"


def _cut_at(items: Sequence[Mapping[str, Any]], t_ms: int) -> list[Mapping[str, Any]]:
    return [row for row in items if row["cut"] and row["settled_ms"] == t_ms]
