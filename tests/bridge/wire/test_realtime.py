"""The model's side of the wire: what its messages say, and how ours are written."""

import json
from typing import Any

import pytest
from heart import TOOLS, agent_with

from bridge.heart.effects import (
    AddText,
    AnswerTool,
    AppendAudio,
    CancelResponse,
    CreateResponse,
    ToModel,
    TruncateItem,
    UpdateSession,
)
from bridge.heart.events import (
    CallerWords,
    Event,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelErred,
    ModelFinishedAudio,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TurnCommitted,
)
from bridge.heart.session_settings import SessionSettings
from bridge.wire import realtime
from bridge.wire.realtime_session import session_of

SETTINGS = SessionSettings(agent_with(), TOOLS)

FUNCTION = {
    "type": "function_call",
    "status": "completed",
    "call_id": "c1",
    "name": "look_up",
    "arguments": "{}",
}
DELTA = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0, "delta": "//8="}


def message(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": None, "obfuscation": "x", **fields})


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (message("session.created", session={"expires_at": 1767233035}), SessionCreated(1767233035)),
        (message("session.created", session={}), SessionCreated(0)),
        (message("session.updated", session={}), SessionUpdated()),
        (
            message("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=936),
            SpeechStarted("u1", 936),
        ),
        (
            message("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=3808),
            SpeechStopped("u1", 3808),
        ),
        (message("input_audio_buffer.committed", item_id="u1", previous_item_id=None), TurnCommitted("u1")),
        (message("response.created", response={"id": "r1"}), ResponseCreated("r1")),
        (message("response.output_audio.delta", **DELTA), ModelSpoke("r1", "i1", 0, b"\xff\xff")),
        (message("response.output_audio.done", item_id="i1", content_index=0), ModelFinishedAudio("i1", 0)),
        (
            message("response.output_item.done", response_id="r1", item=FUNCTION),
            ToolCalled("r1", "c1", "look_up", "{}"),
        ),
        (
            message("response.output_item.done", response_id="r1", item={"type": "message"}),
            MessageIgnored("response.output_item.done"),
        ),
        (message("rate_limits.updated"), MessageIgnored("rate_limits.updated")),
        (message("response.sang"), MessageUnknown("model", "response.sang")),
    ],
)
def test_a_message_is_understood(text: str, event: Event) -> None:
    assert realtime.parse(text) == event


def test_words_of_the_callers_are_told_as_they_come_and_what_is_none_is_ignored() -> None:
    kind = "conversation.item.input_audio_transcription.delta"
    assert realtime.parse(message(kind, item_id="u1", content_index=0, delta="No,")) == CallerWords(
        "u1", "No,"
    )
    for odd in ({}, {"item_id": "u1"}, {"item_id": 7, "delta": "No"}, {"item_id": "u1", "delta": ""}):
        assert realtime.parse(message(kind, **odd)) == MessageIgnored(kind)


def test_a_function_call_that_was_cut_off_is_not_run() -> None:
    cut = FUNCTION | {"status": "incomplete"}
    text = message("response.output_item.done", response_id="r1", item=cut)
    assert realtime.parse(text) == MessageIgnored("response.output_item.done")


def test_a_function_call_is_taken_from_one_of_its_three_messages() -> None:
    text = message("response.function_call_arguments.done", call_id="c1", name="look_up", arguments="{}")
    assert isinstance(realtime.parse(text), MessageIgnored)


@pytest.mark.parametrize(
    ("response", "event"),
    [
        ({"id": "r1", "status": "completed", "status_details": None}, ResponseFinished("r1", "completed")),
        (
            {"id": "r1", "status": "cancelled", "status_details": {"reason": "turn_detected"}},
            ResponseFinished("r1", "cancelled", "turn_detected"),
        ),
        (
            {"id": "r1", "status": "failed", "status_details": {"error": {"type": "server_error", "code": None}}},
            ResponseFinished("r1", "failed", "", "server_error"),
        ),
        (
            {"id": "r1", "status": "failed", "status_details": {"error": {"code": "x", "message": "m"}}},
            ResponseFinished("r1", "failed", "", "x", "m"),
        ),
    ],
)  # fmt: skip
def test_the_end_of_a_response_says_how(response: dict[str, Any], event: Event) -> None:
    assert realtime.parse(message("response.done", response=response)) == event


def test_an_error_may_leave_everything_open() -> None:
    nothing = {"type": None, "code": None, "message": None, "param": None, "event_id": None}
    assert realtime.parse(message("error", error=nothing)) == ModelErred("", "", "", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{}", "binary frame"),
        ("{", "not JSON"),
        ("7", "no type field"),
        ('{"type": null}', "no type field"),
        (message("response.created", response=None), "response.created with missing or wrong fields"),
        (message("response.output_audio.delta", **DELTA | {"delta": "?"}),
         "response.output_audio.delta with missing or wrong fields"),
        (message("response.output_audio.delta", **DELTA | {"item_id": ""}),
         "response.output_audio.delta with missing or wrong fields"),
        (message("response.output_audio.delta", **DELTA | {"content_index": True}),
         "response.output_audio.delta with missing or wrong fields"),
        (message("error", error="bad"), "error with missing or wrong fields"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_used_is_an_event_too(text: str | bytes, problem: str) -> None:
    assert realtime.parse(text) == MessageBroken("model", problem)


@pytest.mark.parametrize(
    ("effect", "wire"),
    [
        (AppendAudio(1, 1, b"\xff\xff"), {"type": "input_audio_buffer.append", "audio": "//8="}),
        (UpdateSession("b1", SETTINGS), {"type": "session.update", "event_id": "b1", "session": session_of(SETTINGS)}),
        (CreateResponse("b1"), {"type": "response.create", "event_id": "b1"}),
        (
            CreateResponse("b1", "Say hello"),
            {"type": "response.create", "event_id": "b1",
             "response": {"instructions": "Say hello", "tool_choice": "none"}},
        ),
        (CancelResponse("b1", "r1"), {"type": "response.cancel", "event_id": "b1", "response_id": "r1"}),
        (
            TruncateItem("b1", "i1", 0, 420),
            {"type": "conversation.item.truncate", "event_id": "b1", "item_id": "i1", "content_index": 0,
             "audio_end_ms": 420},
        ),
        (
            AnswerTool("b1", "c1", "7 pm"),
            {"type": "conversation.item.create", "event_id": "b1",
             "item": {"type": "function_call_output", "call_id": "c1", "output": "7 pm"}},
        ),
        (
            AddText("b1", "user", "1"),
            {"type": "conversation.item.create", "event_id": "b1",
             "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "1"}]}},
        ),
    ],
)  # fmt: skip
def test_an_effect_becomes_one_message(effect: ToModel, wire: dict[str, Any]) -> None:
    assert json.loads(realtime.encode(effect)) == wire


@pytest.mark.parametrize("number", [-1, 2**31, 2**70, 1e308, True, "7", None])
@pytest.mark.parametrize("field", ["audio_start_ms", "content_index"])
def test_a_number_that_no_record_could_hold_makes_a_message_unusable(field: str, number: Any) -> None:
    said = {
        "audio_start_ms": message("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=number),
        "content_index": message("response.output_audio.delta", **{**DELTA, "content_index": number}),
    }
    assert isinstance(realtime.parse(said[field]), MessageBroken)


@pytest.mark.parametrize("moment", [-1, 2**70, 1e308, "soon", None, {}])
def test_a_session_may_expire_at_no_moment_there_is(moment: Any) -> None:
    assert realtime.parse(message("session.created", session={"expires_at": moment})) == SessionCreated(0)
