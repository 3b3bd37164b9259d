"""What a caller did who spoke while the agent did, in words. Pure."""

from collections.abc import Mapping
from typing import Any, Final

WHY: Final[Mapping[str, str]] = {
    "noise": "noise, not an interruption",
    "backchannel": "a backchannel, not an interruption",
    "protected": "said into what is protected, not an interruption",
    "short": "too short for an interruption",
    "unwritten": "no words of it in time, at the end of what was said",
    "lost": "the model's session was lost before it was known whether that was an interruption",
}

ANSWERED: Final = ("protected", "short", "unwritten")


def told_of_overlap(name: str, data: Mapping[str, Any]) -> str | None:
    """Return a milestone's words; None for one that tells of something else."""
    why = WHY.get(data.get("why", ""), "not an interruption")
    later = ", and it is answered" if data.get("why") in ANSWERED else ""
    match name:
        case "barge_in_possible":
            return "the agent stops: perhaps the caller interrupts it"
        case "false_interruption":
            return f"{why}: the agent goes on after {data.get('paused_ms', 0) / 1000:.1f} s{later}"
        case "barge_in_ignored" if data.get("by") == "a key":
            return f"a key, {why}: the agent goes on"
        case "barge_in_ignored":
            return f"{why} ({data.get('speech_ms', 0) / 1000:.1f} s): the agent goes on{later}"
        case "words_came_late":
            return "words after all, of what was taken for noise"
    return None
