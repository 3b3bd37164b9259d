"""How a call ends: after a goodbye, by a failure, at a limit; once and for all. Pure, int ms."""

from typing import Final

import msgspec
from attrs import define

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.effects import AnswerTool, CancelResponse, CommitAudio, EndCall
from bridge.heart.held_audio import HeldAudio
from bridge.heart.last_words import LastWords
from bridge.heart.playout import Playout
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

HANG_UP: Final = "hang_up"
"""The one built-in tool: it ends the call once its last words were heard."""

STILL_TALKING: Final = '{"status": "not hung up: the caller went on talking"}'

_decode = msgspec.json.Decoder().decode


def reason_of(arguments: str) -> str:
    """Return the reason in the arguments of `hang_up`, or a plain word when there is none."""
    try:
        reason = _decode(arguments).get("reason")
    except (msgspec.DecodeError, UnicodeError, AttributeError, RecursionError):
        reason = None
    return reason[:200] if isinstance(reason, str) and reason else "the agent hung up"


@define
class Ending:
    """Whether the call is over, and the goodbye before that."""

    agent: Agent
    decisions: Decisions
    playout: Playout
    turns: Turns
    tool_calls: ToolCalls
    held: HeldAudio
    last_words: LastWords
    is_over: bool = False
    goodbye_due: int = 0
    """When the goodbye will have been heard, at the latest."""
    _goodbye: tuple[str, str] | None = None

    # ------------------------------------------------------------ the goodbye

    def say_goodbye(self, call_id: str, reason: str) -> None:
        """The model wants to hang up: its last words are heard before."""
        self.decisions.journal.milestone("hang_up_asked")
        self._goodbye = (call_id, reason)
        self.put_off_goodbye()

    @property
    def is_goodbye(self) -> bool:
        """Say whether nothing but last words is still to be said."""
        return self._goodbye is not None

    @property
    def may_leave(self) -> bool:
        """Say whether the goodbye may be the end: not before everything that was promised with it is done."""
        return self._goodbye is not None and not self.tool_calls.running

    def put_off_goodbye(self) -> None:
        """More is to be heard before the end."""
        if self._goodbye:
            now = self.decisions.now
            self.goodbye_due = self.playout.plays_until(now) + self.agent.limits.farewell_grace_ms

    def withdraw_goodbye(self) -> None:
        """The caller has something more to say: stay, and let the model know."""
        if self._goodbye:
            self.decisions.journal.milestone("hang_up_withdrawn")
            self.decisions.say(AnswerTool(self.decisions.new_id(), self._goodbye[0], STILL_TALKING))
            self._goodbye = None

    # ------------------------------------------------------------ the end

    def leave(self) -> None:
        """End as the model wished."""
        self.end("tool", self._goodbye[1] if self._goodbye else "hang up")

    def fail(self, why: str) -> None:
        """The model can't be had: the caller hears the configured sentence instead of dead air."""
        self.end("model", why, say=self.agent.failure_sentence.text)

    def end(self, by: str, why: str, say: str = "") -> None:
        """End the call, if it is not over yet."""
        if self.is_over:
            return
        journal = self.decisions.journal
        for ledger in self.playout.close(self.decisions.now):
            journal.item(ledger)
        for call_id, name in self.tool_calls.running.items():
            journal.milestone("tool_outlives_call", call_id=call_id, tool=name)
        journal.first("call_ended")
        self._ask_for_last_words(by)
        if self.held.dropped:
            journal.counts["held caller frames dropped"] = self.held.dropped
        journal.close()
        self.decisions.say(EndCall(by, why, say))
        self.is_over = True

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

    def response_created(self, response_id: str) -> None:
        """After the end nobody needs an answer any more."""
        if self.is_listening:
            self.decisions.say(CancelResponse(self.decisions.new_id(), response_id))
