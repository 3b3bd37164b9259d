"""Last words: nobody hangs up or leaves the stream before they were heard, nor while the caller speaks. Pure."""

from typing import Final

from attrs import define

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.parts.conversation import Conversation
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.trips import Trip
from bridge.heart.playout import Playout
from bridge.heart.tool_calls import ToolCalls

ORDERED_MS: Final = 3000
"""How long caller or agent may go on once somebody at the daemon wants the caller put through: a sentence."""

STILL_TALKING: Final = '{"status": "not hung up: the caller went on talking"}'
STAYED: Final = '{"status": "not done: the caller went on talking"}'


@define
class Farewell:
    """What is to happen once the agent's last words were heard: the end of the call, or of a leg of it."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    playout: Playout
    tool_calls: ToolCalls
    excursions: Excursions
    ending: Ending
    is_closing: bool = False
    """Nobody's words begin any more: the longest call ends in a moment."""
    due: int = 0
    """When they will have been heard, at the latest."""
    _hang_up: tuple[str, str] | None = None
    _trip: Trip | None = None
    _asked_after: int = 0

    def send_on(self, trip: Trip) -> None:
        """Somebody at the daemon wants the caller to leave the stream: nothing that is said keeps them for long."""
        self.decisions.journal.milestone("leave_asked", step=trip.plan.step.kind, to=trip.to, by=trip.who)
        self._hang_up, self._trip = None, trip
        self._asked_after = self.excursions.number
        self.due = self.decisions.now + ORDERED_MS

    def hang_up(self, call_id: str, reason: str) -> None:
        """The model wants to hang up: its last words are heard before."""
        self.decisions.journal.milestone("hang_up_asked")
        self._hang_up, self._trip = (call_id, reason), None
        self._asked_after = self.excursions.number
        self.put_off()

    def leave(self, trip: Trip) -> None:
        """The model wants the caller to leave the stream: what it says to that is heard before."""
        self.decisions.journal.milestone(
            "leave_asked", step=trip.plan.step.kind, to=trip.to, reason=trip.reason
        )
        self._hang_up, self._trip = None, trip
        self._asked_after = self.excursions.number
        self.put_off()

    @property
    def is_pending(self) -> bool:
        """Say whether nothing but last words is still to be said; a failure may have come before them."""
        is_asked = self._hang_up is not None or self._trip is not None
        return is_asked and self._asked_after == self.excursions.number

    @property
    def is_ordered(self) -> bool:
        """Say whether a person has decided what is still to happen: no talk of caller or agent puts it off."""
        return self._trip is not None and self._trip.who != "" and self.is_pending

    @property
    def is_last(self) -> bool:
        """Say whether no response may begin any more."""
        return self.is_closing or self.is_ordered

    @property
    def is_near(self) -> bool:
        """Say whether nothing more is to be asked of the model."""
        return self.is_pending or self.is_closing

    @property
    def may_go(self) -> bool:
        """Say whether they may be the last: not before everything that was promised with them is done."""
        is_waited_for = self.tool_calls.running and not self.is_ordered
        return self.is_pending and not is_waited_for and not self.excursions.is_returning

    def put_off(self) -> None:
        """More is to be heard before."""
        if self.is_pending and not self.is_ordered:
            now = self.decisions.now
            self.due = self.playout.plays_until(now) + self.agent.limits.farewell_grace_ms

    def withdraw(self) -> None:
        """The caller has something more to say: stay, and let the model know."""
        journal = self.decisions.journal
        if not self.is_pending or self.is_ordered:
            return
        if self._hang_up:
            journal.milestone("hang_up_withdrawn")
            self.conversation.answer_tool(self._hang_up[0], STILL_TALKING)
        if self._trip:
            journal.milestone("leave_withdrawn")
            self.conversation.answer_tool(self._trip.call_id, STAYED)
        self._hang_up = self._trip = None

    def go(self) -> None:
        """Do what was wished."""
        trip, self._trip = self._trip, None
        if trip is not None:
            return self.excursions.leave(trip)
        self.ending.end("tool", self._hang_up[1] if self._hang_up else "hang up")
