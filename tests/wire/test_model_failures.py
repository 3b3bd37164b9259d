"""However the model fails, the caller hears the configured sentence within five seconds, and the record says why."""

import socket
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio

from bench.stage import GREETING, PROMPT, MakePlace, Place, open_stage, speech, words
from replay.model.script import Faults, Script
from replay.phone.ring import Caller, CallReport
from replay.phone.script import WaitForAgent, WaitForEnd
from replay.phone.twiml import Hangup, Say

SENTENCE = "The line is down, please call again."
FAULT_MS = 700
"""When the faults of a call in progress begin, counted from the webhook: after its first words."""

PATIENT = Caller(steps=(WaitForEnd(12_000),), answer_delay_ms=0)
MOST_MS = 5000


async def a_failing_call(place: Place, caller: Caller = PATIENT) -> tuple[CallReport, dict[str, Any]]:
    """Make one call that fails, and return what the caller saw and what the record says."""
    with trio.fail_after(15):
        async with open_stage(place) as stage:
            report = await stage.ring(caller)
    (row,) = place.calls()
    return report, row


def said_ms(report: CallReport) -> int:
    """Return when the caller got the sentence, counted from the ring."""
    return next(one.t_ms for one in report.events if one.kind == "verb")


def faulty(**faults: Any) -> Script:
    """Return a script that goes wrong."""
    return attrs.evolve(GREETING, faults=Faults(**faults))


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Return a URL where a port is taken and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{taken.getsockname()[1]}/v1/realtime"


def check_failure(report: CallReport, row: dict[str, Any], why: str) -> None:
    """Check that the caller heard the sentence, and that the record blames the model."""
    assert report.next_verbs == [Say(SENTENCE, "en-US"), Hangup()]
    assert (report.error, report.close_code) == (None, 1000)
    assert (row["ended_by"], row["next_step"]) == ("model", "say")
    assert why in row["why"]


async def test_a_model_that_cant_be_reached(place: MakePlace, dead_url: str) -> None:
    report, row = await a_failing_call(place(model_url=dead_url, agent={"failure_sentence": SENTENCE}))
    assert report.next_verbs == [Say(SENTENCE, "en-US"), Hangup()]
    assert (row["ended_by"], row["next_step"]) == ("model", "say")
    assert "can't be reached" in row["why"]
    assert said_ms(report) <= MOST_MS


REFUSALS = {
    "http_401": (Faults(refuse="http_401"), {}, "HTTP 401"),
    "invalid_api_key": (Faults(refuse="invalid_api_key"), {}, "invalid_api_key"),
    "model_not_found": (Faults(refuse="model_not_found"), {}, "model_not_found"),
    "never_create": (Faults(never_create=True), {"model_ready_ms": 600}, "not ready in time"),
    "never_update": (Faults(never_update=True), {"model_ready_ms": 600}, "not ready in time"),
}


@pytest.mark.parametrize(("faults", "limits", "why"), REFUSALS.values(), ids=list(REFUSALS))
async def test_a_model_that_gives_no_session(
    place: MakePlace, faults: Faults, limits: dict[str, int], why: str
) -> None:
    script = attrs.evolve(GREETING, faults=faults)
    report, row = await a_failing_call(
        place(script=script, limits=limits, agent={"failure_sentence": SENTENCE})
    )
    assert report.next_verbs == [Say(SENTENCE, "en-US"), Hangup()]
    assert (row["ended_by"], row["next_step"]) == ("model", "say")
    assert why in row["why"]
    assert said_ms(report) <= MOST_MS


LOSSES = {
    "close": (Faults(close_after_ms=FAULT_MS), "session_expired"),
    "close without an error": (
        Faults(close_after_ms=FAULT_MS, close_with_error=False),
        "connection lost (1001",
    ),
    "drop": (Faults(drop_after_ms=FAULT_MS), "connection lost (1006"),
    "stall": (Faults(stall_after_ms=FAULT_MS), "stopped responding"),
}


@pytest.mark.parametrize(("faults", "why"), LOSSES.values(), ids=list(LOSSES))
async def test_a_model_that_is_lost_in_mid_call(place: MakePlace, faults: Faults, why: str) -> None:
    script = attrs.evolve(GREETING, faults=faults)
    setup = place(script=script, agent={"failure_sentence": SENTENCE}, limits={"reconnects": 0})
    report, row = await a_failing_call(setup)
    check_failure(report, row, why)
    assert report.first_heard_ms is not None
    assert said_ms(report) - FAULT_MS <= MOST_MS


async def test_a_model_that_is_lost_while_it_speaks(place: MakePlace) -> None:
    script = Script(
        opening=(words("agent_greeting"),), delivery=PROMPT, faults=Faults(drop_after_ms=FAULT_MS)
    )
    report, row = await a_failing_call(place(script=script, agent={"failure_sentence": SENTENCE}))
    check_failure(report, row, "connection lost")
    assert said_ms(report) - FAULT_MS <= MOST_MS


async def test_a_model_that_answers_nothing(place: MakePlace) -> None:
    limits = {"answer_timeout_ms": 500}
    place_ = place(script=faulty(never_answer=True), limits=limits, agent={"failure_sentence": SENTENCE})
    report, row = await a_failing_call(place_)
    check_failure(report, row, "answered nothing")
    assert row["counts"].count("dead air: asked") == 1


async def test_responses_that_fail_are_asked_for_again(place: MakePlace) -> None:
    script = Script(
        opening=(words("caller_yes"),),
        turns=((words("caller_no"),),) * 3,
        delivery=PROMPT,
        faults=Faults(fail_responses=1),
    )
    caller = Caller(
        steps=(WaitForAgent(), speech("caller_yes"), WaitForAgent(6000)), patience_ms=0, answer_delay_ms=0
    )
    report, row = await a_failing_call(place(script=script), caller)
    assert report.missed == []
    assert "response failed: rate_limit_exceeded" in row["counts"]
