"""Which client events and values the stand-in takes; what it says of a wrong one has the service's codes and words.

They are those of the published types; whether the model of a session can do what is asked is not looked at.
"""

from typing import Any, Final

import msgspec

from replay.model.wire import Message, RefusedError

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh")
MOST_METADATA: Final = 16
SERVERS: Final = ("server_url", "connector_id", "tunnel_id")
"""Where an MCP server is; one of them is given."""

SEVERAL: Final = ("gpt-transcribe", "gpt-live-transcribe")
"""Transcription models that take languages and keywords."""

_TRUNCATION: Final = {"type": None, "retention_ratio": None, "token_limits": {"post_instructions": None}}
_TRACING: Final = {"workflow_name": None, "group_id": None, "metadata": None}
_MCP: Final = dict.fromkeys(
    ("type", "server_label", "server_description", "authorization", "headers", "allowed_tools", "allowed_callers",
     "require_approval", "defer_loading", *SERVERS)
)  # fmt: skip
_FILTER: Final = {"tool_names": None, "read_only": None}


def check_keys(value: Any, known: dict[str, Any], path: str) -> None:
    """Refuse anything but an object with known fields; `known` maps each to its own fields, or to None."""
    if not isinstance(value, dict):
        raise RefusedError("invalid_type", f"Invalid type for '{path}': expected an object.", path)
    for key, part in value.items():
        if key not in known:
            raise RefusedError("unknown_parameter", f"Unknown parameter: '{path}.{key}'.", f"{path}.{key}")
        if isinstance(known[key], dict) and part is not None:
            check_keys(part, known[key], f"{path}.{key}")


def is_a(value: Any, kind: type, path: str) -> None:
    """Refuse a value of another type."""
    if not isinstance(value, kind):
        raise RefusedError("invalid_type", f"Invalid type for '{path}': expected a {kind.__name__}.", path)


def one_of(value: Any, choices: tuple[str, ...], path: str) -> None:
    """Refuse a value that is none of these."""
    if value not in choices:
        listed = ", ".join(f"'{choice}'" for choice in choices)
        raise RefusedError(
            "invalid_value", f"Invalid value: {value!r}. Supported values are: {listed}.", path
        )


def in_range(value: Any, low: float, high: float, path: str) -> None:
    """Refuse a number outside of these bounds, and what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError("invalid_type", f"Invalid type for '{path}': expected a number.", path)
    kind = "integer" if isinstance(value, int) else "decimal"
    if value < low:
        text = f"{kind} below minimum value. Expected a value >= {low}, but got {value} instead."
        raise RefusedError(f"{kind}_below_min_value", f"Invalid '{path}': {text}", path)
    if value > high:
        text = f"{kind} above maximum value. Expected a value <= {high}, but got {value} instead."
        raise RefusedError(f"{kind}_above_max_value", f"Invalid '{path}': {text}", path)


def required(value: Message, key: str, path: str) -> None:
    """Refuse an object that has nothing under this name."""
    if not value.get(key):
        raise RefusedError(
            "missing_required_parameter", f"Missing required parameter: '{path}.{key}'.", f"{path}.{key}"
        )


def _texts(value: Any, path: str) -> None:
    is_a(value, list, path)
    for index, part in enumerate(value):
        is_a(part, str, f"{path}[{index}]")


# ---------------------------------------------------------------- what is chosen for the whole session


def check_chosen(change: Message, path: str) -> None:
    """Look at reasoning, tools, truncation and tracing; null is the service's own way."""
    effort = (change.get("reasoning") or {}).get("effort")
    if effort is not None:
        one_of(effort, EFFORTS, f"{path}.reasoning.effort")
    if change.get("parallel_tool_calls") is not None:
        is_a(change["parallel_tool_calls"], bool, f"{path}.parallel_tool_calls")
    _check_truncation(change.get("truncation"), f"{path}.truncation")
    _check_tracing(change.get("tracing"), f"{path}.tracing")


def _check_truncation(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        return None if value is None else one_of(value, ("auto", "disabled"), path)
    check_keys(value, _TRUNCATION, path)
    one_of(value.get("type"), ("retention_ratio",), f"{path}.type")
    in_range(value.get("retention_ratio"), 0, 1, f"{path}.retention_ratio")
    tokens = (value.get("token_limits") or {}).get("post_instructions")
    if tokens is not None:
        in_range(tokens, 0, 10**7, f"{path}.token_limits.post_instructions")
    return None


def _check_tracing(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        return None if value is None else one_of(value, ("auto",), path)
    check_keys(value, _TRACING, path)
    for key in ("workflow_name", "group_id"):
        is_a(value.get(key, ""), str, f"{path}.{key}")
    metadata = value.get("metadata") or {}
    is_a(metadata, dict, f"{path}.metadata")
    if len(metadata) > MOST_METADATA:
        text = f"Invalid '{path}.metadata': expected at most {MOST_METADATA} properties."
        raise RefusedError("invalid_value", text, f"{path}.metadata")
    return None


# ---------------------------------------------------------------- how callers are heard


def check_transcription(value: Any, path: str) -> None:
    """Look at how the caller's words are to be written down."""
    if value is None:
        return
    model = value.get("model") or ""
    for key in ("model", "language", "prompt"):
        is_a(value.get(key) or "", str, f"{path}.{key}")
    for key in ("languages", "keywords"):
        if value.get(key) is not None:
            _texts(value[key], f"{path}.{key}")
            _needs(model in (*SEVERAL, ""), f"{path}.{key}", model)
    if value.get("prompt"):
        _needs(model != "gpt-realtime-whisper", f"{path}.prompt", model)
    if value.get("delay") is not None:
        one_of(value["delay"], EFFORTS, f"{path}.delay")
        _needs(model == "gpt-realtime-whisper", f"{path}.delay", model)


def check_noise_reduction(value: Any, path: str) -> None:
    """Look at how noise is to be taken away."""
    if value is None:
        return
    if value.get("type") is not None:
        one_of(value["type"], ("near_field", "far_field"), f"{path}.type")
    if value.get("strength") is not None:
        in_range(value["strength"], 0, 100, f"{path}.strength")


def _needs(is_possible: bool, path: str, model: str) -> None:
    if not is_possible:
        raise RefusedError("invalid_value", f"Invalid value: '{path}' is not supported with '{model}'.", path)


# ---------------------------------------------------------------- MCP servers


def check_mcp(tool: Message, path: str) -> None:
    """Look at an MCP server whose tools the service is to call by itself."""
    check_keys(tool, _MCP, path)
    required(tool, "server_label", path)
    if sum(bool(tool.get(key)) for key in SERVERS) != 1:
        listed = "', '".join(SERVERS)
        raise RefusedError("invalid_value", f"Invalid '{path}': expected one of '{listed}'.", path)
    for key in ("server_label", "server_description", "authorization", *SERVERS):
        is_a(tool.get(key, ""), str, f"{path}.{key}")
    is_a(tool.get("headers", {}), dict, f"{path}.headers")
    _check_filter(tool.get("allowed_tools"), f"{path}.allowed_tools")
    _check_approval(tool.get("require_approval"), f"{path}.require_approval")


def _check_approval(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        return None if value is None else one_of(value, ("always", "never"), path)
    check_keys(value, {"always": None, "never": None}, path)
    for key, tools in value.items():
        _check_filter(tools, f"{path}.{key}")
    return None


def _check_filter(value: Any, path: str) -> None:
    if isinstance(value, list):
        _texts(value, path)
    elif value is not None:
        check_keys(value, _FILTER, path)
        _texts(value.get("tool_names", []), f"{path}.tool_names")


def wants_approval(tools: list[Message], server: str, name: str) -> bool:
    """Say whether a session's tools want a client to approve of this one; left out, that is so."""
    wanted = next(
        (tool.get("require_approval") for tool in tools if tool.get("server_label") == server), None
    )
    if isinstance(wanted, dict):
        return name not in (wanted.get("never") or {}).get("tool_names", [])
    return wanted != "never"


# ---------------------------------------------------------------- which events there are, and their fields

_REQUIRED: dict[str, tuple[str, ...]] = {
    "session.update": ("session",),
    "input_audio_buffer.append": ("audio",),
    "input_audio_buffer.commit": (),
    "input_audio_buffer.clear": (),
    "conversation.item.create": ("item",),
    "conversation.item.truncate": ("item_id", "content_index", "audio_end_ms"),
    "conversation.item.retrieve": ("item_id",),
    "conversation.item.delete": ("item_id",),
    "response.create": (),
    "response.cancel": (),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "conversation.item.create": ("previous_item_id",),
    "response.create": ("response",),
    "response.cancel": ("response_id",),
}


def parse_event(frame: str | bytes) -> Message:
    """A client message as an object with a type; raises RefusedError for anything else."""
    if isinstance(frame, bytes):
        raise RefusedError("invalid_event", "Expected a text frame with a JSON object.")
    try:
        event = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        raise RefusedError("invalid_json", "The event could not be parsed as JSON.") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise RefusedError("missing_required_parameter", "Missing required parameter: 'type'.", "type")
    return event


def checked_kind(event: Message) -> str:
    """The event's type, once its fields are known to be the right ones; raises RefusedError."""
    kind: str = event["type"]
    if kind not in _REQUIRED:
        listed = ", ".join(f"'{known}'" for known in _REQUIRED)
        raise RefusedError(
            "invalid_value", f"Invalid value: '{kind}'. Supported values are: {listed}.", "type"
        )
    for key in _REQUIRED[kind]:
        if key not in event:
            raise RefusedError("missing_required_parameter", f"Missing required parameter: '{key}'.", key)
    known_keys = ("type", "event_id", *_REQUIRED[kind], *_OPTIONAL.get(kind, ()))
    for key in event:
        if key not in known_keys:
            raise RefusedError("unknown_parameter", f"Unknown parameter: '{key}'.", key)
    return kind
