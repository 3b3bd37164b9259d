"""What holds of every call that we make, whoever answers it, and whether or not they are sent off the stream."""

from attrs import evolve
from courses import Course, Echo, History, agents, away, scenes
from heart import TOOLS, of
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.heart.call import Call
from bridge.heart.effects import AppendAudio, CreateResponse, EndCall, LeaveStream, ReturnToStream
from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallPlaced,
    CallProgressed,
    Event,
    SessionCreated,
    SessionUpdated,
)
from bridge.settings.outgoing import Outgoing

some = settings(max_examples=120, database=None)

policies = st.sampled_from(["hang_up", "message", "go_on", "press_1"])
tellings = st.one_of(
    st.sampled_from(["ringing", "in-progress", "busy", "no-answer", "completed"]).map(CallProgressed),
    st.just(CallPlaced()),
    st.just(CalleeAnswered()),
    st.sampled_from(["human", "machine_start", "machine_end_beep", "unknown"]).map(
        lambda who: CalleeJudged(who, 900)
    ),
)
told = st.tuples(st.sampled_from([0, 40, 900, 7000]), st.one_of(tellings, tellings, away)).map(
    lambda step: [step]
)
answered: list[tuple[int, Event | Echo]] = [
    (5, SessionCreated(0)),
    (9, SessionUpdated()),
    (900, CalleeAnswered()),
]


def course_of(is_answered: bool, parts: list[Course]) -> Course:
    return [*(answered if is_answered else ()), *(step for part in parts for step in part)]


courses = st.builds(
    course_of,
    st.sampled_from([True, True, False]),
    st.lists(st.one_of(scenes, scenes, told), min_size=5, max_size=14),
)


def made(agent: Agent, machine: str, course: Course) -> History:
    """Return the history of a call that we make, with this policy for machines."""
    past = History(evolve(agent, outbound=Outgoing(machine=machine)))
    past.call = Call(past.agent, TOOLS, is_outgoing=True)
    past.first = past.call.begin()
    return past.live(course).live([(7_000_000, CallPlaced())])


@some
@given(agents, policies, courses)
def test_it_ends_once_and_in_time(agent: Agent, machine: str, course: Course) -> None:
    past = made(agent, machine, course)
    assert past.call.is_over
    assert len(of(past.wanted, EndCall)) == 1


@some
@given(agents, policies, courses)
def test_the_model_hears_nothing_and_is_asked_nothing_while_nobody_is_on_the_stream(
    agent: Agent, machine: str, course: Course
) -> None:
    is_away = False
    for effect in made(agent, machine, course).wanted:
        if isinstance(effect, LeaveStream | ReturnToStream):
            is_away = isinstance(effect, LeaveStream)
        assert not (is_away and isinstance(effect, AppendAudio | CreateResponse))
