"""Which metrics the calls can't tell of, because of where the truth about them comes from. Pure.

Truth that is worked out from a call is as sharp as the ear that it is worked out with. What that ear does not hear, or
takes for speech, is not in it: a number counted by it is no more than a floor, and its interval means nothing.
"""

from collections.abc import Sequence
from typing import Final

from replay.sound.ears import Ear
from replay.vad.study.sweep import CLIPPED
from replay.vad.truth.derive import WITNESS
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Truth

UNHEARD: Final = ("short_missed", "missed", CLIPPED)
"""What a server misses shows only to an ear that hears more: to the same one, there was nothing."""

UNREAD: Final = ("false_per_hour", "false_agent_per_hour", "false_quiet_per_hour")
"""That it was no speech shows in an empty transcript, and nowhere else."""

UNENDED: Final = ("not_ended",)
"""Voices behind a caller are the caller's to the ear: with babble it found one in four of the turns not ended."""

MOST: Final = 0.5
"""Where more of the turns than this are known to a person, or were composed, all is counted as they tell it."""


def unknown_to(truths: Sequence[Truth], recordings: Sequence[Recording], ear: Ear) -> frozenset[str]:
    """Return the metrics, by name, that these truths can't tell of a server that hears by this ear."""
    turns = sum(len(one.turns) for one in truths)
    sure = sum(len(one.turns) for one in truths if one.source != "derived")
    if sure > MOST * turns:
        return frozenset()
    found = {*UNENDED, *(UNHEARD if ear == WITNESS else ())}
    return frozenset(found if _are_read(recordings) else {*found, *UNREAD})


def _are_read(recordings: Sequence[Recording]) -> bool:
    """Say whether most of what the server heard has a transcript, if only an empty one."""
    turns = [turn for one in recordings for turn in (one.heard[0].turns if one.heard else ())]
    return 2 * sum(turn.words is not None for turn in turns) > len(turns)
