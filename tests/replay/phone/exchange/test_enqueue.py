"""<Enqueue>: the wait, its document, who takes the call, and how it can end otherwise."""

import pytest
from phone_peer import Bridge
from twiml_calls import HELLO, a_call, far_end, response, town

from replay.phone.exchange.town import FarEnd
from replay.phone.report import CallReport
from replay.phone.script import HangUp, Press, Step, Wait


async def queued(
    *steps: Step, wait: str | None = None, agent: FarEnd | None = None, action: bool = True
) -> tuple[CallReport, Bridge]:
    attributes = ('action="/queued" ' if action else "") + ("" if wait is None else 'waitUrl="/wait"')
    verbs = {
        "/voice": response(f"<Enqueue {attributes}>support</Enqueue>", "<Say>Out of the queue</Say>"),
        "/queued": response("<Say>Welcome back</Say>"),
        "/wait": wait or "",
    }
    people = {} if agent is None else {"queue:support": agent}
    return await a_call(*steps, answers=verbs, town=town(**people))


async def test_somebody_takes_the_call_and_when_they_hang_up_the_bridge_is_told() -> None:
    agent = far_end(HELLO, Wait(500), HangUp(), answers_after_ms=3000)
    report, bridge = await queued(agent=agent)
    (form,) = bridge.asked("/queued")
    assert (form["QueueResult"], form["QueueTime"]) == ("bridged", "4")
    assert [(one.by, one.text) for one in report.words] == [
        ("queue:support", "Hello, Anna speaking."),
        ("twilio", "Welcome back"),
    ]
    assert report.heard[: 8 * 100] != b"\xff" * 800  # music


async def test_the_document_of_the_wait_is_asked_for_again_and_again() -> None:
    agent = far_end(HangUp(), answers_after_ms=5000)
    report, bridge = await queued(wait=response("<Say>Please hold</Say>", '<Pause length="1"/>'), agent=agent)
    asked = bridge.asked("/wait")
    assert len(asked) in (4, 5)
    assert [form["QueuePosition"] for form in asked] == ["1"] * len(asked)
    assert int(asked[-1]["QueueTime"]) in (3, 4)
    assert report.queues == ["bridged"]


async def test_the_caller_can_leave_by_a_key_in_the_document() -> None:
    wait = response('<Gather numDigits="1" action="/leave" timeout="5"/>')
    verbs = {"/voice": response('<Enqueue action="/queued" waitUrl="/wait">support</Enqueue>'), "/wait": wait,
             "/leave": response("<Leave/>"), "/queued": response("<Hangup/>")}  # fmt: skip
    report, bridge = await a_call(Wait(1000), Press("*"), answers=verbs, town=town())
    assert (report.queues, bridge.asked("/queued")[0]["QueueResult"]) == (["leave"], "leave")


async def test_a_full_queue_says_so_at_once() -> None:
    report, bridge = await queued(agent=far_end(result="full"))
    assert bridge.asked("/queued")[0]["QueueResult"] == "queue-full"
    assert report.queues == ["queue-full"]


async def test_without_an_action_the_verb_behind_it_runs() -> None:
    report, _ = await queued(agent=far_end(result="full"), action=False)
    assert [one.text for one in report.words] == ["Out of the queue"]


async def test_whoever_hangs_up_in_the_queue_is_gone() -> None:
    report, bridge = await queued(Wait(2000), HangUp())
    assert (report.ended_by, report.queues, bridge.asked("/queued")) == ("caller", ["hangup"], [])


async def test_a_wait_document_that_fails_ends_the_wait() -> None:
    report, bridge = await queued(wait="")
    assert bridge.asked("/queued")[0]["QueueResult"] == "error"
    assert report.error is not None


@pytest.mark.parametrize("verb", ["<Dial>+15550100</Dial>", "<Record/>"])
async def test_what_has_no_place_in_a_wait_is_warned_of(verb: str) -> None:
    report, _ = await queued(wait=response(verb, '<Pause length="1"/>'), agent=far_end(HangUp()))
    assert {warned.code for warned in report.warnings} == {12200}
