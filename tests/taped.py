"""Turns events back into what a peer says on the wire, and into the tape lines that they come from."""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bridge.agents import Agent
from bridge.heart.effects import WriteNote
from bridge.heart.events import (
    AgentWords,
    CallerAway,
    CallerSpoke,
    CallerWords,
    ClockRang,
    Event,
    ExcursionEnded,
    FarEndTold,
    IdleTimedOut,
    KeyPressed,
    LinkStalled,
    MarkReached,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelErred,
    ModelFinishedAudio,
    ModelLeft,
    ModelSpoke,
    ModelTryFailed,
    ModelUnreachable,
    PhoneLeft,
    RateLimitsTold,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StreamConnected,
    StreamStarted,
    StreamStopped,
    ToolAnswered,
    ToolCalled,
    ToolFailed,
    ToolReported,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.heart.wishes import InstructionWhispered, ListenerCame, ListenerLeft, Stopped, TransferAsked
from bridge.tapes.header import Header, settings_of
from bridge.tapes.reader import Tape
from bridge.tapes.tape import (
    HTTP,
    MODEL,
    NOTE,
    OPENAI,
    PHONE,
    TWILIO,
    Line,
    asked_line,
    carry_out,
    received,
    stop_line,
    tool_line,
)
from bridge.tool_rules import ToolRule

Message = dict[str, Any]


def phone_message(event: Event) -> Message | None:
    """Return what Twilio says when this happens, or None when it says nothing."""
    match event:
        case StreamConnected():
            return {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        case StreamStarted(sid, call_sid, encoding, rate, channels):
            media_format = {"encoding": encoding, "sampleRate": rate, "channels": channels}
            return {
                "event": "start",
                "streamSid": sid,
                "start": {"callSid": call_sid, "mediaFormat": media_format},
            }
        case CallerSpoke(sid, chunk, audio):
            return {
                "event": "media",
                "streamSid": sid,
                "media": {"chunk": str(chunk), "payload": coded(audio)},
            }
        case KeyPressed(sid, digit):
            return {"event": "dtmf", "streamSid": sid, "dtmf": {"digit": digit}}
        case MarkReached(sid, name):
            return {"event": "mark", "streamSid": sid, "mark": {"name": name}}
        case StreamStopped(sid):
            return {"event": "stop", "streamSid": sid}
        case MessageUnknown("twilio", name):
            return {"event": name}
    return None


def model_message(event: Event) -> Message | None:  # noqa: C901 - one line an event
    """Return what the Realtime server says when this happens, or None when it says nothing."""
    match event:
        case SessionCreated(expires_at):
            return {"type": "session.created", "session": {"expires_at": expires_at}}
        case SessionUpdated(into, out):
            audio = {"input": {"format": {"type": into}}, "output": {"format": {"type": out}}}
            return {"type": "session.updated", "session": {"audio": audio}}
        case SpeechStarted(item, ms):
            return {"type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": ms}
        case SpeechStopped(item, ms):
            return {"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": ms}
        case TurnCommitted(item):
            return {"type": "input_audio_buffer.committed", "item_id": item}
        case ResponseCreated(response):
            return {"type": "response.created", "response": {"id": response}}
        case ModelSpoke(response, item, part, audio):
            where = {"response_id": response, "item_id": item, "content_index": part}
            return {"type": "response.output_audio.delta", **where, "delta": coded(audio)}
        case ModelFinishedAudio(item, part):
            return {"type": "response.output_audio.done", "item_id": item, "content_index": part}
        case ToolCalled(response, call_id, name, arguments):
            call = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
            return {"type": "response.output_item.done", "response_id": response, "item": call}
        case ResponseFinished():
            return {"type": "response.done", "response": finished_response(event)}
        case ModelErred(code, kind, message, event_id, refused):
            param = f"session.{refused[0]}" if refused else ""
            error = {"code": code, "type": kind, "message": message, "event_id": event_id, "param": param}
            return {"type": "error", "error": error}
        case RateLimitsTold(reset_ms):
            limit = {"name": "tokens", "limit": 40_000, "remaining": 0, "reset_seconds": reset_ms / 1000}
            return {"type": "rate_limits.updated", "rate_limits": [limit]}
        case AgentWords(item, index, text, is_whole):
            kind, field = ("done", "transcript") if is_whole else ("delta", "delta")
            kind = f"response.output_audio_transcript.{kind}"
            return {"type": kind, "item_id": item, "content_index": index, field: text}
        case CallerWords(item, text):
            kind = "conversation.item.input_audio_transcription.delta"
            return {"type": kind, "item_id": item, "content_index": 0, "delta": text}
        case TranscriptCame(item, text, usage):
            kind = "conversation.item.input_audio_transcription.completed"
            return {"type": kind, "item_id": item, "content_index": 0, "transcript": text, "usage": usage}
        case IdleTimedOut(item):
            return {"type": "input_audio_buffer.timeout_triggered", "item_id": item}
        case TranscriptionFailed(item, code):
            kind = "conversation.item.input_audio_transcription.failed"
            return {"type": kind, "item_id": item, "content_index": 0, "error": {"code": code}}
        case MessageIgnored(name) | MessageUnknown("model", name):
            return {"type": name}
    return None


def finished_response(event: ResponseFinished) -> Message:
    """Return the `response` of a `response.done`."""
    error = {"code": event.error_code, "message": event.error_message}
    details = {"reason": event.reason, "error": error}
    return {
        "id": event.response_id, "status": event.status, "status_details": details, "usage": dict(event.usage),
    }  # fmt: skip


def coded(audio: bytes) -> str:
    """Return audio as base64 text."""
    return b64encode(audio).decode("ascii")


def text_of(message: Message) -> str:
    """Return a message as its peer would send it."""
    return msgspec.json.encode(message).decode("utf-8")


def line_of(t_ms: int, event: Event) -> Line:
    """Return the tape line of an event, as the daemon would have written it."""
    for leg, peer, message in ((PHONE, TWILIO, phone_message(event)), (MODEL, OPENAI, model_message(event))):
        if message is not None:
            return received(t_ms, leg, peer, text_of(message), event)
    return _line_of_the_bridges_own(t_ms, event)


def _line_of_the_bridges_own(t_ms: int, event: Event) -> Line:
    match event:
        case MessageBroken(leg, problem):
            words = b"\x00" if problem == "binary frame" else "{"
            place, peer = (PHONE, TWILIO) if leg == "twilio" else (MODEL, OPENAI)
            return received(t_ms, place, peer, words, event)
        case PhoneLeft(code, reason):
            return Line(t_ms=t_ms, leg=PHONE, sender=TWILIO, close={"code": code, "reason": reason})
        case ModelLeft(code, reason):
            return Line(t_ms=t_ms, leg=MODEL, sender=OPENAI, close={"code": code, "reason": reason})
        case ModelTryFailed(kind, why):
            return Line(t_ms=t_ms, leg=MODEL, sender=OPENAI, try_failed={"kind": kind, "why": why})
        case ModelUnreachable(why):
            return Line(t_ms=t_ms, leg=MODEL, sender=OPENAI, refused=why)
        case ToolAnswered() | ToolFailed() | ToolReported():
            return tool_line(t_ms, event)
        case LinkStalled(leg):
            return Line(t_ms=t_ms, leg=NOTE, sender="link", stalled=leg)
        case Stopped():
            return stop_line(t_ms, event)
        case ListenerCame() | ListenerLeft() | InstructionWhispered() | TransferAsked():
            return asked_line(t_ms, event)
        case CallerAway() | FarEndTold() | ExcursionEnded():
            path, form = asked_by_twilio(event)
            http = {
                "method": "POST",
                "url": f"https://bridge.example.com/voice/front-desk/{path}",
                "form": form,
            }
            return Line(t_ms=t_ms, leg=HTTP, sender=TWILIO, http=http)
    assert event == ClockRang()
    return Line(t_ms=t_ms, leg=NOTE, sender="clock", rang=True)


CALLBACKS = {
    "ringing": ("leg", {"CallStatus": "ringing"}), "answered": ("leg", {"CallStatus": "in-progress"}),
    "completed": ("leg", {"CallStatus": "completed"}), "accepted": ("key", {"Digits": "1"}),
    "declined": ("key", {"Digits": "2"}),
}  # fmt: skip


def asked_by_twilio(event: CallerAway | FarEndTold | ExcursionEnded) -> tuple[str, dict[str, str]]:
    """Return which of a call's paths Twilio posts to when this happens, and with which form."""
    status = {"CallStatus": "completed"} if getattr(event, "is_gone", False) else {}
    match event:
        case CallerAway(leg):
            return f"next?leg={leg}", status
        case FarEndTold(number, what):
            asked, form = CALLBACKS[what]
            return f"away/{number}/{asked}", form
        case ExcursionEnded(number, outcome, seconds, data):
            return f"away/{number}/back", status | form_of(outcome, str(seconds), dict(data))


def form_of(outcome: str, seconds: str, data: dict[str, str]) -> dict[str, str]:
    """Return the form of an action request for what came of a step: it is told by its parameters."""
    count = int(data.pop("count", "0"))
    if outcome == "refused":
        return {"ErrorCode": "13214"}
    if "DialCallStatus" in data:
        return data | {"DialCallDuration": seconds}
    if "RecordingUrl" in data:
        return data | {"RecordingDuration": seconds}
    queue = {"bridged": "bridged", "left": "leave", "full": "queue-full", "hung_up": "hangup"}
    if outcome in queue:
        return {"QueueResult": queue[outcome], "QueueTime": seconds}
    return {"Digits": "x" * count} if outcome in ("collected", "empty") else {}


def header_of(
    agent: Agent, tools: list[dict[str, Any]], rules: Mapping[str, ToolRule] | None = None
) -> Header:
    """Return the header of a tape of this agent's."""
    return Header(
        call_id="call-1",
        call_sid="CA1",
        account_sid="AC1",
        agent=agent.name,
        started_at="2026-11-23T10:00:00.000Z",
        model="gpt-realtime-2.1",
        settings=settings_of(agent),
        tools=tools,
        tool_rules=dict(rules or {}),
    )


def tape_of(header: Header, lines: list[bytes]) -> Tape:
    """Return a tape in memory."""
    return Tape(Path("by-hand.jsonl"), header, lines, is_torn=False)


def from_model(t_ms: int, kind: str, **fields: Any) -> Line:
    """Return the line of a message of the model's that the heart ignores."""
    return received(t_ms, MODEL, OPENAI, text_of({"type": kind, **fields}), MessageIgnored(kind))


def ledger(t_ms: int, item_id: str, **changes: Any) -> Line:
    """Return the line of an item's account: one second, all heard, but for the changes."""
    data = {
        "item_id": item_id, "content_index": 0, "response_id": "r1", "generated_ms": 1000, "sent_ms": 1000,
        "heard_ms": 1000, "first_sent": 100, "first_heard": 130, "cut": False,
    }  # fmt: skip
    return carry_out(t_ms, WriteNote("item", data | changes))[0]


def milestone(t_ms: int, name: str, **data: Any) -> Line:
    """Return the line of a milestone."""
    return carry_out(t_ms, WriteNote("milestone", {"name": name, **data}))[0]
