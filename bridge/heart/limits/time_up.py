"""Limits with words: who is told before a limit ends the call, and how it ends between two words. Pure, int ms.

The longest call is decided on here; the quiet caller and the spend cap have modules of their own beside this one.
"""

from typing import Final, TypeAlias, assert_never, get_args

from attrs import define, field

from bridge.agents import Agent
from bridge.heart.decisions import Alarm, Decisions
from bridge.heart.events import (
    IdleTimedOut,
    KeyPressed,
    ResponseCreated,
    ResponseFinished,
    SpeechStarted,
    TranscriptCame,
)
from bridge.heart.limits.goodbye import LAST_WORDS_MS, Goodbye
from bridge.heart.limits.quiet import Quiet
from bridge.heart.limits.spending import Spending
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.prompts import time_is_up
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns
from bridge.heart.wishes import Stopped
from bridge.prices import Prices
from bridge.usage import Spent

OfLimits: TypeAlias = (
    SpeechStarted | KeyPressed | IdleTimedOut | ResponseCreated | ResponseFinished | TranscriptCame
)
OF_LIMITS: Final = frozenset(get_args(OfLimits))
"""What tells that somebody is there, what was spent, or that a goodbye is made."""


@define
class TimeUp:
    """Decides what is said when a call has lasted too long, costs too much, or nobody has spoken for too long."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    session: Session
    turns: Turns
    playout: Playout
    tool_calls: ToolCalls
    barge_in: BargeIn
    farewell: Farewell
    excursions: Excursions
    callee: Callee
    prices: Prices | None = None
    """What the call is priced by; None where nobody counts."""
    goodbye: Goodbye = field(init=False)
    quiet: Quiet = field(init=False)
    spending: Spending | None = field(init=False, default=None)
    _is_told: bool = False

    # What the limits come to: alarms are looked at with every frame of the caller's.
    _longest_ms: int = field(init=False)
    _close_ms: int = field(init=False)
    _tell_ms: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.agent.limits
        self._longest_ms = longest_ms = limits.max_call_seconds * 1000
        self._close_ms = longest_ms - min(LAST_WORDS_MS, longest_ms // 4)
        told_ms = limits.goodbye_seconds * 1000
        self._tell_ms = max(longest_ms - told_ms, longest_ms // 2) if told_ms else 0
        decisions, turns, playout, calls = self.decisions, self.turns, self.playout, self.tool_calls
        self.goodbye = goodbye = Goodbye(
            decisions, self.conversation, self.session, turns, playout, calls, self.farewell,
            self.excursions, self.callee, limits.farewell_grace_ms,
        )  # fmt: skip
        self.quiet = Quiet(self.agent, decisions, self.stream, self.session, turns, playout, calls, goodbye)
        if self.prices is not None:
            self.spending = Spending(self.agent, decisions, goodbye, self.farewell, Spent(self.prices))

    # ------------------------------------------------------------ what is told of it

    def follow(self, event: OfLimits) -> None:
        """Take account of what was decided on just now."""
        match event:
            case SpeechStarted() | KeyPressed():
                self.quiet.caller_is_there()
            case IdleTimedOut():
                self.quiet.service_asks()
            case ResponseCreated():
                self.goodbye.response_created(event.response_id)
            case ResponseFinished():
                self.goodbye.response_finished(event.response_id)
                if self.spending is not None:
                    self.spending.responded(event.usage)
            case TranscriptCame():
                if self.spending is not None:
                    self.spending.transcribed(event.usage)
            case _:
                assert_never(event)

    def stopped(self, event: Stopped) -> None:
        """Somebody outside ends the call, perhaps with time for a goodbye."""
        if event.within_ms:
            return self.goodbye.ask(event.by, event.why, event.say, event.within_ms)
        self.excursions.ending.end(event.by, event.why, event.say)

    @property
    def spent_usd(self) -> float | None:
        """Return what is known to have been spent; None where nobody counts."""
        return None if self.spending is None else self.spending.spent.usd

    # ------------------------------------------------------------ what is due

    @property
    def first_alarm(self) -> Alarm:
        """Return what is due first because of how long the call has lasted; of a caller who is away, its end alone."""
        due, ring = self._longest_ms, self._end_longest
        end = self.goodbye.end
        if end is not None and end.due < due and (self.excursions.is_here or not end.is_of_model):
            due, ring = end.due, self.goodbye.run_out
        if not self.excursions.is_here:
            return due, ring
        close_ms = self._close_ms if end is None else min(self._close_ms, end.close_at)
        if (heard_by := self.goodbye.heard_by) is not None and heard_by < due:
            due, ring = heard_by, self.goodbye.look
        if not self.farewell.is_closing and close_ms < due:
            due, ring = close_ms, self._close
        if self._tell_ms and not self._is_told and self._tell_ms < due and self.session.is_open:
            due, ring = self._tell_ms, self._tell_model
        return due, ring

    @property
    def quiet_alarm(self) -> Alarm:
        """Return what is due when because nobody speaks, if that can be believed."""
        return self.quiet.due, self.quiet.ring

    # ------------------------------------------------------------ the longest call

    def _tell_model(self) -> None:
        """Have the model say goodbye, if it hasn't; who answers anyway reads it in time and is not asked twice."""
        self._is_told = True
        if self.farewell.is_pending or self.goodbye.end is not None:
            return
        self.decisions.journal.milestone("goodbye_asked")
        left_seconds = max(1, (self._longest_ms - self.decisions.now) // 1000)
        self.conversation.add_text(SYSTEM, time_is_up(left_seconds))
        if self.turns.active or not self.turns.is_going_on:
            self.turns.owe()

    def _close(self) -> None:
        """Let nobody begin anything more, and the agent stop at its next pause; a goodbye is left alone."""
        self.farewell.is_closing = True
        if self.farewell.is_pending or self.goodbye.is_in_time():
            return
        self.goodbye.is_waited_for = False
        self.barge_in.stop_at_pause()

    @property
    def needs_a_look(self) -> bool:
        """Say whether an end is near for which there is something to do or to wait for."""
        return self.farewell.is_closing or self.goodbye.is_waited_for or self.goodbye.is_put_off

    def look(self) -> None:
        """End a call whose goodbye was heard, or one that is closing if nobody is in the middle of a word."""
        if self.goodbye.is_put_off:
            self.goodbye.look_again()
        self.goodbye.look()
        if not self.farewell.is_closing or self.farewell.is_pending:
            return
        is_here = self.excursions.is_here and not self.session.is_over
        if is_here and self.playout.is_idle and not self.turns.caller_is_talking:
            self._end()

    def _end(self) -> None:
        if self.goodbye.end is None or self._longest_ms < self.goodbye.end.due:
            return self._end_longest()
        self.goodbye.run_out()

    def _end_longest(self) -> None:
        self.excursions.ending.end("limit", "longest call reached", say=self.agent.goodbye_sentence.text)
