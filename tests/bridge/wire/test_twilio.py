"""Twilio's side of the wire: messages."""

import json
from typing import Any

import pytest
from msgspec import Raw

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


FRAME = '{"chunk": "7", "payload": "/w=="}'
FRAMES = [
    MEDIA % FRAME,
    '{"event": "media", "sequenceNumber": "4", "streamSid": "MZ1", "media": {"track": "inbound", "chunk": "2",'
    ' "timestamp": "5", "payload": "//8="}}',
    MEDIA % '{"chunk": 7, "payload": "/w=="}',
    MEDIA % '{"chunk": "seven", "payload": "/w=="}',
    MEDIA % '{"chunk": "7", "payload": "/w="}',
    MEDIA % '{"chunk": "7", "payload": ""}',
    MEDIA % '{"chunk": "7"}',
    MEDIA % '{"chunk": "7", "payload": "/w==", "later": {"than": ["today"]}}',
    MEDIA % '{"chunk": "7", "payload": "/w==", "later": 1e999}',
    MEDIA % "[]",
    (MEDIA % FRAME).replace("MZ1", ""),
    (MEDIA % FRAME).replace('"MZ1"', "5"),
    (MEDIA % FRAME).replace("}}", '}, "later": 1e999}'),
    (MEDIA % FRAME).replace("}}", '}, "later": "\\ud800"}'),
    (MEDIA % FRAME).replace("}}", '}, "event": "mark", "mark": {"name": "m1"}}'),
    (MEDIA % FRAME) + "{}",
    (MEDIA % FRAME)[:-1],
]  # fmt: skip


@pytest.mark.parametrize("text", FRAMES)
def test_a_frame_is_read_quickly_and_says_the_same(text: str) -> None:
    assert twilio.parse(text) == twilio.parse(Raw(text.encode())) == twilio._other_event(text)


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


def test_a_socket_has_the_public_urls_host() -> None:
    assert twilio.websocket_url("https://http.example.com/x") == "wss://http.example.com/x"
    assert twilio.websocket_url("http://127.0.0.1:1") == "ws://127.0.0.1:1"
