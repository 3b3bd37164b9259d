"""Frames of the caller's are read a quick way; it says what the general one would, whatever a message looks like."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_messages import odd_messages

from bridge.heart.effects import ClearPlayback, PlayAudio, SendMark
from bridge.heart.events import CallerSpoke
from bridge.wire import twilio

MESSAGES: list[dict[str, Any]] = [
    {
        "event": "media", "sequenceNumber": "4", "streamSid": "MZ1",
        "media": {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": "//8="},
    },
    {"event": "mark", "sequenceNumber": "5", "streamSid": "MZ1", "mark": {"name": "m1"}},
    {"event": "dtmf", "streamSid": "MZ1", "sequenceNumber": "6", "dtmf": {"track": "inbound_track", "digit": "1"}},
]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(odd_messages(MESSAGES))
def test_a_message_says_the_same_read_quickly_and_by_the_general_way(text: str) -> None:
    assert twilio.parse(text) == twilio._other_event(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="AZaz09+/=-_ \n\u00e9", max_size=12))
def test_base64_is_what_it_is_for_python(payload: str) -> None:
    text = msgspec.json.encode(
        {"event": "media", "streamSid": "MZ1", "media": {"chunk": "1", "payload": payload}}
    )
    assert twilio.parse(text.decode()) == twilio._other_event(text.decode())


def test_a_frame_as_twilio_writes_it_is_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "_other_event", None)
    assert twilio.parse(msgspec.json.encode(MESSAGES[0]).decode()) == CallerSpoke("MZ1", 2, b"\xff\xff")


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, st.binary(max_size=900))
def test_what_is_put_together_of_pieces_is_what_an_encoder_writes(sid: str, name: str, audio: bytes) -> None:
    media = {"event": "media", "streamSid": sid, "media": {"payload": audio}}
    mark = {"event": "mark", "streamSid": sid, "mark": {"name": name}}
    clear = {"event": "clear", "streamSid": sid}
    sent = [PlayAudio(sid, "i", 0, 0, audio), SendMark(sid, name), ClearPlayback(sid)]
    assert [twilio.encode(effect).encode() for effect in sent] == [
        msgspec.json.encode(message) for message in (media, mark, clear)
    ]
