"""How a call ends, whoever ends it and why: once and for all. Pure, int ms."""

from attrs import define

from bridge.heart.decisions import Decisions
from bridge.heart.effects import CancelResponse, CancelTool, CommitAudio, EndCall
from bridge.heart.events import Event, ResponseCreated
from bridge.heart.held_audio import HeldAudio
from bridge.heart.last_words import LastWords
from bridge.heart.playout import Playout
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns


@define
class Ending:
    """Whether the call is over, and what of the caller's words is still to come."""

    decisions: Decisions
    playout: Playout
    turns: Turns
    tool_calls: ToolCalls
    held: HeldAudio
    last_words: LastWords
    is_over: bool = False

    def end(self, by: str, why: str, say: str = "", *, go_to: str = "") -> None:
        """End the call, if it is not over yet."""
        if self.is_over:
            return
        journal = self.decisions.journal
        for ledger in self.playout.close(self.decisions.now):
            journal.item(ledger)
        self._leave_tools()
        journal.first("call_ended")
        self._ask_for_last_words(by)
        if self.held.dropped:
            journal.counts["held caller frames dropped"] = self.held.dropped
        journal.close()
        self.decisions.say(EndCall(by, why, say, go_to))
        self.is_over = True

    def _leave_tools(self) -> None:
        """Cancel what can be cancelled; all else runs on, and a late result is told to nobody any more."""
        calls, milestone = self.tool_calls, self.decisions.journal.milestone
        for call_id, name in (calls.running | calls.late).items():
            if calls.is_cancellable(call_id):
                milestone("tool_cancelled", call_id=call_id, tool=name)
                self.decisions.say(CancelTool(call_id))
            else:
                milestone("tool_outlives_call", call_id=call_id, tool=name)
        for call_id, name in (calls.late | calls.untold).items():
            milestone("tool_undelivered", call_id=call_id, tool=name)

    # ------------------------------------------------------------ the caller's last words

    def _ask_for_last_words(self, by: str) -> None:
        """Have what the caller was saying written down, and nothing answered to it."""
        if self.turns.caller_is_speaking and self.last_words.may_be_asked_for(by):
            self.last_words.committed()
            self.decisions.say(CommitAudio(self.decisions.new_id()))
        self.last_words.call_ended(by, self.decisions.now)
        if self.is_listening and self.turns.active and not self.turns.is_cut(self.turns.active):
            self.decisions.say(CancelResponse(self.decisions.new_id(), self.turns.active))

    @property
    def is_listening(self) -> bool:
        """Say whether the model has still to tell some of the caller's words, though the call is over."""
        return self.last_words.are_to_come(self.decisions.now)

    def hear_out(self, event: Event) -> None:
        """After the end the caller's words are written down, and nobody needs an answer any more."""
        self.last_words.follow(event, self.decisions.now)
        if isinstance(event, ResponseCreated) and self.is_listening:
            self.decisions.say(CancelResponse(self.decisions.new_id(), event.response_id))
