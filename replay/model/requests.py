"""Which client events the stand-in takes and which fields they have; not what they lead to."""

import msgspec

from replay.model.wire import Message, RefusedError

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
