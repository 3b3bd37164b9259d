"""The model's side of the wire: Realtime messages (GA shape), read and written. Pure.

Event reference: https://platform.openai.com/docs/api-reference/realtime
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from bridge.heart.effects import (
    AddCall,
    AddText,
    AddTurn,
    AnswerApproval,
    AnswerTool,
    AppendAudio,
    CancelResponse,
    ClearAudio,
    CommitAudio,
    CreateResponse,
    ModelRequest,
    ToModel,
    TruncateItem,
    UpdateSession,
)
from bridge.heart.events import (
    MODEL_LEG,
    AgentWords,
    ApprovalAsked,
    CallerWords,
    Event,
    IdleTimedOut,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelErred,
    ModelFinishedAudio,
    ModelSpoke,
    RateLimitsTold,
    RemoteToolEnded,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.text.nesting import is_too_deep
from bridge.text.validity import valid_json
from bridge.wire.realtime_session import Message, refused_settings, session_of
from bridge.wire.retry_after import retry_after_ms

LEG: Final = MODEL_LEG
_decode = msgspec.json.Decoder().decode

IGNORED: Final = frozenset(
    {
        "conversation.created",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_text.done",
    }
)
"""Messages that ask for no decision here; the records read transcripts and items from the tape."""

MOST: Final = 2**31 - 1
MOST_SECONDS: Final = 2**40

AUDIO_DELTA: Final = "response.output_audio.delta"
WORDS_DELTA: Final = "response.output_audio_transcript.delta"
CALLER_WORDS_DELTA: Final = "conversation.item.input_audio_transcription.delta"
_Name = Annotated[str, Meta(min_length=1)]
_Index = Annotated[int, Meta(ge=0, le=MOST)]


class _AudioDelta(msgspec.Struct, tag_field="type", tag=AUDIO_DELTA, forbid_unknown_fields=True, gc=False):
    """A piece of the model's voice as documented: up to fifty a second in every call, its sound decoded at once."""

    response_id: _Name
    item_id: _Name
    content_index: _Index
    delta: bytes
    event_id: str | None = None
    output_index: int = 0


class _WordsDelta(msgspec.Struct, tag_field="type", tag=WORDS_DELTA, forbid_unknown_fields=True, gc=False):
    """A piece of what the model says in words."""

    item_id: _Name
    content_index: _Index
    delta: str
    response_id: str = ""
    event_id: str | None = None
    output_index: int = 0
    obfuscation: str = ""


_decode_delta = msgspec.json.Decoder(_AudioDelta | _WordsDelta).decode

# ---------------------------------------------------------------- messages


def parse(text: str | bytes | msgspec.Raw) -> Event:
    """Return what a WebSocket message from the model says; a message that can't be used is an event too."""
    if isinstance(text, bytes):
        return MessageBroken(LEG, "binary frame")
    try:
        delta = _decode_delta(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _other_event(text)
    if isinstance(delta, _AudioDelta):
        return ModelSpoke(delta.response_id, delta.item_id, delta.content_index, delta.delta)
    return AgentWords(delta.item_id, delta.content_index, delta.delta)


def _other_event(text: str | msgspec.Raw) -> Event:
    """Return what any message says, one with something else in it too."""
    if isinstance(text, str) and is_too_deep(text):
        return MessageBroken(LEG, "not JSON")
    try:
        message = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return MessageBroken(LEG, "not JSON")
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str):
        return MessageBroken(LEG, "no type field")
    reader = _READERS.get(kind)
    if reader is None:
        return MessageIgnored(kind) if kind in IGNORED else MessageUnknown(LEG, kind[:60])
    try:
        return reader(message)
    except (KeyError, TypeError, ValueError, AttributeError):
        return MessageBroken(LEG, f"{kind[:60]} with missing or wrong fields")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _ms(value: Any) -> int:
    """Return a number of a session: milliseconds, an index. Beyond what a database's integer holds it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not 0 <= value <= MOST:
        raise ValueError
    return int(value)


def _moment(value: Any) -> int:
    """Return Unix seconds, 0 for none that can be."""
    return int(value) if isinstance(value, int | float) and 0 <= value <= MOST_SECONDS else 0


def audio_of(delta: str) -> bytes:
    """Return the sound in a delta. Raises `ValueError`."""
    try:
        return a2b_base64(delta, strict_mode=True)
    except Base64Error:
        raise ValueError from None


def _spoke(message: Message) -> Event:
    return ModelSpoke(
        response_id=_name(message["response_id"]),
        item_id=_name(message["item_id"]),
        content_index=_ms(message["content_index"]),
        audio=audio_of(message["delta"]),
    )


def _words(message: Message, field: str, *, is_whole: bool) -> Event:
    return AgentWords(
        item_id=_name(message["item_id"]),
        content_index=_ms(message["content_index"]),
        text=_text(message[field]),
        is_whole=is_whole,
    )


def _item_finished(message: Message) -> Event:
    """A function call is taken from this event alone, though three carry it; a cut one never ran."""
    item = message["item"]
    if item["type"] == "mcp_approval_request":
        return ApprovalAsked(_name(item["id"]), _name(item["server_label"])[:100], _name(item["name"])[:100])
    if item["type"] != "function_call" or item.get("status") == "incomplete":
        return MessageIgnored("response.output_item.done")
    return ToolCalled(
        response_id=_name(message["response_id"]),
        call_id=_name(item["call_id"]),
        name=_text(item["name"]),
        arguments=valid_json(_text(item.get("arguments") or "")),  # a text in a text, with escapes of its own
    )


def _response_finished(message: Message) -> Event:
    response = message["response"]
    details = response.get("status_details") or {}
    error = details.get("error") or {}
    return ResponseFinished(
        response_id=_name(response["id"]),
        status=_text(response["status"]),
        reason=_text(details.get("reason") or ""),
        error_code=_text(error.get("code") or error.get("type") or ""),
        error_message=(said := _text(error.get("message") or "")),
        retry_after_ms=retry_after_ms(said),
        usage=_usage(response),
    )


def _usage(told: Message) -> Message:
    """Return what the server tells of what something took, as it stands; nothing where it is no table."""
    usage = told.get("usage")
    return usage if isinstance(usage, dict) else {}


def _format(session: Any, side: str) -> str:
    """Return the audio format that a session says it has; empty if it says nothing that can be understood."""
    for name in ("audio", side, "format", "type"):
        session = session.get(name) if isinstance(session, dict) else None
    return session if isinstance(session, str) else ""


def _session_updated(message: Message) -> Event:
    session = message.get("session")
    return SessionUpdated(_format(session, "input"), _format(session, "output"))


def _rate_limits(message: Message) -> Event:
    limits = message.get("rate_limits")
    reset_ms = max((_reset_ms(limit) for limit in limits), default=0) if isinstance(limits, list) else 0
    return RateLimitsTold(reset_ms) if reset_ms else MessageIgnored("rate_limits.updated")


def _reset_ms(limit: Message) -> int:
    """Return in how many ms there will be something left of a limit of which nearly nothing is; else 0."""
    if limit["remaining"] * 20 >= limit["limit"]:
        return 0
    return _ms(limit["reset_seconds"] * 1000)


def _caller_words(message: Message) -> Event:
    """Words that can't be used harm nobody: all of them come again when the turn is written down."""
    item_id, text = message.get("item_id"), message.get("delta")
    if isinstance(item_id, str) and isinstance(text, str) and item_id and text:
        return CallerWords(item_id, text)
    return MessageIgnored(CALLER_WORDS_DELTA)


def _transcription_failed(message: Message) -> Event:
    error = message["error"]
    return TranscriptionFailed(_name(message["item_id"]), _text(error.get("code") or error.get("type") or ""))


def _erred(message: Message) -> Event:
    error = message["error"]
    param, said = error.get("param"), _text(error.get("message") or "")
    return ModelErred(
        code=_text(error.get("code") or ""),
        kind=_text(error.get("type") or ""),
        message=said,
        client_event_id=_text(error.get("event_id") or ""),
        refused=refused_settings(param if isinstance(param, str) else "", said),
        retry_after_ms=retry_after_ms(said),
    )


_READERS: Final[Mapping[str, Callable[[Message], Event]]] = {
    "session.created": lambda m: SessionCreated(_moment(m["session"].get("expires_at"))),
    "session.updated": _session_updated,
    "input_audio_buffer.speech_started": lambda m: SpeechStarted(
        _name(m["item_id"]), _ms(m["audio_start_ms"])
    ),
    "input_audio_buffer.speech_stopped": lambda m: SpeechStopped(_name(m["item_id"]), _ms(m["audio_end_ms"])),
    "input_audio_buffer.timeout_triggered": lambda m: IdleTimedOut(_name(m["item_id"])),
    "input_audio_buffer.committed": lambda m: TurnCommitted(_name(m["item_id"])),
    "response.created": lambda m: ResponseCreated(_name(m["response"]["id"])),
    AUDIO_DELTA: _spoke,
    "response.output_audio.done": lambda m: ModelFinishedAudio(_name(m["item_id"]), _ms(m["content_index"])),
    "response.output_item.done": _item_finished,
    "response.mcp_call.completed": lambda m: RemoteToolEnded(_name(m["item_id"])),
    "response.mcp_call.failed": lambda m: RemoteToolEnded(_name(m["item_id"]), is_failed=True),
    "response.done": _response_finished,
    "rate_limits.updated": _rate_limits,
    WORDS_DELTA: lambda m: _words(m, "delta", is_whole=False),
    "response.output_audio_transcript.done": lambda m: _words(m, "transcript", is_whole=True),
    CALLER_WORDS_DELTA: _caller_words,
    "conversation.item.input_audio_transcription.completed": lambda m: TranscriptCame(
        _name(m["item_id"]), _text(m.get("transcript") or ""), _usage(m)
    ),
    "conversation.item.input_audio_transcription.failed": _transcription_failed,
    "error": _erred,
}


def encode(effect: ToModel) -> str:
    """Return the WebSocket message that carries an effect out at the model."""
    if isinstance(effect, AppendAudio):
        audio = b2a_base64(effect.audio, newline=False).decode("ascii")
        return f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'
    return _written(_message_of(effect))


def session_update(event_id: str, session: Message) -> str:
    """Return the WebSocket message that asks for a session other than a call's own: a shadow's."""
    return _written({"type": "session.update", "event_id": event_id, "session": session})


def _written(message: Message) -> str:
    return msgspec.json.encode(message).decode("utf-8")


def _message_of(effect: ModelRequest) -> Message:
    match effect:
        case UpdateSession():
            body: Message = {"type": "session.update", "session": session_of(effect.session)}
        case CommitAudio():
            body = {"type": "input_audio_buffer.commit"}
        case ClearAudio():
            body = {"type": "input_audio_buffer.clear"}
        case CreateResponse():
            body = {"type": "response.create"}
            if effect.instructions:
                body["response"] = {"instructions": effect.instructions, "tool_choice": "none"}
        case CancelResponse():
            body = {"type": "response.cancel", "response_id": effect.response_id}
        case TruncateItem():
            body = {
                "type": "conversation.item.truncate",
                "item_id": effect.item_id,
                "content_index": effect.content_index,
                "audio_end_ms": effect.audio_end_ms,
            }
        case AnswerTool() | AnswerApproval() | AddText() | AddTurn() | AddCall():
            body = {"type": "conversation.item.create", "item": _item_of(effect)}
    return {"type": body.pop("type"), "event_id": effect.event_id, **body}


def _item_of(effect: AnswerTool | AnswerApproval | AddText | AddTurn | AddCall) -> Message:
    """Return the item that is added; one that was told to a session before has an id of ours."""
    match effect:
        case AnswerTool():
            return {"type": "function_call_output", "call_id": effect.call_id, "output": effect.output}
        case AnswerApproval():
            answer = {"approval_request_id": effect.request_id, "approve": effect.approve}
            return {"type": "mcp_approval_response", "id": f"mcpr_{effect.event_id}", **answer}
        case AddCall():
            called = {"call_id": effect.call_id, "name": effect.name, "arguments": effect.arguments}
            return {"id": effect.item_id, "type": "function_call", **called}
        case AddText() | AddTurn():
            kind = "output_text" if effect.role == "assistant" else "input_text"
            content = [{"type": kind, "text": effect.text}]
            named = {"id": effect.item_id} if effect.item_id else {}
            return {**named, "type": "message", "role": effect.role, "content": content}
