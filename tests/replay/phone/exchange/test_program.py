"""The program counter: which verb comes next, what an action's request is, and how its delivery can go wrong."""

from typing import Any

import pytest
from phone_peer import Bridge
from twiml_calls import ANNA, HELLO, a_call, far_end, response, town

from replay.phone import twiml
from replay.phone.report import CallReport
from replay.phone.script import HangUp, Press, Step, Wait

GATHER = '<Gather numDigits="1" action="/keys" timeout="2"/>'


async def one_gather(delivery: str, *steps: Step, **behaviour: Any) -> tuple[CallReport, Bridge]:
    """A call whose Gather's action is delivered so."""
    verbs = {"/voice": response(GATHER), "/keys": response('<Pause length="20"/>', "<Hangup/>")}
    script = steps or (Wait(200), Press("1"))
    there = town({"actions": {"gather": delivery}, "action_late_ms": 5000, **behaviour})
    return await a_call(*script, answers=verbs, town=there)


async def test_a_request_is_delivered_once() -> None:
    report, bridge = await one_gather("once")
    assert len(bridge.asked("/keys")) == 1
    assert [(one.verb, one.status) for one in report.asked] == [("gather", 200)]


async def test_a_request_delivered_twice_has_the_same_form_and_the_same_idempotency_token() -> None:
    report, bridge = await one_gather("twice")
    first, second = [
        (form, headers["i-twilio-idempotency-token"]) for path, form, headers in bridge.forms[1:]
    ]
    assert first == second
    assert len(report.asked) == 2


async def test_a_request_that_comes_again_later_is_run_by_nobody() -> None:
    report, bridge = await one_gather("again")
    assert len(bridge.asked("/keys")) == 2
    first, second = report.asked
    assert (first.verb, second.verb) == ("gather", "gather again")
    assert second.at_ms - first.at_ms >= 5000
    assert second.body == first.body  # what the bridge answered can be compared
    assert [type(verb) for verb in report.next_verbs] == [twiml.Gather, twiml.Pause, twiml.Hangup]


async def test_a_request_can_be_late_or_never_come() -> None:
    report, _ = await one_gather("late")
    assert report.asked[0].at_ms >= 5000
    report, bridge = await one_gather("never", Wait(200), Press("1"), Wait(9000), HangUp())
    assert (bridge.asked("/keys"), report.ended_by) == ([], "caller")


async def test_a_caller_who_hangs_up_while_a_late_request_waits_is_gone() -> None:
    report, bridge = await one_gather("late", Wait(200), Press("1"), Wait(1000), HangUp())
    assert (bridge.asked("/keys"), report.ended_by) == ([], "caller")


# ---------------------------------------------------------------- documents


async def test_a_document_that_runs_out_ends_the_call() -> None:
    report, bridge = await a_call(answers={"/voice": response("<Say>Bye</Say>")}, town=town())
    assert (report.error, report.ended_by, len(bridge.forms)) == (None, "bridge", 1)


async def test_unknown_verbs_and_attributes_are_counted_warnings_and_the_rest_runs() -> None:
    verbs = {
        "/voice": response("<Sing/>", '<Say mood="happy">Hi</Say>', "<Leave/>", "<Say>Not reached</Say>")
    }
    report, _ = await a_call(answers=verbs, town=town())
    assert [(warned.code, warned.count) for warned in report.warnings] == [(12200, 2)]
    assert [one.text for one in report.words] == ["Hi"]


async def test_a_reject_refuses_the_call() -> None:
    verbs = {"/voice": response('<Reject reason="busy"/>'), "/told": response()}
    report, bridge = await a_call(answers=verbs, town=town(), status_url="https://bridge.example.com/told")
    assert bridge.asked("/told")[0]["CallStatus"] == "busy"
    assert report.next_verbs == [twiml.Reject("busy")]
    assert report.words == []


async def test_an_answer_that_is_no_twiml_ends_the_call_with_twilios_number() -> None:
    for body, code in (
        ("<Other/>", "12100"),
        ("", "11200"),
        ("<Response>" + "<Hangup/>" * 9000 + "</Response>", "11750"),
    ):
        verbs = {"/voice": response(GATHER), "/keys": body}
        report, _ = await a_call(Wait(200), Press("1"), answers=verbs, town=town())
        assert str(report.error).startswith(code)


async def test_a_circle_without_an_end_is_cut() -> None:
    verbs = {
        "/voice": response("<Record timeout='1' playBeep='false'/>")
    }  # its action is the document itself
    report, bridge = await a_call(Wait(7_200_000), answers=verbs, town=town(), total_ms=30_000)
    assert report.error == "not over after 30000 ms"
    assert len(bridge.forms) > 10


# ---------------------------------------------------------------- the report


async def test_everything_a_far_end_did_is_in_the_report() -> None:
    anna = far_end(HELLO, Press("5"), Wait(500), HangUp())
    verbs = {"/voice": response(f"<Dial action='/dialled'>{ANNA}</Dial>"), "/dialled": response("<Hangup/>")}
    report, _ = await a_call(answers=verbs, town=town(anna=anna))
    (leg,) = report.far_ends
    assert (leg.name, leg.ended_by, [digit for _, digit in leg.presses]) == (ANNA, ANNA, ["5"])
    assert leg.rang_ms is not None
    assert leg.answered_ms is not None
    assert leg.rang_ms < leg.answered_ms < (leg.ended_ms or 0)
    assert leg.line.said.index(HELLO.audio) // 8 == pytest.approx(leg.answered_ms, abs=40)
    assert [digit for _, digit in report.keys_heard] == ["5"]  # the caller hears the key, too
    assert report.dials[0].status == "completed"
