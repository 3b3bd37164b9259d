"""The model's side of the wire: Realtime messages (GA shape), the session we ask for, the error policy. Pure.

Event reference: https://platform.openai.com/docs/api-reference/realtime
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec

from bridge.agents import Agent, SemanticVad, TurnDetection, silent
from bridge.heart.effects import (
    AddText,
    AnswerTool,
    AppendAudio,
    CancelResponse,
    CommitAudio,
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
    RateLimitsTold,
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
from bridge.languages import spoken_code
from bridge.text.nesting import is_too_deep
from bridge.text.validity import valid_json

LEG: Final = "model"
_decode = msgspec.json.Decoder().decode
Message = dict[str, Any]

IGNORED: Final = frozenset(
    {
        "conversation.created",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_text.done",
    }
)
"""Messages that ask for no decision here; the records read transcripts and items from the tape."""

MOST: Final = 2**31 - 1
MOST_SECONDS: Final = 2**40

# ---------------------------------------------------------------- messages


def parse(text: str | bytes | msgspec.Raw) -> Event:
    """Return what a WebSocket message from the model says; a message that can't be used is an event too."""
    if isinstance(text, bytes):
        return MessageBroken(LEG, "binary frame")
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


def _audio(delta: str) -> bytes:
    try:
        return a2b_base64(delta, strict_mode=True)
    except Base64Error:
        raise ValueError from None


def _spoke(message: Message) -> Event:
    return ModelSpoke(
        response_id=_name(message["response_id"]),
        item_id=_name(message["item_id"]),
        content_index=_ms(message["content_index"]),
        audio=_audio(message["delta"]),
    )


def _item_finished(message: Message) -> Event:
    """A function call is taken from this event alone, though three carry it; a cut one never ran."""
    item = message["item"]
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
        error_message=_text(error.get("message") or ""),
    )


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


def _transcription_failed(message: Message) -> Event:
    error = message["error"]
    return TranscriptionFailed(_name(message["item_id"]), _text(error.get("code") or error.get("type") or ""))


def _erred(message: Message) -> Event:
    error = message["error"]
    param = error.get("param")
    return ModelErred(
        code=_text(error.get("code") or ""),
        kind=_text(error.get("type") or ""),
        message=_text(error.get("message") or ""),
        client_event_id=_text(error.get("event_id") or ""),
        param=param if isinstance(param, str) else "",
    )


_READERS: Final[Mapping[str, Callable[[Message], Event]]] = {
    "session.created": lambda m: SessionCreated(_moment(m["session"].get("expires_at"))),
    "session.updated": _session_updated,
    "input_audio_buffer.speech_started": lambda m: SpeechStarted(
        _name(m["item_id"]), _ms(m["audio_start_ms"])
    ),
    "input_audio_buffer.speech_stopped": lambda m: SpeechStopped(_name(m["item_id"]), _ms(m["audio_end_ms"])),
    "input_audio_buffer.committed": lambda m: TurnCommitted(_name(m["item_id"])),
    "response.created": lambda m: ResponseCreated(_name(m["response"]["id"])),
    "response.output_audio.delta": _spoke,
    "response.output_audio.done": lambda m: ModelFinishedAudio(_name(m["item_id"]), _ms(m["content_index"])),
    "response.output_item.done": _item_finished,
    "response.done": _response_finished,
    "rate_limits.updated": _rate_limits,
    "conversation.item.input_audio_transcription.completed": lambda m: TranscriptCame(_name(m["item_id"])),
    "conversation.item.input_audio_transcription.failed": _transcription_failed,
    "error": _erred,
}


def encode(effect: ToModel) -> str:
    """Return the WebSocket message that carries an effect out at the model."""
    return msgspec.json.encode(_message_of(effect)).decode("utf-8")


def _message_of(effect: ToModel) -> Message:
    match effect:
        case AppendAudio():
            audio = b2a_base64(effect.audio, newline=False).decode("ascii")
            return {"type": "input_audio_buffer.append", "audio": audio}
        case UpdateSession():
            body: Message = {"type": "session.update", "session": effect.session}
        case CommitAudio():
            body = {"type": "input_audio_buffer.commit"}
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
        case AnswerTool():
            item: Message = {
                "type": "function_call_output",
                "call_id": effect.call_id,
                "output": effect.output,
            }
            body = {"type": "conversation.item.create", "item": item}
        case AddText():
            content = [{"type": "input_text", "text": effect.text}]
            item = {"type": "message", "role": effect.role, "content": content}
            body = {"type": "conversation.item.create", "item": item}
    return {"type": body.pop("type"), "event_id": effect.event_id, **body}


# ---------------------------------------------------------------- the session we ask for

PCMU: Final = {"type": "audio/pcmu"}
"""8 kHz µ-law has no `rate` key in the Realtime API; with it both legs carry the same bytes."""


def session_of(agent: Agent, tools: Sequence[Mapping[str, Any]]) -> Message:
    """Return the `session` of our one `session.update`; `type` is required on every update."""
    hearing = _hearing(agent, agent.turn_detection, _transcription(agent))
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": agent.instructions,
        "audio": {"input": hearing, "output": {"format": PCMU, "voice": agent.voice}},
        "tools": list(tools),
        "tool_choice": "auto",
        "max_output_tokens": agent.max_output_tokens,
    }


def shadow_session_of(agent: Agent, vad: TurnDetection) -> Message:
    """Return the `session` of a shadow: it hears as the real one does, and turn detection says so another way.

    Nobody asks it for a response; should it make one all the same, that is one token of text.
    """
    return {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {"input": _hearing(agent, silent(vad), None)},
        "tools": [],
        "tool_choice": "none",
        "max_output_tokens": 1,
    }


def _hearing(agent: Agent, vad: TurnDetection, transcription: Message | None) -> Message:
    return {
        "format": PCMU,
        "transcription": transcription,
        "noise_reduction": None if agent.noise_reduction == "none" else {"type": agent.noise_reduction},
        "turn_detection": _turn_detection(vad),
    }


def _transcription(agent: Agent) -> Message | None:
    if not agent.transcription_model:
        return None
    codes = list(dict.fromkeys(map(spoken_code, agent.languages)))
    asked: Message = {"model": agent.transcription_model}
    if len(codes) > 1:
        return asked | {"languages": codes}
    return asked | {"language": codes[0]} if codes else asked


def _turn_detection(vad: TurnDetection) -> Message:
    flags = {"create_response": vad.create_response, "interrupt_response": vad.interrupt_response}
    if isinstance(vad, SemanticVad):
        return {"type": vad.type, "eagerness": vad.eagerness, **flags}
    return {
        "type": vad.type,
        "threshold": vad.threshold,
        "prefix_padding_ms": vad.prefix_padding_ms,
        "silence_duration_ms": vad.silence_duration_ms,
        **flags,
    }


def opening_instructions(agent: Agent) -> str:
    """Return the instructions of the first response: the same opening in every call."""
    named = f", in language '{agent.languages[0]}'," if agent.languages else ""
    return f"The call has just been answered. Say exactly this{named} and nothing more: {agent.greeting}"


def patience_instructions(agent: Agent) -> str:
    """Return the instructions of a response that only says that a tool still runs."""
    named = f" (at first '{agent.languages[0]}')" if agent.languages else ""
    return (
        "What you are looking for takes longer than usual. Say in one short sentence that you are still on it, in the "
        f"language of this conversation{named}. Promise nothing, and ask nothing."
    )


def failure_output(kind: str, message: str) -> str:
    """Return what the model reads when a tool gave no answer: an answer too, so that it can say something.

    What a crashed tool said of itself stays on the tape: the model might read it to the caller.
    """
    if kind == "crashed":
        message = "the tool failed; say so, and offer another way"
    return msgspec.json.encode({"error": kind, "message": message}).decode("utf-8")


def reason_of(arguments: str) -> str:
    """Return the reason in the arguments of `hang_up`, or a plain word when there is none."""
    try:
        reason = _decode(arguments).get("reason")
    except (msgspec.DecodeError, UnicodeError, AttributeError, RecursionError):
        reason = None
    return reason[:200] if isinstance(reason, str) and reason else "the agent hung up"


# ---------------------------------------------------------------- error policy as data


class Policy(Enum):
    """What an error of the model asks of the call."""

    IGNORE = "ignore"
    """A harmless race: count it, go on."""
    NOTE = "note"
    """Not understood or our own fault: count it, log it once, go on."""
    RETRY = "retry"
    """The response failed for now: ask again a little later."""
    END = "end"
    """No response can be had any more: use the failure plan."""


POLICIES: Final[Mapping[str, Policy]] = {
    "conversation_already_has_active_response": Policy.IGNORE,
    "response_cancel_not_active": Policy.IGNORE,
    "input_audio_buffer_commit_empty": Policy.IGNORE,
    "item_truncate_invalid_item_id": Policy.IGNORE,
    "rate_limit_exceeded": Policy.RETRY,
    "server_error": Policy.RETRY,
    "insufficient_quota": Policy.END,
    "credit_balance_exhausted": Policy.END,
    "session_expired": Policy.END,
    "invalid_api_key": Policy.END,
    "model_not_found": Policy.END,
    "missing_model": Policy.END,
    "beta_api_shape_disabled": Policy.END,
}
"""Everything not named here is a NOTE: an unknown code is survived and counted, fatal only if the socket closes."""


def policy_of(code: str, kind: str, message: str) -> Policy:
    """Return the policy for an error's code, or its type where the code says nothing."""
    if "is already shorter than" in message:
        return Policy.IGNORE  # a truncate past the end: the code of this one is not known for certain
    return POLICIES.get(code) or POLICIES.get(kind) or Policy.NOTE
