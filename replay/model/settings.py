"""The Realtime session object of the stand-in: its defaults, and what a session.update may change in it.

An update is taken whole or refused whole. Values are checked where a bridge could plausibly get them wrong.
"""

import copy
from typing import Any

from replay.model.checks import (
    check_chosen,
    check_keys,
    check_mcp,
    check_noise_reduction,
    check_transcription,
    in_range,
    is_a,
    one_of,
    required,
)
from replay.model.wire import Message, RefusedError

Shape = dict[str, Any]

_FORMAT: Shape = {"type": None, "rate": None}
_TURN_DETECTION: dict[str, Message] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,  # seen on the wire; the reference says 500
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}
INPUT: Shape = {
    "format": _FORMAT,
    "transcription": dict.fromkeys(("model", "language", "languages", "prompt", "keywords", "delay")),
    "noise_reduction": dict.fromkeys(("type", "strength")),
    "turn_detection": dict.fromkeys({**_TURN_DETECTION["server_vad"], "eagerness": None}),
}
_REASONING: Shape = {"effort": None}
_KNOWN: Shape = {
    "audio": {"input": INPUT, "output": {"format": _FORMAT, "voice": None, "speed": None}},
    **dict.fromkeys(("type", "model", "output_modalities", "instructions", "tools", "tool_choice")),
    **dict.fromkeys(("max_output_tokens", "truncation", "tracing", "prompt", "include")),
    "reasoning": _REASONING,
    "parallel_tool_calls": None,
}
_KNOWN_IN_RESPONSE: Shape = {
    "audio": {"output": {"format": _FORMAT, "voice": None}},
    **dict.fromkeys(("conversation", "input", "instructions", "max_output_tokens", "metadata")),
    **dict.fromkeys(("output_modalities", "prompt", "tool_choice", "tools", "parallel_tool_calls")),
    "reasoning": _REASONING,
}
_TOOL_KEYS = dict.fromkeys(("type", "name", "description", "parameters"))
_FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")
_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
_IDLE_RANGE_MS = (5_000, 30_000)  # from the OpenAPI description
_SILENCE_MS = {"low": 1200, "medium": 800, "auto": 800, "high": 500}


def new_session(session_id: str, model: str, expires_at: int) -> Message:
    """The session object of session.created, as the service fills it in; expires_at in epoch seconds."""
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "Be helpful, brief and friendly.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_TURN_DETECTION["server_vad"]),
            },
            "output": {"format": dict(pcm), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def updated_session(session: Message, change: Any) -> Message:
    """The session after an update, as a new object; raises RefusedError when any part is wrong."""
    checked_kind_of_session(change, "realtime")
    check_keys(change, _KNOWN, "session")
    if change.get("model", session["model"]) != session["model"]:
        raise RefusedError("invalid_value", "The model of a session cannot be changed.", "session.model")
    _check_common(change, "session")
    after = copy.deepcopy(session)
    after.update({key: value for key, value in change.items() if key != "audio"})
    for side, parts in (change.get("audio") or {}).items():
        if parts is None:
            continue
        after["audio"][side].update(checked_audio(parts, session["audio"][side], f"session.audio.{side}"))
    return after


def checked_kind_of_session(change: Any, kind: str) -> None:
    """Raise RefusedError for an update that does not say its kind, or says another one than the session's."""
    if not isinstance(change, dict) or "type" not in change:
        raise RefusedError(
            "missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type"
        )
    one_of(change["type"], (kind,), "session.type")


def check_response_request(request: Any) -> Message:
    """The `response` of a response.create, checked; {} when there is none. What is null in it is as the session has it.

    LiveKit's plugin sends `"instructions": null` with each one, and talks to the service with it."""
    if request is None:
        return {}
    check_keys(request, _KNOWN_IN_RESPONSE, "response")
    request = {key: value for key, value in request.items() if value is not None}
    _check_common(request, "response")
    one_of(request.get("conversation", "auto"), ("auto", "none"), "response.conversation")
    is_a(request.get("input", []), list, "response.input")
    return dict(request)


def is_aside(request: Message) -> bool:
    """Say whether a response is made outside the conversation: it reads there, and leaves nothing behind."""
    return bool(request.get("conversation") == "none")


def silence_ms(turn_detection: Message) -> int:
    """How long the caller must be quiet for a turn to end; semantic_vad is a plain wait by eagerness."""
    if turn_detection["type"] == "semantic_vad":
        return _SILENCE_MS[turn_detection["eagerness"]]
    return int(turn_detection["silence_duration_ms"])


def _check_common(change: Message, path: str) -> None:
    if change.get("output_modalities", ["audio"]) not in (["audio"], ["text"]):
        raise RefusedError(
            "invalid_value", "Invalid modalities: use ['audio'] or ['text'].", f"{path}.output_modalities"
        )
    limit = change.get("max_output_tokens", "inf")
    if limit != "inf":
        in_range(limit, 1, 4096, f"{path}.max_output_tokens")
    choice = change.get("tool_choice", "auto")
    if not isinstance(choice, dict):
        one_of(choice, ("none", "auto", "required"), f"{path}.tool_choice")
    elif "tools" in change:
        _check_is_declared(choice, change["tools"], path)
    is_a(change.get("instructions", ""), str, f"{path}.instructions")
    check_chosen(change, path)
    is_a(change.get("tools", []), list, f"{path}.tools")
    for index, tool in enumerate(change.get("tools", [])):
        _check_tool(tool, f"{path}.tools[{index}]")


def _check_is_declared(choice: Message, tools: list[Message], path: str) -> None:
    names = [tool.get("name") for tool in tools if isinstance(tool, dict)]
    if choice.get("type") == "function" and choice.get("name") not in names:
        text = f"Tool choice '{choice.get('name')}' not found in '{path}.tools'."
        raise RefusedError("invalid_value", text, f"{path}.tool_choice")


def _check_tool(tool: Any, path: str) -> None:
    if isinstance(tool, dict) and tool.get("type") == "mcp":
        return check_mcp(tool, path)
    check_keys(tool, _TOOL_KEYS, path)
    for key in ("type", "name"):
        required(tool, key, path)
    return None


def checked_audio(parts: Message, now: Message, path: str) -> Message:
    """One side's settings as they are to be taken; raises RefusedError for what the service does not know."""
    parts = dict(parts)
    if "format" in parts:
        _check_format(parts["format"], f"{path}.format")
    if isinstance(parts.get("voice"), str):
        one_of(parts["voice"], _VOICES, f"{path}.voice")
    if "speed" in parts:
        in_range(parts["speed"], 0.25, 1.5, f"{path}.speed")
    check_transcription(parts.get("transcription"), f"{path}.transcription")
    check_noise_reduction(parts.get("noise_reduction"), f"{path}.noise_reduction")
    if parts.get("turn_detection"):
        parts["turn_detection"] = _checked_turns(
            parts["turn_detection"], now["turn_detection"], f"{path}.turn_detection"
        )
    return parts


def _check_format(value: Any, path: str) -> None:
    kind = (value or {}).get("type")
    one_of(kind, _FORMATS, f"{path}.type")
    if kind != "audio/pcm" and "rate" in value:
        raise RefusedError("unknown_parameter", f"Unknown parameter: '{path}.rate'.", f"{path}.rate")
    if kind == "audio/pcm":
        in_range(value.get("rate", 24000), 24000, 24000, f"{path}.rate")


def _checked_turns(value: Message, now: Message | None, path: str) -> Message:
    kind = value.get("type", (now or {}).get("type"))
    one_of(kind, tuple(_TURN_DETECTION), f"{path}.type")
    defaults = _TURN_DETECTION[str(kind)]
    check_keys(value, defaults, path)
    in_range(value.get("threshold", 0.5), 0, 1, f"{path}.threshold")
    in_range(value.get("silence_duration_ms", 200), 0, 60_000, f"{path}.silence_duration_ms")
    in_range(value.get("prefix_padding_ms", 300), 0, 60_000, f"{path}.prefix_padding_ms")
    if value.get("idle_timeout_ms") is not None:
        in_range(value["idle_timeout_ms"], *_IDLE_RANGE_MS, f"{path}.idle_timeout_ms")
    one_of(value.get("eagerness", "auto"), tuple(_SILENCE_MS), f"{path}.eagerness")
    base = now if now and now["type"] == kind else defaults
    return {**base, **value}
