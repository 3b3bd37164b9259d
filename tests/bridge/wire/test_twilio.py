"""Twilio's side of the wire: messages, and who may call us."""

import hmac
import json
from base64 import b64encode
from typing import Any

import pytest

from bridge.heart.effects import ClearPlayback, PlayAudio, SendMark, ToPhone
from bridge.heart.events import (
    CallerSpoke,
    Event,
    KeyPressed,
    MarkReached,
    MessageBroken,
    MessageUnknown,
    StreamConnected,
    StreamStarted,
    StreamStopped,
)
from bridge.wire import twilio

TOKEN = "12345"
URL = "https://example.com/myapp.php?foo=1&bar=2"
FORM = [
    ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"),
    ("From", "+14158675310"), ("To", "+18005551212"),
]  # fmt: skip
SIGNATURE = "L/OH5YylLD5NRKLltdqwSvS0BnU="
SOCKET = "wss://bridge.example.com/twilio/media"
START: dict[str, Any] = {
    "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
    "start": {
        "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": "once"},
    },
}  # fmt: skip

MEDIA = '{"event": "media", "streamSid": "MZ1", "media": %s}'

# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, StreamConnected()),
        (START, StreamStarted("MZ1", "CA1", "audio/x-mulaw", 8000, 1)),
        (
            {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1",
             "media": {"track": "inbound", "chunk": "1", "timestamp": "57", "payload": "//8="}},
            CallerSpoke("MZ1", 1, b"\xff\xff"),
        ),
        ({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "#"}}, KeyPressed("MZ1", "#")),
        ({"event": "mark", "streamSid": "MZ1", "mark": {"name": "m1"}}, MarkReached("MZ1", "m1")),
        ({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}, StreamStopped("MZ1")),
        ({"event": "weather", "streamSid": "MZ1"}, MessageUnknown("twilio", "weather")),
    ],
)  # fmt: skip
def test_a_message_is_understood(message: dict[str, Any], event: Event) -> None:
    assert twilio.parse(json.dumps(message)) == event


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{}", "binary frame"),
        ("{", "not JSON"),
        ("[]", "no event field"),
        ('{"event": 7}', "no event field"),
        ('{"event": "media", "streamSid": "MZ1"}', "media with missing or wrong fields"),
        (MEDIA % '{"chunk":"x","payload":"AA=="}', "media with missing or wrong fields"),
        (MEDIA % '{"chunk":"1","payload":"?"}', "media with missing or wrong fields"),
        (MEDIA % '{"chunk":"1","payload":""}', "media with missing or wrong fields"),
        ('{"event":"mark","streamSid":"","mark":{"name":"m1"}}', "mark with missing or wrong fields"),
        ('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"y"}}', "dtmf with missing or wrong fields"),
        ('{"event":"start","streamSid":"MZ1","start":[]}', "start with missing or wrong fields"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_used_is_an_event_too(text: str | bytes, problem: str) -> None:
    assert twilio.parse(text) == MessageBroken("twilio", problem)


def test_audio_marks_and_clears_are_addressed_to_the_stream() -> None:
    sent: list[ToPhone] = [
        PlayAudio("MZ1", "i1", 0, 0, b"\xff\xff"),
        SendMark("MZ1", "m1"),
        ClearPlayback("MZ1"),
    ]
    assert [json.loads(twilio.encode(effect)) for effect in sent] == [
        {"event": "media", "streamSid": "MZ1", "media": {"payload": "//8="}},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "m1"}},
        {"event": "clear", "streamSid": "MZ1"},
    ]


def test_a_start_names_the_call_and_its_token() -> None:
    assert twilio.credentials_of(json.dumps(START)) == ("CA1", "AC1", "once")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"event": "start"}', '{"event": "media", "start": {}}', "\ud800"]
)
def test_what_is_no_start_has_no_credentials(text: str) -> None:
    assert twilio.credentials_of(text) is None


# ---------------------------------------------------------------- signatures of requests


def test_the_published_example_is_accepted() -> None:
    assert twilio.request_is_signed([TOKEN], URL, FORM, SIGNATURE)


def test_the_order_of_parameters_does_not_matter() -> None:
    assert twilio.request_is_signed([TOKEN], URL, FORM[::-1], SIGNATURE)


@pytest.mark.parametrize(
    "signature", [None, "", "x", SIGNATURE[:-1], SIGNATURE + "=", SIGNATURE.lower(), "é\ud800"]
)
def test_any_other_signature_is_refused(signature: str | None) -> None:
    assert not twilio.request_is_signed([TOKEN], URL, FORM, signature)


@pytest.mark.parametrize(
    "url", ["http" + URL[5:], URL + "&x=1", URL.replace("myapp", "Myapp"), URL.replace("foo=1", "foo=2")]
)
def test_a_signature_of_another_url_is_refused(url: str) -> None:
    assert not twilio.request_is_signed([TOKEN], url, FORM, SIGNATURE)


def test_a_parameter_more_or_less_or_changed_is_refused() -> None:
    for form in (FORM[1:], [*FORM, ("Extra", "")], [("CallSid", "CA2"), *FORM[1:]]):
        assert not twilio.request_is_signed([TOKEN], URL, form, SIGNATURE)


def test_during_a_rotation_each_token_signs() -> None:
    assert twilio.request_is_signed(["new", TOKEN], URL, FORM, SIGNATURE)
    assert not twilio.request_is_signed(["new", "newer"], URL, FORM, SIGNATURE)
    assert not twilio.request_is_signed([], URL, FORM, SIGNATURE)


def signed(url: str, form: list[tuple[str, str]], token: str = TOKEN) -> str:
    """Sign as Twilio's page says: the URL, then each pair in the order of names, nothing between."""
    text = url + "".join(name + value for name, value in sorted(form))
    return b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


@pytest.mark.parametrize(
    "form",
    [
        [("A", ""), ("B", "")],
        [("A", " spaced "), ("Ä", "ü+%20")],
        [("Media", "b"), ("Media", "a"), ("Other", "")],
    ],
)
def test_blank_odd_and_repeated_parameters_are_part_of_what_is_signed(form: list[tuple[str, str]]) -> None:
    assert twilio.request_is_signed([TOKEN], URL, form, signed(URL, form))
    assert not twilio.request_is_signed([TOKEN], URL, form[1:], signed(URL, form))


@pytest.mark.parametrize(
    ("configured", "as_signed"),
    [
        ("https://b.example.com:8443/voice", "https://b.example.com/voice"),
        ("https://b.example.com:8443/voice", "https://b.example.com:8443/voice"),
        ("https://b.example.com/voice", "https://b.example.com:443/voice"),
        ("http://127.0.0.1:8080/voice", "http://127.0.0.1:8080/voice"),
        ("https://me:pw@b.example.com/voice", "https://b.example.com/voice"),
        ("https://[::1]:8080/voice", "https://[::1]/voice"),
    ],
)
def test_a_port_may_be_signed_or_left_out(configured: str, as_signed: str) -> None:
    assert twilio.request_is_signed([TOKEN], configured, FORM, signed(as_signed, FORM))


# ---------------------------------------------------------------- signatures of upgrades


@pytest.mark.parametrize("signature", ["hGVJmeOLwZmJhPeWsyRDIvgH8Zc=", "K34XpNWz3mSbbFwtWeDWONZkGSc="])
@pytest.mark.parametrize("url", [SOCKET, SOCKET + "/"])
def test_an_upgrade_may_be_signed_with_a_trailing_slash_or_without(signature: str, url: str) -> None:
    assert twilio.upgrade_is_signed([TOKEN], url, signature)


@pytest.mark.parametrize("signature", ["lZEvGu0Z5D37/G+S9TnXfxg6Af0=", None, "", SIGNATURE])
def test_an_upgrade_signed_as_https_or_not_at_all_is_refused(signature: str | None) -> None:
    assert not twilio.upgrade_is_signed([TOKEN], SOCKET, signature)


@pytest.mark.parametrize(
    "as_signed", ["wss://b.example.com/ws", "wss://b.example.com:8443/ws", "wss://b.example.com/ws/"]
)
def test_an_upgrade_may_be_signed_with_its_port_or_without(as_signed: str) -> None:
    assert twilio.upgrade_is_signed([TOKEN], "wss://b.example.com:8443/ws", signed(as_signed, []))


def test_a_socket_has_the_public_urls_host() -> None:
    assert twilio.websocket_url("https://http.example.com/x") == "wss://http.example.com/x"
    assert twilio.websocket_url("http://127.0.0.1:1") == "ws://127.0.0.1:1"
