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
    ToolReported,
)
from bridge.heart.parts.conversation import Conversation
from bridge.heart.parts.tool_speech import ToolSpeech
from bridge.heart.parts.ways_out import HANG_UP, WaysOut
from bridge.heart.prompts import UNDER_WAY, failure_output
from bridge.heart.tool_calls import FirstCall, ToolCalls
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
    tool_speech: ToolSpeech

    def told(self, event: ToolEvent) -> None:
        """Take what the model calls, or what came of it."""
        match event:
            case ToolCalled():
                self._called(event)
            case ToolAnswered():
                self._came(event.call_id, event.output)
            case ToolFailed():
                self._came(event.call_id, failure_output(event.kind, event.message), event.kind)
            case ToolReported():
                self.tool_speech.reported(event)
            case ApprovalAsked():
                self._approval_asked(event)
            case RemoteToolEnded():
                self._remote_ended(event)
            case _:
                assert_never(event)

    # ------------------------------------------------------------ what the model calls

    def _called(self, event: ToolCalled) -> None:
        """Have a tool run, or answer at once why it doesn't; the ways off the line run nowhere."""
        journal = self.decisions.journal
        self.turns.is_opened = True
        if not self.tool_calls.is_new(event.call_id):
            return journal.count("tool called twice under one call id")
        journal.milestone("tool_called", tool=event.name, call_id=event.call_id)
        self.tool_speech.called()
        if event.name == HANG_UP:
            return self._take_way_out(event)
        if self.tool_calls.are_too_many:
            journal.count("tool calls beyond the limit")
        elif self.ways_out.has(event.name):
            return self._take_way_out(event)
        if first := self.tool_calls.first_of(event.call_id, event.name, event.arguments):
            return self._join(event, first)
        if answer := self.tool_calls.begin(event.call_id, event.name):
            return self._not_run(event.call_id, answer)
        self.decisions.say(RunTool(event.call_id, event.name, event.arguments))
        self._wait_or_go_on(event)

    def _take_way_out(self, event: ToolCalled) -> None:
        if answer := self.ways_out.take(event.call_id, event.name, event.arguments):
            self.tool_calls.running[event.call_id] = event.name
            self._done(event.call_id, answer)

    def _not_run(self, call_id: str, answer: str) -> None:
        """Answer one that may not run now; the next with the same arguments may."""
        self.tool_calls.settle(call_id, answer, failed="busy")
        self._done(call_id, answer)

    def _wait_or_go_on(self, event: ToolCalled) -> None:
        """The model waits for what it called, unless that comes late: then it is told so, and speaks at once."""
        if not self.tool_calls.rule(event.name).late:
            return self.tool_speech.began()
        self.decisions.journal.milestone("tool_late", tool=event.name, call_id=event.call_id)
        self.tool_calls.put_off(event.call_id)
        self._tell(event.call_id, UNDER_WAY)

    def _join(self, event: ToolCalled, first: FirstCall) -> None:
        """Run nothing: the same was called before, and this one gets what that answers."""
        journal = self.decisions.journal
        journal.count("tool called again with the same arguments: not run")
        journal.milestone("tool_joined", tool=event.name, call_id=event.call_id, first=first.call_id)
        self.tool_calls.running[event.call_id] = event.name
        if first.output is not None:
            return self._done(event.call_id, first.output)
        if first.call_id in self.tool_calls.late:
            return self._done(event.call_id, UNDER_WAY)  # and its result comes once
        first.joined.append(event.call_id)

    # ------------------------------------------------------------ what came of it

    def _came(self, call_id: str, output: str, failed: str = "") -> None:
        """A tool returned, or gave no answer, which is an answer too."""
        name = self.tool_calls.late.pop(call_id, None)
        if name is not None:
            self.decisions.journal.milestone("tool_answered", tool=name, call_id=call_id)
            self.tool_speech.deliver(call_id, name, output)
        else:
            self._done(call_id, output)
        for joined in self.tool_calls.settle(call_id, output, failed):
            self._done(joined, output)

    def _done(self, call_id: str, output: str) -> None:
        """Give the answer at once, and owe one response when the last running tool has answered."""
        name = self.tool_calls.running.pop(call_id, None)
        if name is None:
            return
        self.decisions.journal.milestone("tool_answered", tool=name, call_id=call_id)
        self._tell(call_id, output)

    def _tell(self, call_id: str, output: str) -> None:
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
        self.tool_speech.called()
        if event.is_failed:
            self.decisions.journal.count("MCP tool failed")
        self.turns.owe()
