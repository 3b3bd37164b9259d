"""Excursions: the caller leaves the stream by a plan, something happens at Twilio, and they come back or don't.

While they are away the model hears nothing and is asked nothing. What they come back with is told to it at once, so
that it can speak first; what it says then is held until the new stream is there. Pure, int ms.
"""

from enum import Enum
from typing import Final, assert_never

import msgspec
from attrs import define, evolve

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.effects import CancelResponse, ClearAudio, EndSession, LeaveStream, ReturnToStream, RunTool
from bridge.heart.events import AwayEvent, CallerAway, ExcursionEnded, FarEndTold
from bridge.heart.failure import CRASHED, Cause
from bridge.heart.keys import HIDDEN
from bridge.heart.last_words import LastWords
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.trips import TAKEN, Trip, outcome_of, place_of, taking
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.plans import CollectDigits, Dial, GoTo, HangUp, Plan, failure_plans
from bridge.heart.playout import Ledger, Playout
from bridge.heart.prompts import excursion_output, line_broke, not_put_through
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

CONNECT_MS: Final = 10_000
"""How long Twilio may take to ask what comes after a stream, and to connect the next one: it takes about a second."""


CANCELED: Final = "canceled"
"""A place that was ringing was let go: we ask for that never, so its caller has hung up."""

OVER: Final = ("completed", CANCELED)


class Where(Enum):
    """Where the caller is."""

    HERE = "here"
    LOST = "lost"
    """The stream broke off; if the caller is still there Twilio asks what comes next."""
    LEAVING = "leaving"
    """The stream is being closed; Twilio has still to ask what comes next."""
    AWAY = "away"
    RETURNING = "returning"
    """Twilio is connecting them again."""


_HERE: Final = Where.HERE  # looked up in its class it takes as long as the rest of the question
_AWAY: Final = (Where.LOST, Where.LEAVING, Where.AWAY)


@define
class Excursions:
    """Decides on leaving the stream, on what becomes of the caller out there, and on their return."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    session: Session
    turns: Turns
    playout: Playout
    tool_calls: ToolCalls
    last_words: LastWords
    ending: Ending
    callee: Callee
    leg: int = 1
    """The phone's leg that is there, or is to come."""
    number: int = 0
    """Of the last excursion."""
    due: int = 0
    """When the caller has to be where they are expected, unless they are here."""
    _where: Where = Where.HERE
    _trip: Trip | None = None
    _is_taken: bool = False
    _is_far_end_gone: bool = False
    _is_canceled: bool = False
    _why_lost: str = ""
    _rest: tuple[Plan, ...] = ()
    _lost: int = 0
    _why_left: str = ""
    _is_owed: bool = False
    """Whether the caller was in the middle of something when the stream broke off."""
    _is_said_again: bool = False
    """Whether they hear what they had not heard, from kept sound, when they are back."""

    # ------------------------------------------------------------ where the caller is

    @property
    def is_here(self) -> bool:
        """Say whether nothing but the call's own stream is expected."""
        return self._where is _HERE

    @property
    def is_away(self) -> bool:
        """Say whether the model is to hear nothing and to be asked nothing."""
        return self._where in _AWAY

    @property
    def is_returning(self) -> bool:
        """Say whether a new stream is on its way."""
        return self._where is Where.RETURNING

    # ------------------------------------------------------------ what Twilio tells of them

    def told(self, event: AwayEvent) -> None:
        """Take what Twilio asks or tells about a caller who is not on the stream."""
        match event:
            case CallerAway():
                self._caller_away(event)
            case FarEndTold():
                self._far_end_told(event)
            case ExcursionEnded():
                self._ended(event)
            case _:
                assert_never(event)

    # ------------------------------------------------------------ leaving

    def leave(self, trip: Trip) -> None:
        """Have Twilio do this: at once if it is asking already, else when the stream is closed."""
        is_asking = self._where is Where.AWAY
        self.number += 1
        self._trip, self._is_taken, self._is_far_end_gone, self._is_canceled = trip, False, False, False
        if not is_asking:
            self._part_from_stream()
        kind = trip.plan.step.kind
        self.decisions.journal.milestone("left_stream", excursion=self.number, step=kind, to=trip.to)
        self.decisions.say(LeaveStream(self.number, trip.plan))
        if is_asking:
            return self._is_on_the_way(trip.plan)
        self._where, self.due = Where.LEAVING, self.decisions.now + CONNECT_MS

    def _part_from_stream(self) -> None:
        """Take back what is on its way in both directions: nobody will hear it."""
        was_cut = self.turns.is_cut(self.turns.active)
        active = self.turns.cut_active()
        lost = self.playout.cut(self.decisions.now, active) if self.playout.is_speaking(active) else []
        self._take_back("" if was_cut else active, lost)
        self.turns.caller_left()
        self.stream.leave()

    def _take_back(self, active: str, lost: list[Ledger]) -> None:
        """Stop a response, tell the model what was heard of each item, and have it forget half a turn."""
        decisions, is_open = self.decisions, self.session.is_open
        if active and is_open:
            decisions.say(CancelResponse(decisions.new_id(), active))
        for ledger in lost:
            self.conversation.truncate(ledger)
        if is_open:
            decisions.say(ClearAudio(decisions.new_id()))

    def response_created(self, response_id: str) -> None:
        """Take back an answer that was made before the model's side knew that the caller is gone; to one who has only
        lost the line, it is owed."""
        self._is_owed = self._is_owed or self._where is Where.LOST
        self.turns.cut_active()
        self.decisions.say(CancelResponse(self.decisions.new_id(), response_id))

    # ------------------------------------------------------------ a stream that breaks off

    def lose_stream(self, why: str) -> bool:
        """Wait for the caller to be connected again; False where that is not to be."""
        if self._lost >= self.agent.limits.stream_returns or not self.callee.is_open or not self.stream.sid:
            return False
        self._lost += 1
        self._why_left, self._trip = why, None
        self._is_said_again = self._may_be_said_again
        self._is_owed = not self._is_said_again and (self.turns.is_going_on or not self.playout.is_idle)
        self.decisions.journal.milestone("stream_lost", leg=self.leg, why=why)
        if self._is_said_again:
            self._keep_what_is_unheard()
        else:
            self._part_from_stream()
        longest_ms = self.agent.limits.max_call_seconds * 1000
        self._where, self.due = Where.LOST, min(self.decisions.now + CONNECT_MS, longest_ms)
        return True

    @property
    def _may_be_said_again(self) -> bool:
        """Say whether the agent was speaking, and nobody else: then its sound is there, and the model need not know."""
        if not self.agent.limits.say_again or self.turns.caller_is_speaking or self.playout.is_clip:
            return False
        return self.playout.is_speaking(self.turns.active) and not self.turns.is_cut(self.turns.active)

    def _keep_what_is_unheard(self) -> None:
        """Take back what is on its way to the caller: they hear it when they are back, from the start of a sentence."""
        self.playout.hold(self.decisions.now, of_sentence=True)
        self.playout.go_on()
        self.stream.leave()

    def _connect_again(self) -> None:
        """Have the lost caller connected; what was going on is taken up where they stopped hearing it."""
        if self._why_lost:
            self._where = Where.AWAY
            return self._take_next_step()
        self.leg += 1
        self._where, self.due = Where.RETURNING, self.decisions.now + CONNECT_MS
        self.decisions.say(ReturnToStream(self.leg))
        if self._is_owed:
            self.conversation.add_text(SYSTEM, line_broke())
            self.turns.owe()

    # ------------------------------------------------------------ out there

    def _caller_away(self, event: CallerAway) -> None:
        """Twilio asks what comes after a leg: the plan, if it was left by one; else the caller is lost."""
        if event.leg != self.leg:
            return self.decisions.journal.count("asked about a leg that is over")
        if event.is_gone:
            return self.ending.end("caller", "hung up")
        if self._where is Where.LOST or (self.is_here and self.lose_stream("media stream ended")):
            return self._connect_again()
        if self._where is Where.AWAY:
            return self.decisions.journal.count("asked twice what comes after a leg")
        if self._where is not Where.LEAVING or self._trip is None:
            say = "" if self.stream.sid else self.agent.failure_sentence.text
            return self.ending.end("caller", "media stream ended", say)
        self._is_on_the_way(self._trip.plan)

    def _is_on_the_way(self, plan: Plan) -> None:
        self._where = Where.AWAY
        if not isinstance(plan.step, GoTo | HangUp):
            self.due = self.decisions.now + plan.said_ms + plan.step.bound_ms

    def _far_end_told(self, event: FarEndTold) -> None:
        """Somebody rings, answers, takes the caller or doesn't: whoever has taken them ends the model's session."""
        if not self._is_present(event.number):
            if event.what not in OVER:  # that the other end is over is often told after all else
                self.decisions.journal.count("told of an excursion that is over")
            return
        self.decisions.journal.milestone("far_end", excursion=event.number, what=event.what)
        trip = self._trip
        if trip is None or not isinstance(trip.plan.step, Dial):
            return
        if event.what == taking(trip.plan.step) and not self._is_taken:
            self._is_taken = True
            self.decisions.journal.milestone("taken", excursion=self.number, to=trip.to)
            self.due = self.decisions.now + trip.plan.step.talk_ms
            self._end_session()
        self._is_far_end_gone = self._is_far_end_gone or event.what in OVER
        self._is_canceled = self._is_canceled or event.what == CANCELED
        if self._is_far_end_gone:  # should the caller have hung up, Twilio may ask nothing any more
            self.due = min(self.due, self.decisions.now + CONNECT_MS)

    def _is_present(self, number: int) -> bool:
        return self._where in (Where.LEAVING, Where.AWAY) and number == self.number

    def caller_gone(self) -> None:
        """The caller's call itself is over, wherever they were: whoever took them was talked to."""
        if self._trip is not None and self._is_taken:
            return self._end_as_taken(self._trip)
        self.ending.end("caller", "hung up")

    def stream_stopped(self) -> None:
        """Twilio says that the stream ended before it knows that we have left it: the caller has hung up."""
        if self._where is Where.LEAVING:
            self.ending.end("caller", "hung up")

    # ------------------------------------------------------------ coming back

    def _ended(self, event: ExcursionEnded) -> None:
        """Take the caller back, send them on, or end the call: what came of it decides."""
        trip = self._trip
        if trip is None or not self._is_present(event.number):
            return self.decisions.journal.count("told of an excursion that is over")
        event = evolve(event, outcome=outcome_of(trip.plan.step, event, is_taken=self._is_taken))
        self.decisions.journal.milestone(
            "excursion_ended",
            excursion=event.number,
            outcome=event.outcome,
            seconds=event.seconds,
            data=dict(event.data),
        )
        self._where = Where.AWAY
        if event.outcome in TAKEN:
            return self._end_as_taken(trip)
        if trip.is_of_failure:
            return self._plan_went_on(event)
        if event.is_gone:
            return self.ending.end("caller", "hung up")
        if self._why_lost:
            return self._take_next_step()
        self._come_back(trip, event)

    def _come_back(self, trip: Trip, event: ExcursionEnded) -> None:
        decisions = self.decisions
        self.leg += 1
        self._where, self.due = Where.RETURNING, decisions.now + CONNECT_MS
        decisions.say(ReturnToStream(self.leg))
        if isinstance(trip.plan.step, CollectDigits) and event.outcome == "collected":
            return self._give_digits(trip, event)
        output = excursion_output(trip.plan.step, trip.to, event)
        if trip.who:
            self.conversation.add_text(SYSTEM, not_put_through(output))
        else:
            self.conversation.answer_tool(trip.call_id, output)
        if not trip.is_listening_after and not self.tool_calls.running:
            self.turns.owe()

    def _give_digits(self, trip: Trip, event: ExcursionEnded) -> None:
        """Run the one tool that may know them: what it answers is what the model learns."""
        name = self.agent.collect.tool if self.agent.collect else ""
        if refusal := self.tool_calls.begin(trip.call_id, name):
            self.tool_calls.running.pop(trip.call_id)
            self.conversation.answer_tool(trip.call_id, refusal)
            return self.turns.owe()
        count = int(event.data.get("count", "0"))
        arguments = msgspec.json.encode({"digits": HIDDEN * count}).decode("utf-8")
        self.decisions.say(RunTool(trip.call_id, name, arguments, event.number))

    def stream_started(self) -> None:
        """The caller is back."""
        if self._where is Where.RETURNING:
            self._where = Where.HERE
            self.decisions.journal.milestone("returned", excursion=self.number, leg=self.leg)
            if self._is_said_again:
                now, self._is_said_again = self.decisions.now, False
                self.decisions.journal.milestone("said_again", ms=self.playout.plays_until(now) - now)

    def is_late(self) -> None:
        """Give up a caller who is not where they had to be by now; should they come all the same, they are told.

        One who was taken is missed by nobody; one who hung up while it rang is why it rings no more.
        """
        if self._trip is not None and self._is_taken:
            return self._end_as_taken(self._trip)
        if self._where is Where.LOST:
            return self.ending.end("caller", self._why_left)
        if self._where is Where.AWAY and self._is_canceled:
            return self.ending.end("caller", "hung up")
        step = self._trip.plan.step.kind if self._trip else "the media stream that broke off"
        why = {
            Where.LEAVING: "Twilio did not ask what comes after the stream",
            Where.RETURNING: f"the caller did not come back from {step}: no media stream came",
        }.get(self._where, f"the caller did not come back from {step}")
        self.ending.end("bridge", why, self.agent.failure_sentence.text)

    def _end_as_taken(self, trip: Trip) -> None:
        """The call was somebody else's, and is over."""
        self.ending.end(*trip.ending(self._why_lost))

    # ------------------------------------------------------------ the failure plan

    def fail(self, why: str, cause: Cause) -> None:
        """The model can't be had: the caller gets what the failure plan has for this cause, in place of dead air.

        Where it still rings nobody is there to get anything, and a machine gets its message from Twilio.
        """
        if not self.callee.is_answered or self.callee.is_machine:
            return self.ending.end("model", why, self.callee.message)
        plans = failure_plans(self.agent, cause)
        self._why_lost = why
        self._rest = plans or (Plan(HangUp(), (self.agent.failure_sentence.text,)),)
        if self.is_away:
            return self._end_session()  # nobody is there to hear of it: it is for their return
        self._take_next_step()

    def model_lost(self, why: str) -> None:
        """The model is gone, and the caller about to go: it is for their return."""
        self._why_lost = why
        plans = failure_plans(self.agent, CRASHED)
        self._rest = plans or (Plan(HangUp(), (self.agent.failure_sentence.text,)),)

    def _take_next_step(self) -> None:
        plan, *rest = self._rest
        self._rest = tuple(rest)
        match plan.step:
            case HangUp():
                self.ending.end("model", self._why_lost, " ".join(plan.say))
            case GoTo(url):
                self.ending.end("model", self._why_lost, " ".join(plan.say), go_to=url)
            case _:
                self._end_session()
                self.leave(Trip(plan, to=place_of(plan)))

    def _plan_went_on(self, event: ExcursionEnded) -> None:
        """Go on with the failure plan until one of its steps has helped."""
        if event.outcome == "recorded":
            return self.ending.end("model", f"{self._why_lost}; a message was left")
        if event.is_gone:
            return self.ending.end("caller", "hung up")
        self._take_next_step()

    def _end_session(self) -> None:
        if not self.session.is_over:
            self.session.is_over = True
            self.last_words.are_of_nobody()
            self.decisions.say(EndSession())
