"""What Twilio is asked for when a call is made, and what its callbacks say: one thing, or nothing."""

from typing import Any

import pytest

from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallNotPlaced,
    CallPlaced,
    CallProgressed,
)
from bridge.settings.outgoing import Outgoing
from bridge.wire.outbound import (
    STATUSES,
    VERDICTS,
    call_form,
    event_of_answer,
    event_of_request,
    without_nonce,
    word_of,
)

ID = "out-" + "0123456789abcdef" * 2
PATH = f"/voice/front-desk/out/{ID}"
SID = "CA" + "0" * 32
FORM = {"AccountSid": "AC" + "0" * 32, "CallSid": SID, "From": "+15550100100", "To": "+493012345678"}


def form_of(machine: str = "message") -> list[tuple[str, str]]:
    outgoing = Outgoing(machine=machine, message="x", ring_seconds=17)
    return call_form(
        outgoing, to="+49301", caller_id="+1555", max_seconds=600, url=f"https://b{PATH}", nonce="N"
    )


def test_events_are_repeated_keys_and_every_address_has_the_secret() -> None:
    form = form_of()
    assert [value for name, value in form if name == "StatusCallbackEvent"] == [
        "initiated", "ringing", "answered", "completed",
    ]  # fmt: skip
    found = dict(form)
    assert found["Url"] == f"https://b{PATH}?n=N"
    assert found["StatusCallback"] == f"https://b{PATH}/status?n=N"
    assert found["AsyncAmdStatusCallback"] == f"https://b{PATH}/amd?n=N"
    assert (found["Timeout"], found["TimeLimit"], found["AsyncAmd"]) == ("17", "600", "true")


@pytest.mark.parametrize(
    ("machine", "asked"),
    [("hang_up", "Enable"), ("message", "DetectMessageEnd"), ("press_1", "DetectMessageEnd"), ("go_on", None)],
)  # fmt: skip
def test_who_answers_is_asked_as_the_policy_needs_it(machine: str, asked: str | None) -> None:
    assert dict(form_of(machine)).get("MachineDetection") == asked


def test_what_is_taped_of_the_form_has_no_secret() -> None:
    kept = without_nonce(form_of())
    assert kept["StatusCallbackEvent"] == "initiated ringing answered completed"
    assert [name for name, value in kept.items() if "n=N" in value] == []


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_callback_says_how_far_the_call_is(status: str) -> None:
    http = {"url": f"{PATH}/status", "form": {**FORM, "CallStatus": status}}
    assert event_of_request(http) == CallProgressed(status)


def test_a_failure_brings_the_code_of_the_network() -> None:
    form = {**FORM, "CallStatus": "failed", "SipResponseCode": "404"}
    assert event_of_request({"url": f"{PATH}/status", "form": form}) == CallProgressed("failed", "404")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_says_who_answered(verdict: str) -> None:
    form = {**FORM, "AnsweredBy": verdict, "MachineDetectionDuration": "2100"}
    assert event_of_request({"url": f"{PATH}/amd", "form": form}) == CalleeJudged(verdict, 2100)


def test_the_request_for_instructions_says_that_somebody_answered() -> None:
    assert event_of_request({"url": PATH, "form": FORM}) == CalleeAnswered()


@pytest.mark.parametrize(
    "http",
    [{}, {"url": 5, "form": FORM}, {"url": PATH}, {"url": PATH, "form": []}, {"url": "/voice/front-desk", "form": FORM},
     {"url": f"{PATH}/status", "form": FORM}, {"url": f"{PATH}/status", "form": {**FORM, "CallStatus": "asleep"}},
     {"url": f"{PATH}/amd", "form": {**FORM, "AnsweredBy": ""}}],
)  # fmt: skip
def test_a_request_that_says_nothing_of_it_is_no_event(http: dict[str, Any]) -> None:
    assert event_of_request(http) is None


@pytest.mark.parametrize(
    "extra",
    [{"CallerName": "AnsweredByhuman"}, {"X-Name": "Anna AnsweredBymachine_start"}, {"AnsweredB": "yhuman"},
     {"SipHeader_X-AnsweredBy": "human"}, {"Z": "CallStatusbusyAnsweredByunknown"}],
)  # fmt: skip
def test_a_form_that_could_be_cut_up_to_say_another_word_says_none(extra: dict[str, str]) -> None:
    form = {**FORM, "AnsweredBy": "machine_start", **extra}
    assert word_of(form, "AnsweredBy", VERDICTS) == ""
    assert event_of_request({"url": f"{PATH}/amd", "form": form}) is None


@pytest.mark.parametrize(
    ("resp", "event"),
    [({"status": 201, "CallSid": SID, "call_status": "queued"}, CallPlaced()),
     ({"status": 200, "CallSid": SID, "call_status": "ringing"}, CallPlaced()),
     ({"status": 200, "CallSid": SID, "call_status": "busy"}, CallProgressed("busy")),
     ({"status": 200, "CallSid": SID, "call_status": "in-progress"}, CallProgressed("in-progress")),
     ({"status": 400, "code": 21211, "why": "no number"}, CallNotPlaced("no number")),
     ({"status": 200, "body": "<Response/>"}, None), ({}, None), ({"CallSid": 5}, None)],
)  # fmt: skip
def test_an_answer_of_the_api_says_what_became_of_the_request(resp: dict[str, Any], event: object) -> None:
    assert event_of_answer(resp) == event
