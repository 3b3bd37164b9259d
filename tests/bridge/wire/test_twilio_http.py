"""What Twilio's requests about a call that goes on say, by their address and their form."""

import pytest

from bridge.heart.events import CallerAway, Event, ExcursionEnded, FarEndTold
from bridge.tapes.masking import taped_request
from bridge.wire.twilio_http import parse

BASE = "https://bridge.example.com/some/path/voice/front-desk"


def asked(path: str, **form: str) -> Event | None:
    return parse({"url": f"{BASE}/{path}", "form": form})


@pytest.mark.parametrize(("path", "event"), [
    ("next", CallerAway(1)), ("next?leg=3", CallerAway(3)), ("next?turn=2&leg=3", CallerAway(3)), ("", None),
    ("away/2/whisper", FarEndTold(2, "answered")), ("away/2/recording", None), ("away/2/leg", None),
    ("away/x/back", None), ("away/2/backwards", None),
])  # fmt: skip
def test_the_address_says_what_is_asked(path: str, event: Event | None) -> None:
    assert asked(path) == event


@pytest.mark.parametrize(("status", "what"), [
    ("ringing", "ringing"), ("in-progress", "answered"), ("completed", "completed"), ("busy", "completed"),
    ("no-answer", "completed"),
])  # fmt: skip
def test_a_callback_tells_of_whoever_is_rung(status: str, what: str) -> None:
    assert asked("away/1/leg", CallStatus=status) == FarEndTold(1, what)


def test_only_the_one_key_takes_a_call() -> None:
    assert asked("away/1/key", Digits="1") == FarEndTold(1, "accepted")
    assert asked("away/1/key", Digits="11") == asked("away/1/key") == FarEndTold(1, "declined")


@pytest.mark.parametrize(("form", "ended"), [
    ({"DialCallStatus": "no-answer"}, ExcursionEnded(1, "no_answer", 0, {"DialCallStatus": "no-answer"})),
    ({"DialCallStatus": "brand-new"}, ExcursionEnded(1, "failed", 0, {"DialCallStatus": "brand-new"})),
    ({"DialCallStatus": "completed", "DialCallDuration": "75"},
     ExcursionEnded(1, "completed", 75, {"DialCallStatus": "completed"})),
    ({"DialCallStatus": "completed", "DialCallDuration": "9" * 4000},
     ExcursionEnded(1, "completed", 0, {"DialCallStatus": "completed"})),
    ({"ReferSipResponseCode": "202"}, ExcursionEnded(1, "completed")),
    ({"ReferCallStatus": "busy"}, ExcursionEnded(1, "busy")),
    ({"QueueResult": "bridged", "QueueTime": "40"}, ExcursionEnded(1, "bridged", 40)),
    ({"QueueResult": "hangup"}, ExcursionEnded(1, "hung_up", is_gone=True)),
    ({"QueueResult": "system-error"}, ExcursionEnded(1, "failed")),
    ({"RecordingUrl": "https://api/RE1", "RecordingDuration": "12", "Digits": "hangup"},
     ExcursionEnded(1, "recorded", 12, {"RecordingUrl": "https://api/RE1"}, is_gone=True)),
    ({"RecordingDuration": "0"}, ExcursionEnded(1, "empty")),
    ({"Digits": "xxxx"}, ExcursionEnded(1, "collected", 0, {"count": "4"})),
    ({"Digits": ""}, ExcursionEnded(1, "empty")),
    ({}, ExcursionEnded(1, "sent")), ({"CallStatus": "completed"}, ExcursionEnded(1, "sent", is_gone=True)),
    ({"ErrorCode": "13214", "DialCallStatus": "failed"},
     ExcursionEnded(1, "refused", 0, {"DialCallStatus": "failed"})),
])  # fmt: skip
def test_what_came_of_a_step_is_told_by_its_parameters(form: dict[str, str], ended: ExcursionEnded) -> None:
    assert asked("away/1/back", **form) == ended


def test_a_request_is_taped_without_what_opens_something_and_without_collected_keys() -> None:
    form = {"CallSid": "CA1", "Digits": "470812", "From": "+15550123456", "CallToken": "secret"}
    http = taped_request(f"{BASE}/away/1/back?n=NONCE", form, masked=True)
    assert http["url"] == f"{BASE}/away/1/back"
    assert http["form"] == {"CallSid": "CA1", "Digits": "xxxxxx", "From": "+xxxxxxxxx56"}
    assert parse(http) == ExcursionEnded(1, "collected", 0, {"count": "6"})


def test_what_decides_something_stays_whatever_is_masked() -> None:
    key = taped_request(f"{BASE}/away/1/key?n=NONCE&x=1", {"Digits": "1"}, masked=True, keys_masked=True)
    assert (key["url"], parse(key)) == (f"{BASE}/away/1/key?x=1", FarEndTold(1, "accepted"))
    hung_up = {"RecordingUrl": "https://api/2010/RE12345678", "Digits": "hangup"}
    back = taped_request(f"{BASE}/away/1/back?n=NONCE", hung_up, masked=True, keys_masked=True)
    assert back["form"] == hung_up
    assert taped_request(f"{BASE}/next?leg=2&n=N", {}, masked=True)["url"] == f"{BASE}/next?leg=2"
