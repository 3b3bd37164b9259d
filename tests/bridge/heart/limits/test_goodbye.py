"""The goodbye before somebody outside ends the call: asked for, heard, or said by Twilio."""

from collections.abc import Callable

import pytest
from away import away_call, back, transfer
from courses import Course, History, agents, courses, history
from heart import SID, Driver, agent_with, of, open_call, ready_call
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.heart.effects import AddText, CreateResponse, EndSession, LeaveStream, WriteNote
from bridge.heart.events import (
    Event,
    KeyPressed,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    StreamStarted,
    ToolCalled,
)
from bridge.heart.limits.goodbye import LAST_WORDS_MS
from bridge.heart.wishes import Stopped

CLOSES = Stopped("operator", "the daemon is shutting down", "We are closing.", within_ms=8000)
NOW = Stopped("operator", "the daemon is shutting down", "We are closing.")


def ended(line: Driver) -> tuple[str, str, str] | None:
    return None if line.end is None else (line.end.by, line.end.why, line.end.say)


def a_call() -> Driver:
    return open_call(agent_with(still_there_seconds=0))


def test_a_call_with_time_for_a_goodbye_ends_when_that_was_heard() -> None:
    line = a_call()
    line.tell(CLOSES)
    (words,) = of(line.wanted, AddText)
    assert "8 seconds" in words.text
    line.answer("r1", "i1", 2000)
    line.listen(1600)  # what was sent is on its way to the ear for 300 ms
    assert line.end is None
    line.listen(600)
    assert ended(line) == ("operator", "the daemon is shutting down", "")


def test_a_goodbye_whose_marks_never_come_back_was_heard_by_our_clock_and_a_grace() -> None:
    line = open_call(agent_with(still_there_seconds=0, farewell_grace_ms=1000))
    line.tell(CLOSES)
    line.answer("r1", "i1", 2000)
    line.wait_with_frames(2900)
    assert line.end is None
    line.wait_with_frames(200)
    assert ended(line) == ("operator", "the daemon is shutting down", "")


def test_a_call_without_one_ends_in_its_time_with_the_sentence() -> None:
    line = a_call()
    line.tell(CLOSES, ResponseCreated("r1"))
    line.generate("r1", "i1", 30_000)
    line.listen(8200)
    assert ended(line) == ("operator", "the daemon is shutting down", "We are closing.")


@pytest.mark.parametrize(("ms", "say"), [(7500, ""), (9500, "We are closing.")])
def test_a_long_goodbye_is_heard_if_there_is_time_for_all_of_it(ms: int, say: str) -> None:
    line = a_call()
    line.tell(CLOSES)
    line.answer("r1", "i1", ms)
    line.listen(8200)
    assert ended(line) == ("operator", "the daemon is shutting down", say)


def a_session_is_replaced() -> tuple[Driver, Event]:
    line = open_call(agent_with(still_there_seconds=0, reconnects=1))
    line.tell(ModelLeft(1006, ""), SessionCreated(0))
    return line, SessionUpdated()


def a_caller_is_away() -> tuple[Driver, Event]:
    line = away_call(transfer("line"), still_there_seconds=0)
    back(line)
    line.sid = "MZ2"
    return line, StreamStarted(line.sid, "CA1", "audio/x-mulaw", 8000, 1)


def a_hang_up_is_taken_back() -> tuple[Driver, Event]:
    line = a_call()
    line.tell(ResponseCreated("r8"))
    line.generate("r8", "i8", 3000)
    line.tell(ToolCalled("r8", "c8", "hang_up", "{}"), ResponseFinished("r8", "completed"))
    return line, SpeechStarted("u1", 0)


@pytest.mark.parametrize("begin", [a_session_is_replaced, a_caller_is_away, a_hang_up_is_taken_back])
def test_a_goodbye_that_can_not_be_asked_for_is_asked_for_as_soon_as_it_can_be(
    begin: Callable[[], tuple[Driver, Event]],
) -> None:
    line, comes = begin()
    line.tell(CLOSES)
    assert "goodbye_asked" not in line.milestones()
    line.tell(comes, after=1100)
    assert "goodbye_asked" in line.milestones()
    assert "6 seconds" in of(line.wanted, AddText)[-1].text


def test_a_goodbye_for_which_no_time_is_left_is_not_asked_for() -> None:
    line, comes = a_caller_is_away()
    line.tell(CLOSES)
    line.tell(comes, after=6500)
    assert "goodbye_asked" not in line.milestones()
    line.listen(1600)
    assert ended(line) == ("operator", "the daemon is shutting down", "We are closing.")


def test_a_shutdown_takes_the_place_of_a_goodbye_to_a_quiet_caller() -> None:
    line = open_call(agent_with(quiet_seconds=10, still_there_seconds=0, quiet_goodbye_seconds=6))
    line.wait_with_frames(10_300)
    line.tell(CLOSES)
    line.caller_begins()
    assert (
        "goodbye_withdrawn" not in line.milestones()
    )  # whoever speaks is heard, and the call ends all the same
    line.caller_ends(after=400)
    line.answer("r1", "i1", 800)  # which may have begun before the model knew
    line.listen(1500)
    assert line.end is None
    line.answer("r2", "i2", 800)
    line.listen(1500)
    assert ended(line) == ("operator", "the daemon is shutting down", "")


def test_whoever_is_asked_to_end_it_at_once_ends_it_at_once() -> None:
    line = a_call()
    line.tell(CLOSES)
    line.tell(NOW)
    assert ended(line) == ("operator", "the daemon is shutting down", "We are closing.")


def test_a_model_that_is_not_there_yet_is_not_asked_and_the_time_holds_all_the_same() -> None:
    line = ready_call(agent_with(still_there_seconds=0, reconnects=0))
    line.tell(CLOSES)
    line.answer("r0", "i0", 1000)  # the opening, which began before the model knew
    line.listen(1500)
    assert line.end is None
    assert len(of(line.wanted, CreateResponse)) == 2
    line.answer("r1", "i1", 1000)
    line.listen(1500)
    assert ended(line) == ("operator", "the daemon is shutting down", "")


def test_the_nearer_of_two_ends_holds() -> None:
    line = a_call()
    line.tell(CLOSES)
    line.listen(1000)
    line.tell(Stopped("operator", "the house is on fire", "", within_ms=2000))
    line.listen(2200)
    assert line.end is not None
    assert line.end.why == "the house is on fire"


# ---------------------------------------------------------------- whatever happens


def ends_that_were_near(past: History) -> list[int]:
    """Return when each end was due that was told to the call, or that its money came to."""
    grace_ms = past.agent.limits.goodbye_seconds * 1000 or LAST_WORDS_MS
    due = []
    for one in past.told:
        if isinstance(one.event, Stopped) and one.event.within_ms:
            due.append(one.at + one.event.within_ms)
        if any(note.data.get("text") == "spend cap: reached" for note in of(one.wanted, WriteNote)):
            due += [] if has_been_away(past) else [one.at + grace_ms]
    return due


def has_been_away(past: History) -> bool:
    """Say whether the caller has left the stream, or lost it: what they cost they cost when they are back."""
    lost = [note for note in of(past.wanted, WriteNote) if note.data.get("name") == "stream_lost"]
    return bool(lost or of(past.wanted, LeaveStream))


@settings(max_examples=80, database=None, deadline=None)
@given(agents, courses, st.sampled_from([0, 2, 20]))
def test_an_end_that_is_near_comes_in_its_time_whatever_anybody_does(
    agent: Agent, course: Course, stopped_at: int
) -> None:
    asked = [(0, Stopped("operator", "closing", "Bye.", within_ms=3000))]
    past = history(agent, [*course[:stopped_at], *(asked if stopped_at else []), *course[stopped_at:]])
    past.live([(30_000, KeyPressed(SID, "1"))])
    due = ends_that_were_near(past)
    assume(due)
    assume(not of(past.wanted, EndSession))  # whoever is somebody else's is ended by whoever asks once more
    over_at = next((one.at for one in past.told if one.is_over), None)
    assert over_at is not None
    assert over_at <= min(due)
