"""The tools' side: a tool is called, runs beside the call, and its answer goes back to the model. Pure."""

from attrs import define

from bridge.heart.decisions import Decisions
from bridge.heart.effects import AnswerTool, RunTool
from bridge.heart.events import ToolAnswered, ToolCalled, ToolFailed
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.ending import HANG_UP, Ending, reason_of
from bridge.heart.prompts import failure_output
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns


@define
class ToolSide:
    """Decides on what the model calls, and what it reads of it."""

    decisions: Decisions
    tool_calls: ToolCalls
    turns: Turns
    barge_in: BargeIn
    ending: Ending

    def called(self, event: ToolCalled) -> None:
        """Have a tool run, or answer at once why it doesn't; hanging up is decided here."""
        journal = self.decisions.journal
        self.turns.is_opened = True
        if not self.tool_calls.is_new(event.call_id):
            return journal.count("tool called twice under one call id")
        journal.milestone("tool_called", tool=event.name, call_id=event.call_id)
        if event.name == HANG_UP:
            return self._hang_up(event)
        if self.tool_calls.are_too_many:
            journal.count("tool calls beyond the limit")
        if answer := self.tool_calls.begin(event.call_id, event.name):
            return self._done(event.call_id, answer)
        self.decisions.say(RunTool(event.call_id, event.name, event.arguments))

    def _hang_up(self, event: ToolCalled) -> None:
        self.ending.say_goodbye(event.call_id, reason_of(event.arguments))
        if self.barge_in.is_taking_turn:
            self.ending.withdraw_goodbye()  # asked for before the model knew that the caller had begun

    def answered(self, event: ToolAnswered) -> None:
        """A tool returned."""
        self._done(event.call_id, event.output)

    def failed(self, event: ToolFailed) -> None:
        """A tool gave no answer; that is an answer too."""
        self._done(event.call_id, failure_output(event.kind, event.message))

    def _done(self, call_id: str, output: str) -> None:
        """Give the answer at once, and owe one response when the last running tool has answered."""
        name = self.tool_calls.running.pop(call_id, None)
        if name is None:
            return
        self.decisions.journal.milestone("tool_answered", tool=name, call_id=call_id)
        self.decisions.say(AnswerTool(self.decisions.new_id(), call_id, output))
        if not self.tool_calls.running:
            self.turns.owe()
