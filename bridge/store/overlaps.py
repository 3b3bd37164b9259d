"""Callers who spoke while the agent did, and did not interrupt it: what of it is in a call's row. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

FALSE: Final = "false_interruption"
IGNORED: Final = "barge_in_ignored"
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
