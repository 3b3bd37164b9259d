"""A call that we make, told of in any order: it always ends, nothing is heard too soon, and no machine is greeted."""

from attrs import evolve
from heart import SID, START, Driver, agent_with, of, voice
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.heart.call import Call
from bridge.heart.effects import CreateResponse, EndCall, PlayAudio
from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallNotPlaced,
    CallPlaced,
    CallProgressed,
    Event,
    KeyPressed,
    ModelFinishedAudio,
    ModelLeft,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    StreamStopped,
)
from bridge.heart.parts.outgoing import MACHINES
from bridge.settings.outgoing import MACHINES as POLICIES
from bridge.settings.outgoing import Outgoing
from bridge.wire.outbound import STATUSES, VERDICTS

TOLD = st.one_of(
    st.just(CallPlaced()), st.just(CalleeAnswered()), st.just(CallNotPlaced("refused")), st.just(START),
    st.just(SessionCreated(0)), st.just(SessionUpdated()), st.just(ModelLeft(1006, "")), st.just(StreamStopped(SID)),
    st.just(KeyPressed(SID, "x")), st.sampled_from(STATUSES).map(CallProgressed),
    st.sampled_from(VERDICTS).map(CalleeJudged), st.just("the model answers"),
)  # fmt: skip
"""What may happen; the model answers whatever it was asked last."""


def answered_by_model(line: Driver, number: int) -> list[Event]:
    """Return what a model says that was asked for something; nothing if it was not."""
    if len(of(line.wanted, CreateResponse)) < number:
        return []
    response, item = f"r{number}", f"i{number}"
    return [ResponseCreated(response), ModelSpoke(response, item, 0, voice(200)), ModelFinishedAudio(item, 0),
            ResponseFinished(response, "completed")]  # fmt: skip


@settings(max_examples=150)
@given(
    st.sampled_from(POLICIES),
    st.lists(st.tuples(st.sampled_from((0, 10, 700, 6000)), TOLD), max_size=14),
)
def test_whatever_is_told_in_whatever_order_the_call_ends_once_and_greets_no_machine(
    policy: str, course: list[tuple[int, Event | str]]
) -> None:
    outgoing = Outgoing(machine=policy, message="Your table is booked.", ring_seconds=5, press_seconds=5)
    agent = evolve(agent_with(), outbound=outgoing)
    line = Driver(call := Call(agent, (), is_outgoing=True))
    line.wanted = call.begin()
    answers, is_answered = 1, False
    for after_ms, told in course:
        events = answered_by_model(line, answers) if isinstance(told, str) else [told]
        answers += bool(events) and isinstance(told, str)
        before = len(line.wanted)
        line.tell(*events, after=after_ms)
        is_answered = is_answered or "call_answered" in line.milestones()
        if not is_answered:
            assert of(line.wanted, CreateResponse) == []
        if isinstance(told, CalleeJudged) and told.answered_by in MACHINES and policy == "hang_up":
            assert call.is_over
        assert is_answered or of(line.wanted[before:], PlayAudio) == []
    line.wait(agent.limits.max_call_seconds * 1000 + 1)
    assert call.is_over
    assert len(of(line.wanted, EndCall)) == 1
