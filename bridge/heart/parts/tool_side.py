"""The tools' side: a tool is called, runs beside the call, and its answer goes back to the model. Pure."""

from typing import assert_never

from attrs import define

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.effects import AnswerApproval, RunTool
from bridge.heart.events import (
    ApprovalAsked,
    RemoteToolEnded,
    ToolAnswered,
    ToolCalled,
    ToolEvent,
    ToolFailed,
)
from bridge.heart.parts.conversation import Conversation
from bridge.heart.parts.ways_out import HANG_UP, WaysOut
from bridge.heart.prompts import failure_output
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns


@define
class ToolSide:
    """Decides on what the model calls, and what it reads of it."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    tool_calls: ToolCalls
    turns: Turns
    ways_out: WaysOut

    def told(self, event: ToolEvent) -> None:
        """Take what the model calls, or what came of it."""
        match event:
            case ToolCalled():
                self._called(event)
            case ToolAnswered():
                self._answered(event)
            case ToolFailed():
                self._failed(event)
            case ApprovalAsked():
                self._approval_asked(event)
            case RemoteToolEnded():
                self._remote_ended(event)
            case _:
                assert_never(event)

    def _called(self, event: ToolCalled) -> None:
        """Have a tool run, or answer at once why it doesn't; the ways off the line run nowhere."""
        journal = self.decisions.journal
        self.turns.is_opened = True
        if not self.tool_calls.is_new(event.call_id):
            return journal.count("tool called twice under one call id")
        journal.milestone("tool_called", tool=event.name, call_id=event.call_id)
        if event.name == HANG_UP:
            return self._take_way_out(event)
        if self.tool_calls.are_too_many:
            journal.count("tool calls beyond the limit")
        elif self.ways_out.has(event.name):
            return self._take_way_out(event)
        if answer := self.tool_calls.begin(event.call_id, event.name):
            return self._done(event.call_id, answer)
        self.decisions.say(RunTool(event.call_id, event.name, event.arguments))

    def _take_way_out(self, event: ToolCalled) -> None:
        if answer := self.ways_out.take(event.call_id, event.name, event.arguments):
            self.tool_calls.running[event.call_id] = event.name
            self._done(event.call_id, answer)

    def _answered(self, event: ToolAnswered) -> None:
        """A tool returned."""
        self._done(event.call_id, event.output)

    def _failed(self, event: ToolFailed) -> None:
        """A tool gave no answer; that is an answer too."""
        self._done(event.call_id, failure_output(event.kind, event.message))

    def _done(self, call_id: str, output: str) -> None:
        """Give the answer at once, and owe one response when the last running tool has answered."""
        name = self.tool_calls.running.pop(call_id, None)
        if name is None:
            return
        self.decisions.journal.milestone("tool_answered", tool=name, call_id=call_id)
        self.conversation.answer_tool(call_id, output)
        if not self.tool_calls.running:
            self.turns.owe()

    # ------------------------------------------------------------ tools of MCP servers, which run elsewhere

    def _approval_asked(self, event: ApprovalAsked) -> None:
        """Answer by the file, at once: nobody on a phone is asked. What the file does not name is refused."""
        journal = self.decisions.journal
        if not self.tool_calls.is_new(event.item_id):
            return journal.count("approval asked for twice")
        server = self.agent.mcp.get(event.server)
        is_named = server is not None and event.tool in server.approve
        approve = is_named and not self.tool_calls.are_too_many
        what = "MCP tool approved" if approve else "MCP tool refused"
        journal.count(what, server=event.server, tool=event.tool)
        self.decisions.say(AnswerApproval(self.decisions.new_id(), event.item_id, approve))
        if not approve:
            self.turns.owe()  # the model is to say that it can't

    def _remote_ended(self, event: RemoteToolEnded) -> None:
        """Owe the response in which the model says what came of it: the service makes none by itself."""
        self.turns.is_opened = True
        if event.is_failed:
            self.decisions.journal.count("MCP tool failed")
        self.turns.owe()
