"""Barge-in: the caller speaks or presses keys while the agent talks, and has their turn at once. Pure, int ms."""

from attrs import define

from bridge.agents import Agent
from bridge.heart.dead_air import DeadAir
from bridge.heart.decisions import Decisions
from bridge.heart.effects import CancelResponse, CancelTool, ClearPlayback
from bridge.heart.keys import Keys
from bridge.heart.parts.conversation import Conversation
from bridge.heart.parts.farewell import Farewell
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.prompts import CANCELLED
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns


@define
class BargeIn:
    """Decides what becomes of the agent's words when the caller begins."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    keys: Keys
    turns: Turns
    playout: Playout
    dead_air: DeadAir
    farewell: Farewell
    tool_calls: ToolCalls

    def speech_started(self) -> None:
        """Turn detection hears the caller: the server cancels its response by itself, unless we do."""
        if self.agent.server_turn_detection.interrupt_response:
            self._interrupt()
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """The caller shall have their turn, for a reason of which the server knows nothing: it cancels nothing."""
        is_known = self.turns.is_cut(self.turns.active)
        if (active := self._interrupt()) and not is_known:
            self.decisions.say(CancelResponse(self.decisions.new_id(), active))

    def response_created(self, response_id: str) -> None:
        """Take back a response that was asked for before we knew that the caller had begun, or the end is near."""
        is_protected = self.agent.speaking.protect_greeting and not self.turns.is_opened
        if (self.is_taking_turn and not is_protected) or self.farewell.is_last:
            self.turns.cut_active()
            self.decisions.say(CancelResponse(self.decisions.new_id(), response_id))

    @property
    def is_taking_turn(self) -> bool:
        """Say whether the caller speaks or presses keys, and may have what is said to them cut off by it."""
        is_speaking = self.turns.caller_is_speaking and not self.turns.is_in_doubt
        is_taking = is_speaking or self.keys.are_coming
        return is_taking and self.agent.turn_detection.interrupt_response

    def _interrupt(self) -> str:
        """Let the caller have their turn, if they may; return the response that is cut off by it, or nothing."""
        if not self.agent.turn_detection.interrupt_response:
            return ""
        self.farewell.withdraw()
        self._cancel_tools()
        self._stop_playing(active := self.turns.cut_active())
        return active

    def _cancel_tools(self) -> None:
        """Cancel what says that an interruption may cancel it, and tell the model; whatever else runs goes on."""
        calls, decisions = self.tool_calls, self.decisions
        for call_id in [call_id for call_id in calls.running if calls.is_cancellable(call_id)]:
            decisions.journal.milestone("tool_cancelled", call_id=call_id, tool=calls.running.pop(call_id))
            decisions.say(CancelTool(call_id))
            self.conversation.answer_tool(call_id, CANCELLED)

    def _stop_playing(self, response_id: str) -> None:
        """Silence the agent now, if there is anything to silence."""
        if self.playout.is_speaking(response_id):
            if not self.playout.is_clip:
                self.decisions.journal.milestone("barge_in")
            self._silence(response_id)

    def take_back(self) -> None:
        """Silence the agent although nobody interrupts it: it has something else to say. A clip is heard until then."""
        if active := self.turns.cut_active():
            self.decisions.say(CancelResponse(self.decisions.new_id(), active))
        if self.playout.is_speaking(active) and not self.playout.is_clip:
            self._silence(active)

    def stop_at_pause(self) -> None:
        """Let the agent say no more than up to its next pause: the call, or this part of it, is over."""
        is_cut = self.turns.is_cut(self.turns.active)
        if (active := self.turns.cut_active()) and not is_cut:
            self.decisions.say(CancelResponse(self.decisions.new_id(), active))
        self.playout.stop_at_pause()

    def _silence(self, response_id: str) -> None:
        """Tell the model what was heard of each item it had begun."""
        now = self.decisions.now
        self._clear()
        for ledger in self.playout.cut(now, response_id):
            self.conversation.truncate(ledger)

    def _clear(self) -> None:
        """Have the line silent; it is already while the agent is held."""
        if self.stream.sid and not self.playout.is_held:
            self.decisions.say(ClearPlayback(self.stream.sid))
        self.dead_air.sound_until = self.decisions.now

    def hold(self) -> None:
        """Silence the agent for now: the model is told nothing before it is known whether that was meant."""
        self.decisions.journal.milestone("barge_in_possible")
        self._clear()
        self.playout.hold(self.decisions.now)
