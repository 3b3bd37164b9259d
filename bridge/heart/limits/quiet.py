"""The quiet caller: asked whether anybody is there, so often, and then told goodbye. Pure, int ms.

Silence is counted from the end of what was heard last. A question, ours or one that the service asks by itself, is no
silence and ends none: what was counted before it counts on behind it, until the caller gives a sign of life.
"""

from typing import Final

from attrs import define, field

from bridge.agents import Agent
from bridge.heart.decisions import NEVER_MS, Decisions
from bridge.heart.limits.goodbye import Goodbye
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.prompts import nobody_there_instructions, still_there_instructions
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

NOBODY: Final = "nobody spoke"
LOOK_AGAIN_MS: Final = 1000
"""While a session is being replaced there is nobody to ask."""


@define
class Quiet:
    """Decides what is done while neither of them speaks."""

    agent: Agent
    decisions: Decisions
    stream: PhoneStream
    session: Session
    turns: Turns
    playout: Playout
    tool_calls: ToolCalls
    goodbye: Goodbye
    _asked: int = 0
    """How often they were asked in this silence."""
    _counted_ms: int = 0
    """Silence before the last question."""

    # What the limits come to: the alarm is looked at with every event.
    _left_ms: int = field(init=False)
    """Silence until the next thing is done."""
    _all_ms: int = field(init=False)
    _times: int = field(init=False)
    _pause_ms: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.agent.limits
        self._all_ms = limits.quiet_seconds * 1000
        self._times = limits.still_there_times if limits.still_there_seconds else 0
        self._pause_ms = min(limits.still_there_seconds * 1000, self._all_ms // (self._times + 1))
        self._count_on()

    @property
    def due(self) -> int:
        """Return when the next thing is done, if the silence can be believed."""
        heard, played = self.stream.last_voice, self.playout.played_until
        return (heard if heard > played else played) + self._left_ms

    def _count_on(self) -> None:
        """Look how much silence is left until the next thing is done."""
        pauses = max(0, self._times - self._asked)
        self._left_ms = self._all_ms - pauses * self._pause_ms - self._counted_ms

    def ring(self) -> None:
        """Ask, or say goodbye, unless something goes on; that is looked at again a whole time later."""
        is_question = self._asked < self._times
        if self._is_going_on:
            self.stream.last_voice = self.decisions.now
        elif is_question and self.session.is_open:
            self._ask()
        elif is_question and self._left_ms + self._counted_ms < self._all_ms:
            self._left_ms += LOOK_AGAIN_MS
        else:
            self._say_goodbye()

    @property
    def _is_going_on(self) -> bool:
        is_busy = self.tool_calls.are_under_way or self.turns.is_going_on
        return bool(is_busy) or self.playout.is_playing(self.decisions.now)

    def _ask(self) -> None:
        self._take_down()
        self.decisions.journal.milestone("still_there_asked")
        self.turns.owe(still_there_instructions(self.agent, self._asked - 1))

    def _take_down(self) -> None:
        """Count the silence before a question, which has been asked now."""
        now = self.decisions.now
        self._counted_ms += max(0, now - max(self.stream.last_voice, self.playout.played_until))
        self._asked += 1
        self.stream.last_voice = now
        self._count_on()

    def _say_goodbye(self) -> None:
        ms, say = self.agent.limits.quiet_goodbye_seconds * 1000, self.agent.goodbye_sentence.text
        if not ms or not self.session.is_open:
            return self.goodbye.excursions.ending.end("limit", NOBODY, say=say)
        self._left_ms = NEVER_MS
        self.goodbye.ask_of_nobody(NOBODY, say, ms, nobody_there_instructions(self.agent))

    # ------------------------------------------------------------ who breaks it

    def service_asks(self) -> None:
        """The service speaks by itself to whoever has been silent for its own time: that is a question too."""
        self.goodbye.is_overtaken()
        if not self._is_going_on:
            self._take_down()

    def caller_is_there(self) -> None:
        """Take down that the caller is there after all: of the next silence they are asked anew."""
        self._asked = self._counted_ms = 0
        self._count_on()
        self.goodbye.caller_is_there()
