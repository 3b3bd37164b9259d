"""Deltas of the model's are read a quick way; it says what the general one would, whatever a message looks like."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_messages import odd_messages

from bridge.heart.effects import AppendAudio
from bridge.heart.events import AgentWords, ModelSpoke
from bridge.wire import realtime

PART = {"event_id": "e1", "response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
MESSAGES: list[dict[str, Any]] = [
    {"type": "response.output_audio.delta", **PART, "delta": "//8="},
    {"type": "response.output_audio_transcript.delta", **PART, "delta": " noon", "obfuscation": "xyz"},
    {"type": "response.output_audio.done", **PART},
]


@settings(max_examples=1500, deadline=None)
@given(odd_messages(MESSAGES))
def test_a_message_says_the_same_read_quickly_and_by_the_general_way(text: str) -> None:
    assert realtime.parse(text) == realtime._other_event(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="AZaz09+/=-_ \n\u00e9", max_size=12))
def test_base64_is_what_it_is_for_python(delta: str) -> None:
    text = msgspec.json.encode(MESSAGES[0] | {"delta": delta}).decode()
    assert realtime.parse(text) == realtime._other_event(text)


def test_deltas_as_the_model_writes_them_are_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "_other_event", None)
    sound, words, _ = (msgspec.json.encode(message).decode() for message in MESSAGES)
    assert realtime.parse(sound) == ModelSpoke("r1", "i1", 0, b"\xff\xff")
    assert realtime.parse(words) == AgentWords("i1", 0, " noon")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=900))
def test_an_append_put_together_of_pieces_is_what_an_encoder_writes(audio: bytes) -> None:
    message = {"type": "input_audio_buffer.append", "audio": audio}
    assert realtime.encode(AppendAudio(1, 1, audio)).encode() == msgspec.json.encode(message)
