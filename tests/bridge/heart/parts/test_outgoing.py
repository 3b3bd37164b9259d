"""A call that we make: nothing is asked while it rings, a person is greeted, and a machine is never taken for one."""

from typing import Any

import pytest
from attrs import evolve
from heart import SID, START, TOOLS, Driver, agent_with, new_call, of, played

from bridge.agents import Agent
from bridge.heart.call import Call
from bridge.heart.effects import CancelResponse, ClearPlayback, CreateResponse, UpdateSession
from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallNotPlaced,
    CallPlaced,
    CallProgressed,
    KeyPressed,
    ModelFinishedAudio,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    StreamStopped,
)
from bridge.heart.parts.excursions import Trip
from bridge.heart.parts.outgoing import MACHINES
from bridge.heart.plans import Plan, PressDigits
from bridge.heart.wishes import Stopped
from bridge.settings.outgoing import Outgoing

MESSAGE = "This is Harbour Table. Your table is booked for eight tonight."


def agent_that(machine: str, **change: Any) -> Agent:
    """Return an agent with this policy for machines."""
    return evolve(agent_with(), outbound=Outgoing(machine=machine, message=MESSAGE, **change))


def asked(machine: str = "hang_up", **change: Any) -> Driver:
    """Return a call that was just asked for."""
    call = Call(agent_that(machine, **change), TOOLS, is_outgoing=True)
    return Driver(call, wanted=call.begin())


def ringing(machine: str = "hang_up", **change: Any) -> Driver:
    """Return a call that rings, and whose model is ready."""
    line = asked(machine, **change)
    line.tell(SessionCreated(0), SessionUpdated(), CallPlaced(), CallProgressed("ringing"))
    return line


def answered(machine: str = "hang_up", **change: Any) -> Driver:
    """Return a call that was answered, with its stream; who answered is not known, and the opening is generated."""
    line = ringing(machine, **change)
    line.tell(CalleeAnswered(), after=3000)
    line.tell(START, after=500)
    line.answer("r0", "i0", 400)
    return line


def judged_ones(line: Driver) -> list[str]:
    return [note["answered_by"] for note in line.notes("milestone") if note["name"] == "callee_judged"]


def last_words(line: Driver) -> str:
    return of(line.wanted, CreateResponse)[-1].instructions


# ---------------------------------------------------------------- while it rings


def test_while_it_rings_the_model_is_ready_and_asked_for_nothing() -> None:
    line = ringing()
    line.wait(20_000)
    assert len(of(line.wanted, UpdateSession)) == 1
    assert (of(line.wanted, CreateResponse), line.end) == ([], None)


@pytest.mark.parametrize(
    ("status", "outcome", "why"),
    [("busy", "busy", "busy"), ("no-answer", "no_answer", "no answer"), ("failed", "failed", "could not be reached"),
     ("canceled", "canceled", "cancelled before anybody answered")],
)  # fmt: skip
def test_what_becomes_of_a_call_that_nobody_answers_is_its_end(status: str, outcome: str, why: str) -> None:
    line = ringing()
    line.tell(CallProgressed(status), after=5000)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("caller", why)
    (note,) = (one for one in line.notes("milestone") if one["name"] == "not_answered")
    assert note["outcome"] == outcome


def test_a_failure_says_the_code_of_the_telephone_network() -> None:
    line = ringing()
    line.tell(CallProgressed("failed", "404"))
    assert line.end is not None
    assert line.end.why == "could not be reached (SIP 404)"


def test_a_call_that_twilio_does_not_take_ends_with_its_reason() -> None:
    line = asked()
    line.tell(CallNotPlaced("the account may not call this country (Twilio 21215)"))
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("bridge", "the account may not call this country (Twilio 21215)")


def test_a_call_of_which_nothing_is_told_is_given_up() -> None:
    line = ringing(ring_seconds=25)
    line.wait(25_000 + 29_000)
    assert line.end is None
    line.wait(2000)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("limit", "Twilio did not tell what became of the call")


def test_a_call_that_is_never_placed_is_given_up() -> None:
    line = asked()
    line.tell(SessionCreated(0), SessionUpdated())
    line.wait(121_000)
    assert line.end is not None
    assert line.end.why == "the call could not be made in time"


def test_nobody_is_rung_for_a_model_that_is_gone() -> None:
    line = ringing()
    line.tell(ModelLeft(1006, ""))
    assert line.end is not None
    assert line.end.by == "model"


def test_one_that_is_stopped_while_it_rings_is_over() -> None:
    line = ringing()
    line.tell(Stopped("operator", "the daemon is shutting down"))
    assert line.end is not None
    assert line.end.by == "operator"


def test_callbacks_in_any_order_and_twice_come_to_the_same() -> None:
    line = asked()
    line.tell(SessionCreated(0), CallProgressed("in-progress"), CallProgressed("ringing"), CallPlaced())
    line.tell(CalleeAnswered(), CalleeAnswered(), CallProgressed("in-progress"), SessionUpdated())
    assert line.end is None
    assert len(of(line.wanted, CreateResponse)) == 1
    line.tell(CallProgressed("completed"), CallProgressed("busy"))
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("caller", "hung up")


def test_a_callback_for_a_call_that_came_in_changes_nothing() -> None:
    line = new_call()
    line.tell(CallProgressed("completed"), CalleeJudged("machine_start"), CallNotPlaced("x"), CallPlaced())
    assert line.end is None


# ---------------------------------------------------------------- somebody answers


def test_a_person_is_greeted_once_they_are_known_to_be_one() -> None:
    line = answered()
    assert played(line.wanted) == b""
    line.tell(CalleeJudged("human", 1900), after=1000)
    line.wait(500)
    assert played(line.wanted) != b""
    assert (judged_ones(line), line.end) == (["human"], None)


def test_the_opening_is_asked_for_at_the_answer_and_not_at_the_verdict() -> None:
    line = ringing()
    line.tell(CalleeAnswered())
    assert len(of(line.wanted, CreateResponse)) == 1


def test_what_they_say_before_the_verdict_is_not_given_to_the_model() -> None:
    line = answered()
    before = line.caller_frame()
    line.tell(CalleeJudged("human"))
    after = line.caller_frame()
    assert (len(before), [effect.first for effect in after if hasattr(effect, "first")]) == (0, [2])


def test_a_verdict_that_never_comes_keeps_nobody_waiting() -> None:
    line = answered(verdict_ms=4000)
    line.wait_with_frames(3400)
    assert played(line.wanted) == b""
    line.wait_with_frames(400)
    assert played(line.wanted) != b""
    assert judged_ones(line) == []


def test_with_no_machine_to_be_told_from_people_the_agent_opens_at_once() -> None:
    line = answered("go_on")
    line.wait(500)
    assert played(line.wanted) != b""


def test_a_key_tells_a_person_before_any_verdict_does() -> None:
    line = answered()
    line.tell(KeyPressed(SID, "5"))
    line.wait(500)
    assert played(line.wanted) != b""
    assert judged_ones(line) == ["pressed_key"]


def test_who_hangs_up_before_their_stream_is_there_ends_the_call() -> None:
    line = ringing()
    line.tell(CalleeAnswered(), CallProgressed("completed"))
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("caller", "hung up")


def test_an_answered_call_whose_stream_never_comes_ends() -> None:
    line = ringing()
    line.wait(20_000)
    line.tell(CalleeAnswered())
    line.answer()
    line.wait(29_000)
    assert line.end is None
    line.wait(1500)
    assert line.end is not None
    assert line.end.why == "no media stream came"


# ---------------------------------------------------------------- a machine answers


@pytest.mark.parametrize("verdict", MACHINES)
def test_a_machine_is_hung_up_on_before_it_hears_a_word(verdict: str) -> None:
    line = answered("hang_up")
    line.tell(CalleeJudged(verdict, 4000))
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("tool", f"an answering machine ({verdict})")
    assert played(line.wanted) == b""


@pytest.mark.parametrize("policy", ["hang_up", "message", "press_1"])
def test_a_fax_is_hung_up_on(policy: str) -> None:
    line = answered(policy)
    line.tell(CalleeJudged("fax"))
    assert line.end is not None
    assert line.end.why == "a fax machine answered"


@pytest.mark.parametrize("verdict", MACHINES)
def test_a_machine_hears_the_message_and_never_the_greeting(verdict: str) -> None:
    line = answered("message")
    line.tell(CalleeJudged(verdict), after=4000)
    assert MESSAGE in last_words(line)
    line.answer("r1", "i1", 800)
    line.hear_out()
    assert len(played(line.wanted)) == 800 * 8
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("tool", "left a message on an answering machine")


def test_the_message_ends_the_call_though_no_mark_comes_back() -> None:
    line = answered("message")
    line.tell(CalleeJudged("machine_end_beep"))
    line.answer("r1", "i1", 800)
    line.wait_with_frames(5000)
    assert line.end is not None
    assert line.end.why == "left a message on an answering machine"


def test_a_late_verdict_stops_what_the_agent_has_begun_to_say() -> None:
    line = answered("message", verdict_ms=500)
    line.wait_with_frames(400)
    assert played(line.wanted) != b""
    told = line.tell(CalleeJudged("machine_end_other"))
    assert of(told, ClearPlayback)
    line.answer("r1", "i1", 400)
    line.hear_out()
    assert line.end is not None
    assert line.end.why == "left a message on an answering machine"


def test_a_greeting_that_is_being_generated_is_taken_back_before_the_message() -> None:
    line = ringing("message")
    line.tell(CalleeAnswered(), START, ResponseCreated("r0"))
    line.generate("r0", "i0", 200)
    told = line.tell(CalleeJudged("machine_end_beep"))
    assert [effect.response_id for effect in of(told, CancelResponse)] == ["r0"]
    told = line.tell(ResponseFinished("r0", "cancelled"))
    assert MESSAGE in of(told, CreateResponse)[0].instructions


def test_a_greeting_that_was_only_asked_for_is_taken_back_when_it_begins() -> None:
    line = ringing("message")
    line.tell(CalleeAnswered(), START, CalleeJudged("machine_end_beep"))
    told = line.tell(ResponseCreated("r0"))
    assert [effect.response_id for effect in of(told, CancelResponse)] == ["r0"]
    line.generate("r0", "i0", 400)
    line.tell(ModelFinishedAudio("i0", 0), ResponseFinished("r0", "cancelled"))
    line.answer("r1", "i1", 600)
    line.hear_out()
    assert len(played(line.wanted)) == 600 * 8
    assert line.end is not None


def test_a_machine_that_talks_interrupts_no_message() -> None:
    line = answered("message")
    line.tell(CalleeJudged("machine_end_beep"))
    assert line.caller_frame() == []
    line.tell(SpeechStarted("u1", 0), ResponseCreated("r1"))
    line.generate("r1", "i1", 400)
    assert line.end is None


def test_a_machine_that_hangs_up_ends_the_call() -> None:
    line = answered("message")
    line.tell(CalleeJudged("machine_end_beep"), StreamStopped(SID))
    assert line.end is not None
    assert line.end.why == "hung up"


# ---------------------------------------------------------------- a phone that screens its calls


def test_whoever_presses_a_key_is_a_person_and_gets_the_greeting() -> None:
    line = answered("press_1")
    line.tell(CalleeJudged("machine_end_silence"))
    assert MESSAGE in last_words(line)
    line.answer("r1", "i1", 400)
    line.hear_out()
    line.tell(KeyPressed(SID, "1"))
    assert line.call.agent.greeting in last_words(line)
    line.answer("r2", "i2", 400)
    line.hear_out()
    assert (judged_ones(line), line.end) == (["machine_end_silence", "pressed_key"], None)


def test_the_words_are_said_again_for_whoever_listens_in_later() -> None:
    line = answered("press_1", press_seconds=60)
    line.tell(CalleeJudged("machine_end_silence"))
    line.answer("r1", "i1", 400)
    line.hear_out()
    line.wait_with_frames(10_000)
    assert [MESSAGE in one.instructions for one in of(line.wanted, CreateResponse)] == [False, True, True]


def test_where_nobody_presses_a_key_the_call_ends() -> None:
    line = answered("press_1", press_seconds=20)
    line.tell(CalleeJudged("machine_end_beep"))
    for number in range(1, 9):
        if line.end is None:
            line.answer(f"r{number}", f"i{number}", 400)
            line.hear_out()
            line.wait_with_frames(8000)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("tool", "nobody pressed 1")
    assert judged_ones(line) == ["machine_end_beep"]


def test_the_key_that_was_asked_for_is_not_told_to_the_model() -> None:
    line = answered("press_1")
    line.tell(CalleeJudged("machine_end_silence"), KeyPressed(SID, "1"))
    line.wait(5000)
    assert "keys_pressed" not in line.milestones()


def test_a_machines_verdict_after_a_key_changes_nothing() -> None:
    line = answered("message")
    line.tell(KeyPressed(SID, "1"))
    line.wait(500)
    line.tell(CalleeJudged("machine_end_beep"))
    line.hear_out()
    assert line.end is None
    assert MESSAGE not in last_words(line)


def test_a_verdict_about_somebody_who_was_put_through_is_nobodys_any_more() -> None:
    line = answered("hang_up", verdict_ms=500)
    line.wait_with_frames(600)
    line.hear_out()
    line.call._excursions.leave(Trip(Plan(PressDigits("1")), "c1"))
    line.tell(CalleeJudged("machine_end_other"))
    assert line.end is None
