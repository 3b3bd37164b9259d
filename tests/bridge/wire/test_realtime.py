"""The model's side of the wire: messages, the session we ask for, and what each error asks of the call."""

import json
from typing import Any

import pytest
from attrs import evolve
from heart import TOOLS, agent_with

from bridge.agents import SemanticVad
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
from bridge.wire import realtime
from bridge.wire.realtime import Policy

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
        (UpdateSession("b1", {"a": 1}), {"type": "session.update", "event_id": "b1", "session": {"a": 1}}),
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


# ---------------------------------------------------------------- the session


def test_the_session_speaks_ulaw_both_ways_and_names_its_type() -> None:
    session = realtime.session_of(agent_with(), TOOLS)
    assert (session["type"], session["output_modalities"]) == ("realtime", ["audio"])
    assert (
        session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    )
    assert [tool["name"] for tool in session["tools"]] == ["look_up", "book_table"]


def test_turn_detection_is_sent_as_configured() -> None:
    session = realtime.session_of(agent_with(create=False), ())
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 300, "silence_duration_ms": 500,
        "create_response": False, "interrupt_response": True,
    }  # fmt: skip


def test_semantic_turn_detection_has_no_thresholds() -> None:
    agent = evolve(agent_with(), turn_detection=SemanticVad(eagerness="low"))
    assert realtime.session_of(agent, ())["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True,
    }  # fmt: skip


def test_what_is_switched_off_is_sent_as_null() -> None:
    agent = evolve(agent_with(), noise_reduction="none", transcription_model="")
    hearing = realtime.session_of(agent, ())["audio"]["input"]
    assert (hearing["noise_reduction"], hearing["transcription"]) == (None, None)


def test_the_opening_is_the_greeting_in_the_agents_language() -> None:
    opening = realtime.opening_instructions(evolve(agent_with(), greeting="Guten Tag!", language="de"))
    assert "Guten Tag!" in opening
    assert "'de'" in opening


# ---------------------------------------------------------------- error policy


@pytest.mark.parametrize(
    ("code", "kind", "policy"),
    [
        ("conversation_already_has_active_response", "invalid_request_error", Policy.IGNORE),
        ("response_cancel_not_active", "invalid_request_error", Policy.IGNORE),
        ("input_audio_buffer_commit_empty", "invalid_request_error", Policy.IGNORE),
        ("rate_limit_exceeded", "tokens", Policy.RETRY),
        ("", "server_error", Policy.RETRY),
        ("credit_balance_exhausted", "insufficient_quota", Policy.END),
        ("something_new", "insufficient_quota", Policy.END),
        ("session_expired", "invalid_request_error", Policy.END),
        ("invalid_api_key", "invalid_request_error", Policy.END),
        ("invalid_value", "invalid_request_error", Policy.NOTE),
        ("something_new", "", Policy.NOTE),
        ("", "", Policy.NOTE),
    ],
)
def test_each_error_asks_something_of_the_call(code: str, kind: str, policy: Policy) -> None:
    assert realtime.policy_of(code, kind, "") is policy


def test_a_truncation_past_the_end_is_harmless_whatever_its_code() -> None:
    said = "Audio content of 9250ms is already shorter than 57340ms"
    assert realtime.policy_of("invalid_value", "invalid_request_error", said) is Policy.IGNORE


def test_a_failure_is_told_as_json() -> None:
    assert json.loads(realtime.failure_output("busy", 'too "many"')) == {
        "error": "busy",
        "message": 'too "many"',
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"reason": "done"}', "done"),
        ('{"reason": "' + "x" * 300 + '"}', "x" * 200),
        ("[" * 5000, "the agent hung up"),
    ],
)
def test_the_reason_of_a_hang_up_is_read_with_care(arguments: str, reason: str) -> None:
    assert realtime.reason_of(arguments) == reason


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
