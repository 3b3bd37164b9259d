"""The tape's format: one JSON object a line, everything a call was told and everything it said. Pure.

What came in is kept word for word. Of what we sent, audio is kept as a reference to where it came from;
everything else in full. A line from anybody but the bridge is an input of the heart; a replay is those lines again.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from bridge.errors import TapeError
from bridge.heart.effects import (
    AnswerOperator,
    AppendAudio,
    CancelTool,
    ClearPlayback,
    Effect,
    EndCall,
    EndSession,
    LeaveStream,
    OpenSession,
    PlayAudio,
    ReturnToStream,
    RunTool,
    SendMark,
    WriteNote,
)
from bridge.heart.events import (
    ClockRang,
    Event,
    LinkStalled,
    MessageBroken,
    ModelLeft,
    ModelTryFailed,
    ModelUnreachable,
    PhoneLeft,
    ToolAnswered,
    ToolFailed,
    ToolReported,
)
from bridge.heart.wishes import ListenerLeft, Stopped, Wish
from bridge.tapes.lines import (
    Append,
    Asked,
    Audio,
    Back,
    Close,
    Count,
    Fields,
    LastEnding,
    Leave,
    Ms,
    Run,
    Stop,
    ToolSaid,
    TryFailed,
)
from bridge.tapes.plan_lines import asked_of, leave_of, operator_event
from bridge.wire import outbound, realtime, twilio, twilio_http

HTTP: Final = "twilio_http"
PHONE: Final = "twilio_ws"
MODEL: Final = "openai_ws"
SHADOW: Final = "shadow_ws"
"""A second session that only listens. Neither what it says nor what the bridge says here is the heart's."""

SHADOW_NOTE: Final = "shadow"
"""The kind of note that stands there."""

TOOL: Final = "tool"
NOTE: Final = "note"
Leg: TypeAlias = Literal["twilio_http", "twilio_ws", "openai_ws", "shadow_ws", "tool", "note"]
TWILIO: Final = "twilio"
OPENAI: Final = "openai"
BRIDGE: Final = "bridge"


class Line(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """One line; `t_ms` counts from the accepted webhook, and exactly one of the fields after `from` is set,
    but for `pause_ms`, which `session_opens` may have beside it."""

    t_ms: Ms
    leg: Leg
    sender: str = msgspec.field(name="from")
    msg: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    text: str | None = None
    binary: bytes | None = None
    audio: Audio | None = None
    append: Append | None = None
    close: Close | None = None
    upgrade: Fields | None = None
    accept: Fields | None = None
    refused: str | None = None
    try_failed: TryFailed | None = None
    http: Fields | None = None
    resp: Fields | None = None
    run: Run | None = None
    cancel: str | None = None
    tool: ToolSaid | None = None
    rang: bool | None = None
    stalled: str | None = None
    stopped: Stop | None = None
    asked: Asked | None = None
    told: str | None = None
    note: Fields | None = None
    leave: Leave | None = None
    back: Back | None = None
    session_over: bool | None = None
    session_opens: Count | None = None
    pause_ms: Count | None = None
    end: LastEnding | None = None

    @property
    def is_input(self) -> bool:
        """Say whether somebody else than the bridge said this."""
        return self.sender != BRIDGE

    @property
    def is_decision(self) -> bool:
        """Say whether the heart said this: what a replay must say again."""
        if self.sender != BRIDGE or self.leg == SHADOW:
            return False
        said = (
            self.audio, self.append, self.run, self.cancel, self.told, self.note, self.leave, self.back,
            self.session_over, self.session_opens, self.end,
        )  # fmt: skip
        return bool(self.msg) or any(field is not None for field in said)

    @property
    def message(self) -> dict[str, Any]:
        """Return the message as the object that it should be; one that is something else says nothing."""
        message = msgspec.json.decode(self.msg) if self.msg else None
        return message if isinstance(message, dict) else {}


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


LATE_MS: Final = 1000
"""An alarm that is so late rings before whatever comes next, live and in a replay: its process was held up, or the
settings of today make it ring where none did."""


def is_overdue(deadline: int | None, t_ms: int) -> bool:
    """Say whether what was due by a deadline has been held up until now."""
    return deadline is not None and deadline + LATE_MS <= t_ms


def encode(line: Line) -> bytes:
    """Return a line as it stands on the tape, newline included."""
    return _encoder.encode(line) + b"\n"


def encode_all(lines: Iterable[Line | msgspec.Raw]) -> bytes:
    """Return lines as they stand on the tape; `Raw` is one that was encoded before.

    They are put into a list: of anything else msgspec (0.22) never lets go of the iterator, nor of what it is over.
    """
    return _encoder.encode_lines(list(lines))


def decode(line: bytes) -> Line:
    """Return the line that these bytes are. Raises `TapeError`, but for content that only `checked` looks at.

    >>> line = decode(b'{"t_ms": 1520, "leg": "twilio_ws", "from": "twilio", "msg": {"event": "stop"}}')
    >>> line.t_ms, line.leg, line.sender, line.message, line.is_input
    (1520, 'twilio_ws', 'twilio', {'event': 'stop'}, True)
    """
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TapeError(f"not a line of a tape: {error}: {line[:80]!r}") from None


# ---------------------------------------------------------------- inputs: message -> line, line -> event


def received(t_ms: int, leg: Leg, sender: str, message: str | bytes, event: Event) -> Line:
    """Return the line for a message of a peer; `event` is what it was understood as."""
    if isinstance(message, bytes):
        return Line(t_ms=t_ms, leg=leg, sender=sender, binary=message)
    if isinstance(event, MessageBroken) and event.problem in ("not JSON", twilio.TOO_LONG):
        return Line(t_ms=t_ms, leg=leg, sender=sender, text=message)
    if "\n" in message or "\r" in message:
        message = msgspec.json.format(message, indent=-1)  # a line is a line; only white space is lost
    return Line(t_ms=t_ms, leg=leg, sender=sender, msg=msgspec.Raw(message))


def stop_line(t_ms: int, event: Stopped) -> Line:
    """Return the line of an end that somebody outside has asked for."""
    stopped = Stop(by=event.by, why=event.why)
    if event.say:
        stopped["say"] = event.say
    if event.within_ms:
        stopped["within_ms"] = event.within_ms
    return Line(t_ms=t_ms, leg=NOTE, sender="operator", stopped=stopped)


def asked_line(t_ms: int, event: Wish | ListenerLeft) -> Line:
    """Return the line of what somebody at the daemon asks."""
    return Line(t_ms=t_ms, leg=NOTE, sender="operator", asked=asked_of(event))


def tool_line(t_ms: int, event: ToolAnswered | ToolFailed | ToolReported) -> Line:
    """Return the line for a tool's answer or failure, or for what it tells while it runs."""
    match event:
        case ToolAnswered():
            said = ToolSaid(call_id=event.call_id, output=event.output)
        case ToolFailed():
            said = ToolSaid(call_id=event.call_id, kind=event.kind, message=event.message)
        case ToolReported():
            said = ToolSaid(call_id=event.call_id, progress=event.text)
    return Line(t_ms=t_ms, leg=TOOL, sender=TOOL, tool=said)


def event_of(line: Line) -> Event | None:
    """Return the event that an input line stands for, or None when it needs no decision."""
    if line.leg == SHADOW:
        return None
    if line.leg == HTTP:
        return _http_event(line)
    if line.leg == PHONE:
        return _peer_event(line, is_phone=True)
    if line.leg == MODEL:
        if line.refused is not None:
            return ModelUnreachable(line.refused)
        if line.try_failed is not None:
            return ModelTryFailed(line.try_failed["kind"], line.try_failed["why"])
        return _peer_event(line, is_phone=False)
    if line.tool is not None:
        return _answer_of(line.tool)
    if line.rang:
        return ClockRang()
    if line.stalled is not None:
        return LinkStalled(line.stalled)
    if line.stopped is not None:
        return Stopped(**line.stopped)
    return operator_event(line.asked) if line.asked is not None else None


def _http_event(line: Line) -> Event | None:
    if line.http is not None:
        return outbound.event_of_request(line.http) or twilio_http.parse(line.http)
    return outbound.event_of_answer(line.resp) if line.resp is not None else None


def _answer_of(said: ToolSaid) -> Event:
    if "output" in said:
        return ToolAnswered(said["call_id"], said["output"])
    if "progress" in said:
        return ToolReported(said["call_id"], said["progress"])
    return ToolFailed(said["call_id"], said["kind"], said["message"])


def _peer_event(line: Line, *, is_phone: bool) -> Event | None:
    parse = twilio.parse if is_phone else realtime.parse
    if line.msg:
        return parse(line.msg)
    if line.text is not None:
        return parse(line.text)
    if line.binary is not None:
        return parse(line.binary)
    if line.close is not None:
        left = PhoneLeft if is_phone else ModelLeft
        return left(line.close["code"], line.close["reason"])
    return None


# ---------------------------------------------------------------- decisions: effect -> line and message


def carry_out(t_ms: int, effect: Effect) -> tuple[Line, str | None]:
    """Return an effect's line on the tape, and the message that carries it out at its peer, if it has one."""
    line = line_of(t_ms, effect)
    if isinstance(effect, AppendAudio):
        return line, realtime.encode(effect)
    if isinstance(effect, PlayAudio):
        return line, twilio.encode(effect)
    return line, bytes(line.msg).decode("utf-8") if line.msg else None


def written(t_ms: int, effect: Effect) -> bytes:
    """Return an effect's line as it stands on the tape."""
    if isinstance(effect, AppendAudio):  # fifty a second, and a quarter of what it costs below
        return b'{"t_ms":%d,"leg":"openai_ws","from":"bridge","append":[%d,%d]}\n' % (
            t_ms,
            effect.first,
            effect.last,
        )
    return encode(line_of(t_ms, effect))


def append_line(t_ms: int, effect: AppendAudio) -> Line:
    """Return the line of what the model is given to hear: a reference to the caller's frames."""
    return Line(t_ms=t_ms, leg=MODEL, sender=BRIDGE, append=(effect.first, effect.last))


def _to_tool(t_ms: int, effect: RunTool | CancelTool) -> Line:
    if isinstance(effect, CancelTool):
        return Line(t_ms=t_ms, leg=TOOL, sender=BRIDGE, cancel=effect.call_id)
    run = Run(call_id=effect.call_id, name=effect.name, arguments=effect.arguments)
    if effect.digits_of:
        run["digits_of"] = effect.digits_of
    return Line(t_ms=t_ms, leg=TOOL, sender=BRIDGE, run=run)


def line_of(t_ms: int, effect: Effect) -> Line:
    """Return an effect's line on the tape; audio stays a reference, so a replay encodes none."""
    match effect:
        case AppendAudio():
            return append_line(t_ms, effect)
        case PlayAudio():
            audio = Audio(
                item=effect.item_id, part=effect.content_index, at=effect.start, bytes=len(effect.audio)
            )
            return Line(t_ms=t_ms, leg=PHONE, sender=BRIDGE, audio=audio)
        case SendMark() | ClearPlayback():
            return Line(t_ms=t_ms, leg=PHONE, sender=BRIDGE, msg=msgspec.Raw(twilio.encode(effect)))
        case RunTool() | CancelTool():
            return _to_tool(t_ms, effect)
        case AnswerOperator():
            return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, told=effect.refusal)
        case WriteNote():
            note = {"kind": effect.kind, **effect.data}
            return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, note=note)
        case LeaveStream():
            return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, leave=leave_of(effect))
        case ReturnToStream():
            return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, back=Back(leg=effect.leg))
        case OpenSession() | EndSession():
            return _session_line(t_ms, effect)
        case EndCall():
            end = LastEnding(by=effect.by, why=effect.why, say=effect.say)
            if effect.go_to:
                end["go_to"] = effect.go_to
            return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, end=end)
        case _:
            return Line(t_ms=t_ms, leg=MODEL, sender=BRIDGE, msg=msgspec.Raw(realtime.encode(effect)))


def _session_line(t_ms: int, effect: OpenSession | EndSession) -> Line:
    if isinstance(effect, EndSession):
        return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, session_over=True)
    pause_ms = effect.pause_ms or None
    return Line(t_ms=t_ms, leg=NOTE, sender=BRIDGE, session_opens=effect.number, pause_ms=pause_ms)
