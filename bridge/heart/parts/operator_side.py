"""The operator's side: somebody at the daemon listens in, tells the agent something, or puts the caller through. Each
wish is granted or refused at once, and either stands on the tape with who had it. Pure.
"""

from typing import Final, assert_never

from attrs import define, field

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.effects import AnswerOperator
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.ways_out import WaysOut
from bridge.heart.prompts import whispered
from bridge.heart.session import Session
from bridge.heart.turns import Turns
from bridge.heart.wishes import (
    InstructionWhispered,
    ListenerCame,
    ListenerLeft,
    OperatorEvent,
    TransferAsked,
)

NOT_ALLOWED: Final = "nobody may listen in on this agent's calls: its file has no listen_in = true"
NOT_THERE: Final = "the agent is not in this call any more"
NO_CALLER: Final = "nobody is there yet whom it could speak to"
LAST_WORDS: Final = "the agent is saying its last words"


@define
class OperatorSide:
    """Decides on what somebody at the daemon asks of this call."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    session: Session
    turns: Turns
    callee: Callee
    farewell: Farewell
    ways_out: WaysOut
    _listeners: dict[int, str] = field(factory=dict)

    def told(self, event: OperatorEvent) -> None:
        """Take what somebody asks, and answer."""
        match event:
            case ListenerCame():
                self._answer(event.who, "listen in", self._came(event))
            case ListenerLeft():
                self._left(event)
            case InstructionWhispered():
                self._answer(event.who, "whisper", self._whispered(event))
            case TransferAsked():
                self._answer(event.who, "transfer", self._transfer(event))
            case _:
                assert_never(event)

    @property
    def listeners(self) -> tuple[str, ...]:
        """Return who listens in, by name."""
        return tuple(dict.fromkeys(self._listeners.values()))

    def _answer(self, who: str, wish: str, refusal: str) -> None:
        if refusal:
            self.decisions.journal.milestone("operator_refused", by=who, wish=wish, why=refusal)
        self.decisions.say(AnswerOperator(refusal))

    # ------------------------------------------------------------ listening in

    def _came(self, event: ListenerCame) -> str:
        if not self.agent.listen_in:
            return NOT_ALLOWED
        self._listeners[event.number] = event.who
        self.decisions.journal.milestone("listener_came", by=event.who, listener=event.number)
        return ""

    def _left(self, event: ListenerLeft) -> None:
        who = self._listeners.pop(event.number, None)
        if who is not None:
            self.decisions.journal.milestone("listener_left", by=who, listener=event.number)

    # ------------------------------------------------------------ the agent, and the caller

    def _whispered(self, event: InstructionWhispered) -> str:
        """Tell the agent, now or when its next session is there; return why not."""
        if self.session.is_over:
            return NOT_THERE
        if not self.callee.is_open:
            return NO_CALLER
        if self.farewell.is_near:
            return LAST_WORDS
        self.decisions.journal.milestone(
            "whispered", by=event.who, text=event.text, is_answered=event.is_answered
        )
        self.conversation.add_text(SYSTEM, whispered(event.text))
        if event.is_answered:
            self.turns.owe()
        return ""

    def _transfer(self, event: TransferAsked) -> str:
        return self.ways_out.put_through(event.who, event.place, event.summary)
