"""Every kind of message the Realtime stand-in can send, held to the published models of the service.

`Client.receive` does the holding; what is deliberately no message of the service (garbage) is tried elsewhere.
"""

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from model_client import AT_ONCE, QUIET, SETTINGS, SPEECH, Client, checker, connected, running

from replay.model.script import CallRemote, CallTool, Delivery, Faults, Say, Script, Transcription


@attrs.frozen
class Frame:
    """A frame to send as it is."""

    data: str | bytes


Step = str | bytes | dict[str, Any] | Frame
"""Wait for an event of that type; say that audio; send that message, {item} and {call} filled in."""

HELLO = Say(b"\x55" * 6400, "Hello, this is the clinic.")
SCRIPT = Script(
    opening=(HELLO, CallTool("look_up", {"day": "Monday"})),
    turns=((HELLO,),),
    answers=((HELLO,),),
    heard=("When do you close?",),
    transcription=Transcription(delay_ms=0),
    delivery=AT_ONCE,
)
SLOW = attrs.evolve(SCRIPT, delivery=Delivery(response_delay_ms=0, first_delta_ms=20, speed=1.0))
ASK: Step = {"type": "response.create"}
CANCEL: Step = {"type": "response.cancel"}
COMMIT: Step = {"type": "input_audio_buffer.commit"}
START: tuple[Step, ...] = (
    "session.created",
    {"type": "session.update", "session": SETTINGS},
    "session.updated",
)
GREETED: tuple[Step, ...] = (*START, ASK, "response.done")
SPEAKING: tuple[Step, ...] = (*START, ASK, "response.output_audio.delta")
TYPED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Monday?"}]}
OUTPUT = {"type": "function_call_output", "call_id": "{call}", "output": "free"}
BINARY = Frame(b"\x00")
BROKEN = Frame('{"type": ')
AUTH = (b"Authorization", b"Bearer sk-test")


def script(**changes: Any) -> Script:
    return attrs.evolve(SCRIPT, **changes)


def faulty(**faults: Any) -> Script:
    return attrs.evolve(SCRIPT, faults=Faults(**faults))


def update(**session: Any) -> Step:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def listen(**parts: Any) -> Step:
    return update(audio={"input": parts})


def create(item: dict[str, Any]) -> Step:
    return {"type": "conversation.item.create", "item": item}


def of_item(verb: str, **fields: Any) -> Step:
    return {"type": f"conversation.item.{verb}", "item_id": "{item}", **fields}


def truncate(audio_end_ms: int) -> Step:
    return of_item("truncate", content_index=0, audio_end_ms=audio_end_ms)


def status(name: str) -> dict[str, Any]:
    return {"response": {"status": name}}


def details(**fields: Any) -> dict[str, Any]:
    return {"response": {"status_details": fields}}


@attrs.frozen
class Case:
    """A conversation, the type of the event it leads to, and what stands in that event."""

    steps: tuple[Step, ...]
    end: str
    holds: dict[str, Any] = attrs.field(factory=dict)
    script: Script = SCRIPT
    query: str = "?model=gpt-realtime-2.1"
    headers: tuple[tuple[bytes, bytes], ...] = (AUTH,)


def wrong(code: str, *steps: Step, **setting: Any) -> Case:
    """A conversation that leads to an error event of that code."""
    return Case(steps, "error", {"error": {"code": code}}, **setting)


DONE = "response.done"
HEARD = "conversation.item.input_audio_transcription"
CUT = {"content": [{"type": "output_audio", "transcript": ""}]}
BETA = (b"OpenAI-Beta", b"realtime=v1")
TURN = (*GREETED, SPEECH + QUIET)
UNHEARD = script(transcription=Transcription("failed", 0))
LATE = attrs.evolve(SLOW, delivery=attrs.evolve(SLOW.delivery, late_deltas=1))
IN_TWO = script(delivery=attrs.evolve(AT_ONCE, items=2))
CHOSEN: dict[str, Any] = {
    "reasoning": {"effort": "low"},
    "parallel_tool_calls": False,
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 5000}},
    "tracing": {"workflow_name": "calls", "metadata": {"shop": "3"}},
    "audio": {
        "input": {
            "transcription": {
                "model": "gpt-transcribe", "languages": ["en", "de"], "prompt": "A shop.", "keywords": ["Anna"],
            },
            "noise_reduction": {"type": "far_field", "strength": 0.5},
        },
        "output": {"speed": 1.2},
    },
}  # fmt: skip
CRM: dict[str, Any] = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example.com/mcp"}
REMOTE = Script(opening=(CallRemote("crm", "look_up"),), answers=((HELLO,),), delivery=AT_ONCE)
BROKEN_REMOTE = attrs.evolve(REMOTE, opening=(CallRemote("crm", "look_up", fails=True),))
FREE: tuple[Step, ...] = (*START, update(tools=[CRM | {"require_approval": "never"}]), ASK)
ASKING: tuple[Step, ...] = (*START, update(tools=[CRM]), ASK, "response.done")
APPROVED = create({"type": "mcp_approval_response", "approval_request_id": "{asked}", "approve": True})
NOT_ASKED = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
CASES = {
    "a reply with a call": Case(GREETED, "rate_limits.updated"),
    "a reply in two items": Case((*START, ASK), DONE, status("completed"), IN_TWO),
    "a typed reply": Case((*START, update(output_modalities=["text"]), ASK), DONE, status("completed")),
    "an empty reply": Case((*START, ASK), DONE, {"response": {"output": []}}, Script(delivery=AT_ONCE)),
    "a caller's turn": Case(TURN, DONE, status("completed")),
    "a transcript": Case(TURN, f"{HEARD}.completed", {"transcript": "When do you close?"}),
    "no transcript": Case(TURN, f"{HEARD}.failed", {"error": {"code": "audio_unintelligible"}}, UNHEARD),
    "a typed turn": Case((*GREETED, create(TYPED)), "conversation.item.done", {"item": {"role": "user"}}),
    "a tool's output": Case(
        (*GREETED, create(OUTPUT)), "conversation.item.done", {"item": {"output": "free"}}
    ),
    "a system message": Case((*START, create({**TYPED, "role": "system"})), "conversation.item.added"),
    "cut by the caller": Case((*SPEAKING, SPEECH), DONE, details(reason="turn_detected"), SLOW),
    "cut by the client": Case((*SPEAKING, CANCEL), DONE, details(reason="client_cancelled"), SLOW),
    "late deltas": Case((*SPEAKING, CANCEL), DONE, status("cancelled"), LATE),
    "truncated": Case((*GREETED, truncate(20)), "conversation.item.truncated", {"audio_end_ms": 20}),
    "retrieved": Case((*GREETED, of_item("retrieve")), "conversation.item.retrieved"),
    "retrieved when cut": Case(
        (*GREETED, truncate(20), of_item("retrieve")), "conversation.item.retrieved", {"item": CUT}
    ),
    "deleted": Case((*GREETED, of_item("delete")), "conversation.item.deleted"),
    "cleared": Case((*START, {"type": "input_audio_buffer.clear"}), "input_audio_buffer.cleared"),
    "committed": Case((*START, listen(turn_detection=None), SPEECH, COMMIT), "input_audio_buffer.committed"),
    "incomplete": Case((*START, update(max_output_tokens=1), ASK), DONE, details(reason="max_output_tokens")),
    "failed": Case(
        (*GREETED, ASK), DONE, details(error={"code": "rate_limit_exceeded"}), faulty(fail_responses=1)
    ),
    "24 kHz": Case((*START, listen(format={"type": "audio/pcm", "rate": 24000})), "session.updated"),
    "A-law": Case((*START, listen(format={"type": "audio/pcma"})), "session.updated"),
    "semantic turns": Case((*START, listen(turn_detection={"type": "semantic_vad"})), "session.updated"),
    "no turns": Case((*START, listen(turn_detection=None)), "session.updated"),
    "an MCP server": Case((*START, update(tools=[CRM])), "mcp_list_tools.completed"),
    "a remote tool": Case(FREE, "response.mcp_call.completed", script=REMOTE),
    "a remote tool that fails": Case(FREE, "response.mcp_call.failed", script=BROKEN_REMOTE),
    "a remote tool, approved": Case((*ASKING, APPROVED), "response.mcp_call.completed", script=REMOTE),
    "an answer after it": Case(
        (*FREE, "response.mcp_call.completed", ASK), "response.output_audio_transcript.done", script=REMOTE
    ),
    "all that can be chosen": Case((*START, update(**CHOSEN)), "session.updated", {"session": CHOSEN}),
}
ERRORS = {
    "no session type": wrong("missing_required_parameter", *START, {"type": "session.update", "session": {}}),
    "an unknown setting": wrong("unknown_parameter", *START, update(mood="good")),
    "a wrong choice": wrong("invalid_value", *START, update(tool_choice="maybe")),
    "a wrong type": wrong("invalid_type", *START, update(tools="all")),
    "too small": wrong("integer_below_min_value", *START, update(max_output_tokens=0)),
    "too large": wrong("integer_above_max_value", *START, update(max_output_tokens=5000)),
    "a decimal too large": wrong("decimal_above_max_value", *START, update(audio={"output": {"speed": 9.5}})),
    "an unknown event": wrong("invalid_value", *START, {"type": "response.think"}),
    "an empty commit": wrong("input_audio_buffer_commit_empty", *START, COMMIT),
    "nothing to cancel": wrong("response_cancel_not_active", *START, CANCEL),
    "a second response": wrong("conversation_already_has_active_response", *SPEAKING, ASK, script=SLOW),
    "truncated too late": wrong("invalid_value", *GREETED, truncate(9000)),
    "no such truncate": wrong("item_truncate_invalid_item_id", *START, truncate(1)),
    "no such retrieve": wrong("item_retrieve_invalid_item_id", *START, of_item("retrieve")),
    "no such delete": wrong("item_delete_invalid_item_id", *START, of_item("delete")),
    "no such approval": wrong("invalid_value", *START, create({**NOT_ASKED})),
    "too long an id": wrong("string_above_max_length", *START, create({**TYPED, "id": "x" * 33})),
    "no such call": wrong("invalid_tool_call_id", *START, create(OUTPUT)),
    "a stray error": wrong(
        "conversation_already_has_active_response", *TURN, script=faulty(stray_errors=True)
    ),
    "an unknown error": wrong("flux_capacitor_drained", *TURN, script=faulty(garbage=("unknown_error",))),
    "too long a session": wrong("session_expired", script=faulty(close_after_ms=0)),
    "the old shape": wrong("beta_api_shape_disabled", headers=(AUTH, BETA)),
    "no model": wrong("missing_model", query=""),
    "no such model": wrong("model_not_found", script=faulty(refuse="model_not_found")),
    "a wrong key": wrong("invalid_api_key", script=faulty(refuse="invalid_api_key")),
    "no text frame": wrong("invalid_event", *START, BINARY),
    "no JSON": wrong("invalid_json", *START, BROKEN),
}
ALL = CASES | ERRORS
REFUSED: dict[str, dict[str, Any]] = {
    "reasoning.effort": {"reasoning": {"effort": "hard"}},
    "reasoning.depth": {"reasoning": {"depth": 1}},
    "parallel_tool_calls": {"parallel_tool_calls": "yes"},
    "truncation": {"truncation": "never"},
    "truncation.retention_ratio": {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
    "truncation.token_limits.x": {"truncation": {"type": "retention_ratio", "token_limits": {"x": 1}}},
    "tracing": {"tracing": "on"},
    "tracing.who": {"tracing": {"who": "x"}},
    "audio.input.transcription.prompt": {
        "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper", "prompt": "x"}}}
    },
    "audio.input.transcription.keywords": {
        "audio": {"input": {"transcription": {"model": "whisper-1", "keywords": ["x"]}}}
    },
    "audio.input.noise_reduction.type": {"audio": {"input": {"noise_reduction": {"type": "loud"}}}},
    "audio.input.turn_detection.idle_timeout_ms": {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 10}}}
    },
    "tools[0].mood": {"tools": [CRM | {"mood": 1}]},
    "tools[0]": {"tools": [CRM | {"tunnel_id": "t"}]},
    "tools[0].server_label": {"tools": [CRM | {"server_label": ""}]},
    "tools[0].require_approval": {"tools": [CRM | {"require_approval": "maybe"}]},
    "tools[0].require_approval.never.who": {"tools": [CRM | {"require_approval": {"never": {"who": 1}}}]},
    "tools[0].allowed_tools[0]": {"tools": [CRM | {"allowed_tools": [1]}]},
    "audio.output.speed": {"audio": {"output": {"speed": 3}}},
}


@pytest.mark.parametrize("param", REFUSED)
async def test_a_value_that_the_service_does_not_take_is_refused_by_its_name(param: str) -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.until("session.created")
        await client.send("session.update", session={"type": "realtime", **REFUSED[param]})
        assert (await client.until("error"))["error"]["param"] == f"session.{param}"


async def test_what_is_null_in_a_request_for_a_response_is_as_the_session_has_it() -> None:
    nothing = dict.fromkeys(
        ("instructions", "tools", "tool_choice", "max_output_tokens", "audio", "metadata")
    )
    async with running(SCRIPT) as server, connected(server) as client:
        await client.start(SETTINGS)
        await client.send("response.create", response=nothing)
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        assert done["response"]["max_output_tokens"] == "inf"


ELSEWHERE = {"error", "input_audio_buffer.timeout_triggered"}
"""The errors have cases of their own; an idle time-out takes five seconds, which test_model_idle.py does not wait."""


def filled(step: dict[str, Any], client: Client) -> dict[str, Any]:
    """Put in the ids of the first things the model said and called."""
    added = [event["item"] for event in client.events("response.output_item.added")]
    ids = {
        "item": next((item["id"] for item in added if item["type"] == "message"), "item_none"),
        "asked": next((item["id"] for item in added if item["type"] == "mcp_approval_request"), "mcpr_none"),
        "call": next((item["call_id"] for item in added if item["type"] == "function_call"), "call_none"),
    }
    text = json.dumps(step)
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value)
    return dict(json.loads(text))


async def play(case: Case) -> tuple[dict[str, Any], set[str]]:
    """Hold the conversation; gives the event it leads to and the types of all that came."""
    async with (
        running(case.script) as server,
        connected(server, query=case.query, headers=case.headers) as client,
    ):
        for step in case.steps:
            await take(step, client)
        return await client.until(case.end), set(client.kinds())


async def take(step: Step, client: Client) -> None:
    match step:
        case Frame():
            await client.ws.send_message(step.data)
        case str():
            await client.until(step)
        case bytes():
            await client.say(step)
        case _:
            fields = filled(step, client)
            await client.send(fields.pop("type"), **fields)


def holds(part: Any, whole: Any) -> bool:
    if not isinstance(part, dict):
        return bool(part == whole)
    return all(key in whole and holds(value, whole[key]) for key, value in part.items())


@pytest.mark.parametrize("name", ALL)
async def test_it_is_a_message_of_the_service(name: str) -> None:
    event, _ = await play(ALL[name])
    assert holds(ALL[name].holds, event), event


async def test_no_message_is_left_out() -> None:
    played: set[str] = set()
    for case in CASES.values():
        played |= (await play(case))[1]
    assert played | ELSEWHERE == {
        kind for side, kind in checker.ADAPT if side == "s" and is_in_the_code(kind)
    }


CODE = "\n".join(path.read_text() for path in (Path(__file__).parents[3] / "replay" / "model").rglob("*.py"))


def is_in_the_code(kind: str) -> bool:
    """Whether the stand-in's code speaks of an event type, whole or with its last word put on."""
    *_, last = kind.rpartition(".")
    return f'"{kind}"' in CODE or (kind.startswith(HEARD) and f'"{{kind}}.{last}"' in CODE)


def test_every_error_code_has_a_case() -> None:
    codes = set(re.findall(r'(?:RefusedError|\.error)\(\s*"(\w+)"', CODE))
    assert codes <= {case.holds["error"]["code"] for case in ERRORS.values()}
