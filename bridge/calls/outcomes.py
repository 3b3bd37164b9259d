"""How calls ended: of late, from memory; before that, from their tapes. Twilio asks what comes next after each."""

from collections import OrderedDict
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, field, frozen

from bridge.agents import Agent
from bridge.calls.messages import Key
from bridge.heart.effects import EndCall
from bridge.tapes.reader import ending_on_disk
from bridge.tapes.tape import BRIDGE
from bridge.wire.requests import Request

MOST_REMEMBERED: Final = 10_000
"""Calls of which something is noted for as long as Twilio may ask for them."""

MOST_OUTCOMES: Final = 1000
"""Ended calls whose outcome is known without looking at the disk: as many as may be live (`max_calls`), for all of them
may end in the same moment. Twilio asks within seconds; whoever asks later is answered from the tape.
"""

NEXT_SECONDS: Final = 0.6
"""How long after a call a draining daemon still waits for Twilio to ask what comes next; it asks at once."""

SAY_SECONDS: Final = 2.0
"""The same for a call whose caller has still to be told something."""

CRASHED: Final = "crashed"
T = TypeVar("T")


@frozen
class Outcome:
    """How a call of an agent's ended."""

    agent: Agent
    end: EndCall


def lost(agent: Agent) -> EndCall:
    """Return the end of a call of which nothing more is known than that it is over: its caller is told."""
    return EndCall(BRIDGE, CRASHED, agent.failure_sentence.text)


@define(eq=False)
class Outcomes:
    """The outcomes of calls that are over; times are in seconds."""

    _ended: OrderedDict[Key, Outcome] = field(factory=OrderedDict)
    unasked: dict[Key, float] = field(factory=dict)
    """Until when Twilio should ask about each of those that it has not asked about."""

    def __contains__(self, key: Key) -> bool:
        return key in self._ended

    def add(self, key: Key, agent: Agent, end: EndCall | None, now: float) -> None:
        """Remember how a call ended; of one that can't say, that it was by a bug."""
        end = end or EndCall(BRIDGE, CRASHED)
        self._ended[key] = Outcome(agent, end)
        if end.by != "caller":
            self.unasked[key] = now + (SAY_SECONDS if end.say else NEXT_SECONDS)
        if len(self._ended) > MOST_OUTCOMES:
            self.unasked.pop(self._ended.popitem(last=False)[0], None)

    def of(self, key: Key) -> Outcome | None:
        """Return how a call ended that was here lately."""
        return self._ended.get(key)

    def asked(self, key: Key) -> None:
        """Twilio has asked what comes next."""
        self.unasked.pop(key, None)

    def is_any_awaited(self, now: float) -> bool:
        """Say whether Twilio will soon ask about one of them."""
        return any(until > now for until in self.unasked.values())


def remember(known: OrderedDict[Key, T], key: Key, value: T) -> None:
    """Note something of a call for as long as Twilio may ask for it: the oldest goes when there are too many."""
    known[key] = value
    if len(known) > MOST_REMEMBERED:
        known.popitem(last=False)


def names_of(agent: str, request: Request) -> tuple[str, ...]:
    """Return what the call that a request is about may be called on disk."""
    names = (request.call_sid, f"{request.call_sid}-{agent}")
    return names if request.turn == 1 else tuple(f"{name}-{request.turn}" for name in names)


def outcome_on_disk(folder: Path, agent: Agent, *call_ids: str) -> Outcome | None:
    """Return how the first of these calls ended that is there, from its tape; one that is torn was cut off by a crash.

    Blocks.
    """
    for call_id in call_ids:
        found = ending_on_disk(folder, call_id)
        if found is not None and found.agent == agent.name:
            return Outcome(agent, EndCall(**found.ending) if found.ending else lost(agent))
    return None
