"""Which metrics the calls can't tell of, because of where the truth about them comes from. Pure.

Truth that is worked out from a call is as sharp as the ear that it is worked out with. What that ear does not hear, or
takes for speech, is not in it: a number counted by it is no more than a floor, and its interval means nothing. Where it
hears the agent, or other people, as the caller, there is no knowing where a turn begins or ends, and so nothing else.
"""

from collections.abc import Sequence
from typing import Final

from replay.sound.ears import Ear
from replay.vad.study.sweep import CLIPPED, METRICS
from replay.vad.truth.derive import WITNESS, Spans
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Truth

UNHEARD: Final = ("short_missed", "missed", CLIPPED)
"""What a server misses shows only to an ear that hears more: to the same one, there was nothing."""

UNREAD: Final = ("false_per_hour", "false_agent_per_hour", "false_quiet_per_hour")
"""That it was no speech shows in an empty transcript, and nowhere else."""

UNENDED: Final = ("not_ended",)
"""Voices behind a caller are the caller's to the ear: with babble it found one in four of the turns not ended."""

FLOORS: Final = frozenset((*UNHEARD, *UNREAD, *UNENDED))
"""What is at least what was counted, where it is unknown; of the others not even that is sure."""

AT_ONCE: Final = 0.25
"""Of what the agent says callers talk through less than this: people among each other speak at once in a twentieth of
the time, and who interrupts an agent soon has the word. An echo at 20 dB came to 0.81, babble to 0.92, a street and
hold music to nought."""

MOST: Final = 0.5
"""Where more of the turns than this are known to a person, or were composed, all is counted as they tell it."""


def unknown_to(truths: Sequence[Truth], recordings: Sequence[Recording], ear: Ear) -> frozenset[str]:
    """Return the metrics, by name, that these truths can't tell of a server that hears by this ear."""
    turns = sum(len(one.turns) for one in truths)
    sure = sum(len(one.turns) for one in truths if one.source != "derived")
    if sure > MOST * turns:
        return frozenset()
    if _at_once([one for one in truths if one.source == "derived"]) > AT_ONCE:
        return frozenset(METRICS)
    found = {*UNENDED, *(UNHEARD if ear == WITNESS else ())}
    return frozenset(found if _are_read(recordings) else {*found, *UNREAD})


def tells_nothing(unknown: frozenset[str]) -> bool:
    """Say whether nothing at all is known of what callers get."""
    return unknown >= set(METRICS)


def _at_once(truths: Sequence[Truth]) -> float:
    """Return for how much of the agent's speech somebody is taken to speak as well; nought where it never speaks."""
    agent_ms = sum(span.length_ms for one in truths for span in one.agent)
    both_ms = 0
    for one in truths:
        agent = Spans.of(one.agent)
        both_ms += sum(int(agent.shared_ms(span).sum()) for turn in one.turns for span in turn.speech)
    return both_ms / agent_ms if agent_ms else 0.0


def _are_read(recordings: Sequence[Recording]) -> bool:
    """Say whether most of what the server heard has a transcript, if only an empty one."""
    turns = [turn for one in recordings for turn in (one.heard[0].turns if one.heard else ())]
    return 2 * sum(turn.words is not None for turn in turns) > len(turns)
