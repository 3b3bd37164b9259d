"""What can be seen of a call from outside at a moment: who speaks, what was said last, what it has cost. Pure.

It is looked at now and then, by people, and decides nothing.
"""

from typing import Final

from attrs import frozen

from bridge.heart.parts.conversation import Conversation
from bridge.heart.playout import Playout
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

MOST_TURNS: Final = 2
MOST_CHARACTERS: Final = 240
"""Of a turn, its last ones: two lines on a page."""


@frozen
class Glance:
    """One call at one moment; `said` has who said what last, `spent_usd` is None where nobody counts."""

    caller_speaks: bool = False
    agent_speaks: bool = False
    said: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()
    spent_usd: float | None = None
    listeners: tuple[str, ...] = ()
    """Who listens in."""


def glance(
    now: int,
    said: Conversation,
    turns: Turns,
    playout: Playout,
    tools: ToolCalls,
    spent_usd: float | None,
    listeners: tuple[str, ...],
) -> Glance:
    """Return what can be seen now."""
    return Glance(
        turns.caller_is_speaking,
        playout.is_playing(now),
        tuple((who, words[-MOST_CHARACTERS:]) for who, words in said.latest(MOST_TURNS)),
        (*tools.running.values(), *tools.late.values()),
        spent_usd,
        listeners,
    )
