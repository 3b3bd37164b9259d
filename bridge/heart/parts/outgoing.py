"""A call that we make: it rings, somebody answers or nobody, and a machine is no person. Pure, int ms."""

from collections.abc import Callable, Iterator
from typing import Final, assert_never

from attrs import define

from bridge.heart.decisions import Decisions
from bridge.heart.effects import CancelResponse
from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallNotPlaced,
    CallPlaced,
    CallProgressed,
    OutgoingEvent,
    ResponseCreated,
)
from bridge.heart.parts.agent_voice import AgentVoice
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.callee import Callee, Phase
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.excursions import Excursions
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.turns import Turns

UNANSWERED: Final = {
    "busy": ("busy", "busy"),
    "no-answer": ("no_answer", "no answer"),
    "failed": ("failed", "could not be reached"),
    "canceled": ("canceled", "cancelled before anybody answered"),
}
"""Twilio's words for a call that nobody answered: the outcome, and why it ended."""

MACHINES: Final = ("machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other")
"""Treated alike: which of the last three it is depends on the country's beep and on Twilio's patience."""

AGAIN_MS: Final = 6000
"""A phone that screens its calls lets its owner listen in at any moment: so long after they were said the words are
said once more."""

PRESSED: Final = "pressed_key"
"""Who answered, where a key was pressed before anything else was known: no machine does that."""


@define
class OutgoingSide:
    """Decides on what Twilio tells of a call that we make."""

    decisions: Decisions
    callee: Callee
    stream: PhoneStream
    turns: Turns
    playout: Playout
    voice: AgentVoice
    barge_in: BargeIn
    excursions: Excursions
    ending: Ending
    farewell_grace_ms: int

    def told(self, event: OutgoingEvent) -> None:
        """Take what Twilio tells; of a call that came in it can tell nothing of the kind."""
        if self.callee.outgoing is None:
            return self.decisions.journal.count("a callback for a call that we did not make")
        match event:
            case CallPlaced():
                self._placed()
            case CallNotPlaced():
                self._not_placed(event)
            case CallProgressed():
                self._progressed(event)
            case CalleeAnswered():
                self.answered()
            case CalleeJudged():
                self._judged(event)
            case _:
                assert_never(event)

    # ------------------------------------------------------------ while it rings

    def _placed(self) -> None:
        """Twilio took the call: from now on it rings, as far as anybody can tell."""
        if self.callee.phase is Phase.ASKED:
            self.decisions.journal.first("call_placed")
            self.callee.enter(Phase.RINGING)

    def _not_placed(self, event: CallNotPlaced) -> None:
        """Twilio did not take it: that is an outcome too."""
        if not self.callee.is_answered:
            self._unanswered("failed", event.why, by="bridge")

    def _progressed(self, event: CallProgressed) -> None:
        """Take Twilio's word for how far the call is; late ones change nothing."""
        if event.status == "ringing" and not self.callee.is_answered:
            self._placed()
            self.decisions.journal.first("ringing")
        elif event.status == "in-progress":
            self.answered()
        elif event.status == "completed":
            self.answered()
            self.excursions.caller_gone()
        elif event.status in UNANSWERED:
            self._is_over(event)

    def _is_over(self, event: CallProgressed) -> None:
        if self.callee.is_answered:
            return self.excursions.caller_gone()  # it said so before, whatever it says now
        outcome, why = UNANSWERED[event.status]
        self._unanswered(outcome, f"{why} (SIP {event.sip_code})" if event.sip_code else why)

    def _unanswered(self, outcome: str, why: str, by: str = "caller") -> None:
        self.decisions.journal.first("not_answered", outcome=outcome)
        self.ending.end(by, why)

    def answered(self) -> None:
        """Somebody or something answered: have the opening made, and hold it until it is known who hears it."""
        if self.callee.is_answered:
            return
        self.decisions.journal.first("call_answered")
        self.callee.answered_at = self.decisions.now
        self.callee.enter(Phase.ANSWERED)
        if self.callee.outgoing is not None and not self.callee.outgoing.asks_who_answered:
            self._open()

    # ------------------------------------------------------------ who answered

    def _judged(self, event: CalleeJudged) -> None:
        """Act on who answered; one that comes late stops what the agent has begun to say."""
        self.answered()
        self.decisions.journal.milestone(
            "callee_judged", answered_by=event.answered_by, after_ms=event.after_ms
        )
        if self.callee.is_person or not self.excursions.is_here:
            return  # a key has told already, or somebody else has them on the line
        if event.answered_by == "fax":
            self.ending.end("tool", "a fax machine answered")
        elif event.answered_by in MACHINES:
            self._machine(event.answered_by)
        elif self.callee.phase is Phase.ANSWERED:
            self._open()

    def _machine(self, what: str) -> None:
        assert self.callee.outgoing is not None
        policy = self.callee.outgoing.machine
        if policy == "hang_up":
            self.ending.end("tool", f"an answering machine ({what})")
        elif policy == "go_on" or self.callee.is_machine:
            return
        else:
            self._say_instead(Phase.MESSAGE if policy == "message" else Phase.SCREENED)
            self.callee.screened_at = self.decisions.now

    def no_verdict(self) -> None:
        """Nobody told who it is: who answers a phone is not kept waiting."""
        self.decisions.journal.count("no verdict in time on who answered")
        self._open()

    def _open(self) -> None:
        """Begin the conversation; what was held is played from now on."""
        self.callee.enter(Phase.OPEN)
        self.stream.last_voice = self.decisions.now
        self.voice.follow_line()

    # ------------------------------------------------------------ what a machine hears

    def _say_instead(self, phase: Phase) -> None:
        """Take back what the agent says, or was going to, and owe other words."""
        self.callee.enter(phase)
        self.callee.is_stale_asked = self.turns.is_requested
        self.barge_in.take_back()
        self.turns.is_opened = False
        self.turns.owe()

    def response_created(self, event: ResponseCreated) -> None:
        """Take back a response that was asked for before other words were owed."""
        if self.callee.is_stale_asked:
            self.callee.is_stale_asked = False
            self.turns.cut_active()
            self.decisions.say(CancelResponse(self.decisions.new_id(), event.response_id))

    def key_pressed(self) -> bool:
        """Say whether this key told that a person is there: whichever it is, for a tape may have it masked."""
        callee = self.callee
        if callee.phase not in (Phase.ANSWERED, Phase.SCREENED):
            return False
        callee.is_person = True
        after_ms = self.decisions.now - callee.answered_at
        self.decisions.journal.milestone("callee_judged", answered_by=PRESSED, after_ms=after_ms)
        if callee.is_machine:
            self._say_instead(Phase.OPEN)
        self._open()
        return True

    def look(self) -> None:
        """Go on once a machine has heard what it was told."""
        callee = self.callee
        if not callee.is_machine or not self.stream.sid or self.ending.is_over:
            return
        if self.turns.waiting_for:
            callee.words_due = None
            return
        now = self.decisions.now
        if callee.words_due is None:
            callee.words_due = self.playout.plays_until(now) + self.farewell_grace_ms
        if (self.playout.is_idle or now >= callee.words_due) and callee.phase is Phase.MESSAGE:
            self.ending.end("tool", "left a message on an answering machine")

    def _say_again(self) -> None:
        """Whoever listens in now has not heard it."""
        self.callee.enter(Phase.SCREENED)
        self.turns.is_opened = False
        self.turns.owe()

    def alarms(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield what is due when, as long as nobody is known to be there."""
        callee = self.callee
        if not callee.is_answered:
            yield callee.ring_due, self._never_told
        elif callee.verdict_due is not None:
            yield callee.verdict_due, self.no_verdict
        elif callee.phase is Phase.SCREENED and callee.outgoing is not None:
            due = callee.screened_at + callee.outgoing.press_seconds * 1000
            yield due, lambda: self.ending.end("tool", "nobody pressed 1")
            if callee.words_due is not None:
                yield callee.words_due + AGAIN_MS, self._say_again
        elif callee.phase is Phase.MESSAGE and callee.words_due is not None:
            yield callee.words_due, self.look

    def _never_told(self) -> None:
        placed = self.callee.phase is Phase.RINGING
        why = (
            "Twilio did not tell what became of the call" if placed else "the call could not be made in time"
        )
        self._unanswered("failed", why, by="limit")
