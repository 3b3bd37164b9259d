"""Callers who leave the stream and come back, driven by hand: an agent with places, and what Twilio asks."""

from attrs import evolve
from heart import Driver, agent_with, of, ready_call

from bridge.agents import Agent
from bridge.heart.effects import LeaveStream, ReturnToStream
from bridge.heart.events import CallerAway, ExcursionEnded, StreamStarted, ToolCalled
from bridge.settings.places import Collect, FailurePlan, Place, Voicemail

SALES = Place("sales", "orders", number="+15550100111", ring_seconds=20, talk_seconds=600)
ANNA = Place("anna", "the manager", number="+15550100112", say="One moment please.", is_warm=True)
LINE = Place("line", "whoever is free", queue="support")
PLACES = {place.name: place for place in (SALES, ANNA, LINE)}


def agent_with_places(*steps: str, **limits: float) -> Agent:
    """Return an agent that may do everything; with a failure plan of these steps."""
    return evolve(
        agent_with(**limits),
        transfer=PLACES,
        send_digits=True,
        voicemail=Voicemail("Please speak.", max_seconds=60),
        collect=Collect("look_up", "Please type it.", seconds=4),
        failure=FailurePlan(steps),
    )


def transfer(place: str = "sales", call_id: str = "t1") -> ToolCalled:
    """Return the model's wish to put the caller through."""
    arguments = f'{{"place": "{place}", "reason": "an order", "summary": "Ann, about her order"}}'
    return ToolCalled("r9", call_id, "transfer_call", arguments)


def talking_call(*steps: str, **limits: float) -> Driver:
    """Return a call whose opening was spoken and heard."""
    line = ready_call(agent_with_places(*steps, **limits))
    line.answer("r0", "i0", 200)
    line.hear_out()
    line.wanted.clear()
    line.echoed = 0
    return line


def away_call(wish: ToolCalled | None = None, *steps: str, **limits: float) -> Driver:
    """Return a call whose caller has left by this wish: Twilio has asked, and has the plan."""
    line = talking_call(*steps, **limits)
    line.tell(wish or transfer())
    line.tell(CallerAway(1), after=40)
    line.wanted.clear()
    return line


def back(line: Driver, outcome: str = "busy", *, number: int = 1, after: int = 3000, **data: str) -> None:
    """Let an excursion end so."""
    line.tell(ExcursionEnded(number, outcome, 7, data), after=after)


def returns(line: Driver, *, sid: str = "MZ2", after: int = 700) -> None:
    """Let the new stream start."""
    line.sid, line.frames = sid, 0
    line.tell(StreamStarted(sid, "CA1", "audio/x-mulaw", 8000, 1), after=after)


def left(line: Driver) -> list[LeaveStream]:
    """Return every wish to leave the stream so far."""
    return of(line.wanted, LeaveStream)


def returned(line: Driver) -> list[ReturnToStream]:
    """Return every wish to come back so far."""
    return of(line.wanted, ReturnToStream)
