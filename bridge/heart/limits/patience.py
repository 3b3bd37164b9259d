"""The caller's patience: who waits, for what, and what is done when it took too long. Pure, int ms."""

from attrs import define

from bridge.heart.dead_air import DeadAir
from bridge.heart.decisions import Decisions
from bridge.heart.effects import CommitAudio
from bridge.heart.failure import SILENT, UNREACHABLE
from bridge.heart.keys import Keys
from bridge.heart.limits.time_up import TimeUp
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.overlap import Overlap
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns


@define
class Patience:
    """Decides on silence: the one rule for every way in which a caller could be left without a sound."""

    decisions: Decisions
    stream: PhoneStream
    session: Session
    keys: Keys
    turns: Turns
    tool_calls: ToolCalls
    dead_air: DeadAir
    barge_in: BargeIn
    farewell: Farewell
    excursions: Excursions
    callee: Callee
    overlap: Overlap
    time_up: TimeUp

    def look(self) -> None:
        """Say who waits now."""
        is_there = (bool(self.stream.sid) or self.session.is_ready) and not self.excursions.is_away
        is_there = is_there and self.callee.hears
        is_pressing = self.keys.are_coming and self.session.is_ready
        self.dead_air.look(
            is_waiting=is_there and self._waiting_for != "",
            is_caller_talking=is_there and (self.turns.caller_is_talking or is_pressing),
        )

    @property
    def _waiting_for(self) -> str:
        if self.tool_calls.running and not self.turns.active:
            return "a tool"
        if self.turns.is_in_doubt:
            return self.turns.waiting_for or "words to be known"
        perhaps = "an answer, perhaps" if self.turns.is_perhaps_unanswered else ""
        return self.turns.waiting_for or perhaps

    def is_tried(self) -> None:
        """Ask once; when that brought no sound either, there is the failure plan.

        After the goodbye the call ends instead: a tool that still runs outlives it, and its outcome is recorded. And so
        it does where a goodbye was asked for: Twilio says one.
        """
        if self.turns.is_in_doubt and self.overlap.is_tried():
            return self._is_asked_by_that()
        if self.farewell.is_pending:
            return self.farewell.go()
        if self.dead_air.is_asked:
            self._count("given_up")
            if self.time_up.goodbye.is_asked:
                return self.time_up.goodbye.run_out()
            if self.session.is_ready:
                return self.excursions.fail("the model answered nothing", SILENT)
            return self.excursions.fail("the model was not ready in time", UNREACHABLE)
        self._count("asked")
        self.dead_air.ask()
        if self.session.is_ready:
            self._ask_again()

    def _is_asked_by_that(self) -> None:
        """Words decide nothing any more: what the caller said was a turn, and is answered now, or it was none."""
        if self.turns.may_ask:
            self._count("asked")
            self.dead_air.ask()

    def _ask_again(self) -> None:
        """Take back what is on its way, and owe a response: while a tool runs, a word of patience.

        What is queued is silence, which would have to be heard before it.
        """
        self.barge_in.take_back()
        self._commit_turn()
        self.turns.start_over()

    def _commit_turn(self) -> None:
        if self.turns.commit():
            self.decisions.say(CommitAudio(self.decisions.new_id()))

    def turn_is_endless(self) -> None:
        """Turn detection hears no end, for all the noise: what was said so far is answered, once."""
        if not self.turns.close_turn(self.decisions.now):
            self._count("given_up")
            return self.excursions.fail("no end of the caller's turn was heard", SILENT)
        self._count("turn_closed")
        self._commit_turn()

    def _count(self, did: str) -> None:
        self.decisions.journal.dead_air(did, self.dead_air.waited_ms, self._waiting_for)
