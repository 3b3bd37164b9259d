"""Limits with words: who is told before a limit ends the call, and how it ends between two words. Pure, int ms."""

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import define, field

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.effects import CancelResponse
from bridge.heart.events import KeyPressed, SpeechStarted
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.prompts import still_there_instructions, time_is_up
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

Ring: TypeAlias = Callable[[], None]
Alarm: TypeAlias = tuple[int, Ring]
"""A time, and what happens then."""

NEVER: Final[Alarm] = (2**62, lambda: None)

LAST_WORDS_MS: Final = 3000
"""Before the longest call is over, for ending between two words: people pause at least that often."""

SIGNS_OF_LIFE: Final = frozenset({SpeechStarted, KeyPressed})
"""Whoever was asked whether anybody is there has answered."""


@define
class TimeUp:
    """Decides what is said when a call has lasted too long, or nobody has spoken for too long."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    session: Session
    turns: Turns
    playout: Playout
    tool_calls: ToolCalls
    farewell: Farewell
    excursions: Excursions
    _is_told: bool = False
    _is_asked: bool = False

    # What the limits come to: alarms are looked at with every frame of the caller's.
    _longest_ms: int = field(init=False)
    _close_ms: int = field(init=False)
    _tell_ms: int = field(init=False)
    _quiet_ms: int = field(init=False)
    _ask_ms: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.agent.limits
        self._longest_ms = longest_ms = limits.max_call_seconds * 1000
        self._close_ms = longest_ms - min(LAST_WORDS_MS, longest_ms // 4)
        told_ms = limits.goodbye_seconds * 1000
        self._tell_ms = max(longest_ms - told_ms, longest_ms // 2) if told_ms else 0
        self._quiet_ms = limits.quiet_seconds * 1000
        self._ask_ms = min(limits.still_there_seconds * 1000, self._quiet_ms // 2)

    @property
    def first_alarm(self) -> Alarm:
        """Return what is due first because of how long the call has lasted; of a caller who is away, its end alone."""
        due, ring = self._longest_ms, self._end_longest
        if not self.excursions.is_here:
            return due, ring
        if not self.farewell.is_closing and self._close_ms < due:
            due, ring = self._close_ms, self._close
        if self._tell_ms and not self._is_told and self._tell_ms < due and self.session.is_open:
            due, ring = self._tell_ms, self._tell_model
        return due, ring

    @property
    def quiet_alarm(self) -> Alarm:
        """Return what is due when because nobody speaks, if that can be believed."""
        last_voice = self.stream.last_voice
        if self._is_asked:
            return last_voice + self._ask_ms, self._nobody_speaks
        if self._ask_ms and self.session.is_open:
            return last_voice + self._quiet_ms - self._ask_ms, self._ask
        return last_voice + self._quiet_ms, self._nobody_speaks

    # ------------------------------------------------------------ the longest call

    def _tell_model(self) -> None:
        """Have the model say goodbye, if it hasn't; who answers anyway reads it in time and is not asked twice."""
        self._is_told = True
        if self.farewell.is_pending:
            return
        self.decisions.journal.milestone("goodbye_asked")
        left_seconds = max(1, (self._longest_ms - self.decisions.now) // 1000)
        self.conversation.add_text(SYSTEM, time_is_up(left_seconds))
        if self.turns.active or not self.turns.is_going_on:
            self.turns.owe()

    def _close(self) -> None:
        """Let nobody begin anything more, and the agent stop at its next pause; a goodbye is left alone."""
        self.farewell.is_closing = True
        if self.farewell.is_pending:
            return
        is_cut = self.turns.is_cut(self.turns.active)
        if (active := self.turns.cut_active()) and not is_cut:
            self.decisions.say(CancelResponse(self.decisions.new_id(), active))
        self.playout.stop_at_pause()

    def leave_between_words(self) -> None:
        """End a call that is closing if nobody is in the middle of a word."""
        if not self.farewell.is_closing or self.farewell.is_pending:
            return
        is_here = self.excursions.is_here and not self.session.is_over
        if is_here and self.playout.is_idle and not self.turns.caller_is_talking:
            self._end_longest()

    def _end_longest(self) -> None:
        self._end("longest call reached")

    def _end(self, why: str) -> None:
        self.excursions.ending.end("limit", why, say=self.agent.goodbye_sentence.text)

    # ------------------------------------------------------------ nobody speaks

    def caller_is_there(self) -> None:
        """Take down that the caller is there after all: of the next silence they are asked anew."""
        self._is_asked = False

    @property
    def _is_going_on(self) -> bool:
        """Say whether something goes on, which is not silence; that is looked at again a whole time later."""
        is_busy = self.tool_calls.are_under_way or self.turns.is_going_on
        if is_busy or self.playout.is_playing(self.decisions.now):
            self.stream.last_voice = self.decisions.now
            return True
        return False

    def _ask(self) -> None:
        if not self._is_going_on:
            self._is_asked = True
            self.stream.last_voice = self.decisions.now
            self.decisions.journal.milestone("still_there_asked")
            self.turns.owe(still_there_instructions(self.agent))

    def _nobody_speaks(self) -> None:
        if not self._is_going_on:
            self._end("nobody spoke")
