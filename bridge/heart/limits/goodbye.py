"""The goodbye before an end that neither the caller nor the agent has chosen: the model is asked for it and has some
seconds; if it was heard the call ends with it, and else with a sentence, whatever the model does. Pure, int ms.
"""

from typing import Final

from attrs import define, frozen

from bridge.heart.decisions import Decisions
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.playout import Playout
from bridge.heart.prompts import call_ends
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

LAST_WORDS_MS: Final = 3000
"""Before a call is over, for ending between two words: people pause at least that often."""


@frozen
class End:
    """An end that is near: by whom, why, and what Twilio says if the agent's goodbye was not heard."""

    by: str
    why: str
    say: str
    due: int
    close_at: int
    """From when on nobody's words begin any more."""
    has_time: bool
    """Whether a goodbye may be said before."""

    @property
    def is_of_model(self) -> bool:
        """Say whether it is the talk with the model that has to end: a caller who is put through to somebody costs
        nothing more, and it waits for their return."""
        return self.by == "limit"


@define
class Goodbye:
    """Decides what is said before a call is ended, and when it has been heard."""

    decisions: Decisions
    conversation: Conversation
    session: Session
    turns: Turns
    playout: Playout
    tool_calls: ToolCalls
    farewell: Farewell
    excursions: Excursions
    callee: Callee
    grace_ms: int
    """How late the marks of its last words may be."""
    end: End | None = None
    """None while no end is near."""
    is_made: bool = False
    """Whether the model has made one, heard or not."""
    is_waited_for: bool = False
    """Whether the call ends as soon as nothing more is to be heard."""
    is_asked: bool = False
    """Whether the model was asked for one."""
    is_put_off: bool = False
    """Whether it is to be asked as soon as it can be: the caller was away, or the session was being replaced."""
    _is_revocable: bool = False
    _is_blind: bool = False
    """Whether the next response may have begun before the model knew."""
    _words: str = ""
    """What it is told to say, where that is no answer of its own."""
    _response: str = ""

    def ask(self, by: str, why: str, say: str, within_ms: int) -> None:
        """Have the model say goodbye, who may have to answer the caller once more; it is told how long it has."""
        self._set(End(by, why, say, *self._times(within_ms)))
        if self.is_asked:
            self._tell(within_ms)
        self.is_put_off = within_ms > 0 and not self.is_asked

    def look_again(self) -> None:
        """Ask for what was put off as soon as somebody can say it and somebody hear it, if there is time left."""
        end, now = self.end, self.decisions.now
        self.is_put_off = end is not None and now < end.close_at
        if end is not None and self.is_put_off and self._can_be_said:
            self.is_put_off = False
            self._ask(end)
            self._tell(end.due - now)

    def _tell(self, within_ms: int) -> None:
        """Tell the model that the call ends; it is owed words for that unless it answers anyway."""
        self._is_blind = self.turns.is_answering and not self.turns.active
        self.conversation.add_text(SYSTEM, call_ends(max(1, within_ms // 1000)))
        if self.turns.is_answering or not self.turns.is_going_on:
            self.turns.owe()

    def ask_of_nobody(self, why: str, say: str, within_ms: int, words: str) -> None:
        """Have the model say goodbye to whoever may listen; should they speak after all, nothing ends."""
        if self.end is not None:
            return  # one that is meant for everybody is on its way
        self._set(End("limit", why, say, *self._times(within_ms)))
        self._is_revocable, self._is_blind, self._words = True, False, words
        if self.is_asked:
            self.turns.owe(words)

    def is_overtaken(self) -> None:
        """The service begins a response by itself, which knows of no goodbye."""
        self._is_blind = self.is_asked

    def _set(self, end: End) -> None:
        """Take the nearer one of two ends, and have the model asked if it can say something that will be heard."""
        if self.end is None or self._is_revocable or end.due < self.end.due:
            self.end = end
        self._is_revocable = self.is_made = self.is_waited_for = False
        self._response = self._words = ""
        self.is_asked = self.is_put_off = False
        if end.has_time and self._can_be_said:
            self._ask(end)

    def _ask(self, end: End) -> None:
        self.is_asked = True
        self.decisions.journal.milestone("goodbye_asked", why=end.why)

    def _times(self, within_ms: int) -> tuple[int, int, bool]:
        """Return when the call is over, from when on nothing begins, and whether there is time for words before."""
        now = self.decisions.now
        if not within_ms:
            return now + LAST_WORDS_MS, now, False
        return now + within_ms, now + within_ms - min(LAST_WORDS_MS, within_ms // 4), True

    @property
    def _can_be_said(self) -> bool:
        """Say whether anybody could say it and anybody hear it; a hang-up that is under way is a goodbye."""
        is_there = self.session.is_open and self.excursions.is_here and self.callee.is_open
        return is_there and not self.farewell.is_pending

    def caller_is_there(self) -> None:
        """Take back what was begun because nobody seemed to be there."""
        if self._is_revocable:
            self.end, self._is_revocable, self.is_asked, self.is_waited_for = None, False, False, False
            self._response, self.farewell.is_closing = "", False
            self.decisions.journal.milestone("goodbye_withdrawn")

    # ------------------------------------------------------------ said, and heard

    def response_created(self, response_id: str) -> None:
        """Take the first response that knows of the end for the goodbye, and any later one in its place."""
        if self.is_asked:
            self.is_waited_for = False
            self._response, self._is_blind = "" if self._is_blind else response_id, False
            if not self._response and not self.turns.is_requested:
                self.turns.owe(self._words)

    def response_finished(self, response_id: str) -> None:
        """The goodbye is made; it has still to be heard."""
        if self._response and response_id == self._response:
            self.is_made = self.is_waited_for = True

    @property
    def heard_by(self) -> int | None:
        """Return when the goodbye was heard to its end, or is taken for heard; None while anything else goes on."""
        if not self.is_waited_for or self.farewell.is_pending or not self.excursions.is_here:
            return None
        is_busy = self.turns.is_going_on or self.tool_calls.running
        return None if is_busy else self.playout.heard_by(self.grace_ms)

    def look(self) -> None:
        """End the call if the goodbye was heard, and nothing else goes on."""
        heard_by = self.heard_by
        if self.end is not None and heard_by is not None and heard_by <= self.decisions.now:
            self.excursions.ending.end(self.end.by, self.end.why)

    def is_in_time(self) -> bool:
        """Say whether the goodbye is made, and will have been heard before the end."""
        end, now = self.end, self.decisions.now
        return self.is_waited_for and end is not None and self.playout.plays_until(now) <= end.due

    def run_out(self) -> None:
        """End the call without having heard one."""
        if self.end is not None:
            self.excursions.ending.end(self.end.by, self.end.why, say=self.end.say)
