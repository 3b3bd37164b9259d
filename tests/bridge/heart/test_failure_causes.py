"""The heart and causes: whatever takes the model away, the caller gets the steps that are written for it."""

from collections.abc import Callable

import pytest
from attrs import evolve
from away import PLACES, left
from heart import START, Driver, agent_with, new_call, open_call, ready_call

from bridge.agents import Agent
from bridge.heart.events import (
    Event,
    LinkStalled,
    ModelErred,
    ModelLeft,
    ModelUnreachable,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
)
from bridge.heart.plans import JoinQueue
from bridge.settings.places import CAUSES, FailurePlan

LOST = {cause: (f"queue:{cause}",) for cause in CAUSES}
AGENT = evolve(
    agent_with(model_ready_ms=4000, answer_timeout_ms=5000, max_turn_seconds=60),
    transfer=PLACES,
    failure=FailurePlan(("queue:whatever",), **LOST),
)


def unready(agent: Agent) -> Driver:
    line = new_call(agent)
    line.tell(SessionCreated(0), START)
    return line


def refused(why: str) -> ModelUnreachable:
    return ModelUnreachable(f"wss://api.openai.com/v1/realtime {why}")


TOLD: list[tuple[Callable[[Agent], Driver], Event, str]] = [
    (new_call, refused("can't be reached: no answer"), "unreachable"),
    (new_call, refused("refused the connection with HTTP 503"), "unreachable"),
    (new_call, refused("refused the connection with HTTP 401"), "refused"),
    (new_call, refused("refused the connection with HTTP 429"), "quota"),
    (unready, ModelErred("unknown_parameter", "invalid_request_error", "no 'x'", "b1"), "refused"),
    (unready, ModelErred("insufficient_quota", "", "", "b1"), "quota"),
    (unready, SessionUpdated("audio/pcm", "audio/pcm"), "refused"),
    (ready_call, ModelErred("session_expired", "", "", ""), "crashed"),
    (ready_call, ModelErred("", "insufficient_quota", "", ""), "quota"),
    (ready_call, ModelErred("invalid_api_key", "", "", ""), "refused"),
    (ready_call, ResponseFinished("r0", "failed", "", "insufficient_quota", ""), "quota"),
    (open_call, ModelLeft(1006, ""), "crashed"),
    (open_call, LinkStalled("model"), "crashed"),
]


def sent_to(line: Driver) -> list[str]:
    """Return the queues that the caller was put into: one, by the name of the cause."""
    steps = [leave.plan.step for leave in left(line)]
    return [step.name for step in steps if isinstance(step, JoinQueue)]


@pytest.mark.parametrize(("begin", "event", "cause"), TOLD)
def test_what_the_model_or_its_socket_says_has_its_cause(
    begin: Callable[[Agent], Driver], event: Event, cause: str
) -> None:
    line = begin(AGENT)
    line.tell(event)
    assert sent_to(line) == [cause]


def test_a_session_that_is_not_ready_in_time_was_not_reached() -> None:
    line = unready(AGENT)
    line.wait(4000)
    assert sent_to(line) == ["unreachable"]


def test_an_answer_that_never_comes_is_silence() -> None:
    line = open_call(AGENT)
    line.caller_begins()
    line.caller_ends(after=500)
    line.wait_with_frames(11_000)
    assert sent_to(line) == ["silent"]


def test_a_response_that_fails_again_and_again_has_the_cause_of_its_code() -> None:
    for code, cause in (("rate_limit_exceeded", "quota"), ("server_error", "silent")):
        line = open_call(AGENT)
        line.caller_begins()
        line.caller_ends(after=500)
        for number in range(20):
            line.tell(ResponseCreated(f"r{number}"), ResponseFinished(f"r{number}", "failed", "", code, ""))
            line.wait_with_frames(1000)
        assert sent_to(line) == [cause]


def test_a_turn_whose_end_is_never_heard_is_silence() -> None:
    line = open_call(AGENT)
    line.tell(SpeechStarted("u1", 0))
    line.wait_with_frames(140_000)
    assert sent_to(line) == ["silent"]


def test_a_cause_without_steps_of_its_own_gets_those_for_all() -> None:
    line = open_call(evolve(AGENT, failure=FailurePlan(("queue:whatever",))))
    line.tell(ModelLeft(1006, ""))
    assert sent_to(line) == ["whatever"]
