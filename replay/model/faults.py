"""Frames no well-behaved service sends, and the errors it does send unasked: for trying a client's nerves."""

from typing import Any

import msgspec

from replay.model.script import Garbage
from replay.model.wire import Message, RefusedError, Wire

HUGE_BYTES = 16 * 2**20  # exactly the message limit a client of this service is advised to set, or more


def send_garbage(wire: Wire, kind: Garbage) -> None:
    """Send one bad frame."""
    match kind:
        case "binary_frame":
            wire.raw(b"\x00\xff not text")
        case "broken_json":
            wire.raw('{"type": "response.output_audio.delta", "delta": ')
        case "not_an_object":
            wire.raw('["session.created", 7, null]')
        case "unknown_event":
            wire.event("response.telepathy.delta", thought="?")
        case "missing_fields":
            wire.raw('{"type": "response.output_audio.delta"}')
        case "unknown_error":
            wire.error("flux_capacitor_drained", "Something new went wrong.", kind="novel_error")
        case "huge":
            wire.raw(_huge_event(wire.make_id("event")))


def send_stray_errors(wire: Wire) -> None:
    """Send the two errors that races cause and that mean no harm."""
    already = (
        "Conversation already has an active response in progress: {}. Wait until the response is finished"
    )
    text = f"{already.format(wire.make_id('resp'))} before creating a new one."
    wire.error("conversation_already_has_active_response", text)
    wire.error("response_cancel_not_active", "Cancellation failed: no active response found")


def rate_limit_failure(model: str, try_again_in: str = "1.2s") -> dict[str, str | None]:
    """The error inside a response that failed for want of tokens."""
    text = (
        f"Rate limit reached for {model} in organization org-stand-in on tokens per min (TPM): "
        "Limit 40000, Used 39950, Requested 620."
    )
    hint = f" Please try again in {try_again_in}." if try_again_in else ""
    return {"type": "tokens", "code": "rate_limit_exceeded", "message": text + hint}


def check_refused_settings(change: Any, refused: tuple[str, ...]) -> None:
    """Raise RefusedError for a session.update that has a setting which this server does not want."""
    for path in refused:
        value = change
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            text = f"Invalid value: {value!r}. It can't be used in this kind of session."
            raise RefusedError("invalid_value", text, f"session.{path}")


def with_other_format(session: Message, kind: str) -> Message:
    """The session as a server grants it that speaks another audio format than it was asked for."""
    other = {"type": kind, "rate": 24000} if kind == "audio/pcm" else {"type": kind}
    audio = {side: {**parts, "format": other} for side, parts in session["audio"].items()}
    return {**session, "audio": audio}


def _huge_event(event_id: str) -> str:
    head = msgspec.json.encode({"type": "response.huge", "event_id": event_id}).decode()[:-1]
    padding = HUGE_BYTES - len(head) - len(',"padding":""}')
    return f'{head},"padding":"{"x" * padding}"}}'
