"""What can happen to a call: frozen values in the past tense. What comes often is a struct, made in a third of it."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from attrs import field, frozen
from msgspec import Struct

from bridge.heart.wishes import OperatorEvent, Stopped

MODEL_LEG: Final = "model"  # as events and tapes name it
# ---------------------------------------------------------------- the phone leg (Twilio Media Streams)


@frozen
class StreamConnected:
    """Twilio's socket said `connected`; no streamSid yet, so nothing may be sent."""


@frozen
class StreamStarted:
    """Twilio's `start`: from now on audio can be sent, addressed to `stream_sid`."""

    stream_sid: str
    call_sid: str
    encoding: str
    sample_rate: int
    channels: int


class CallerSpoke(Struct, frozen=True, gc=False):
    """One media frame of the caller, normally 160 bytes of µ-law; also sent while nobody speaks."""

    stream_sid: str
    chunk: int
    audio: bytes


@frozen
class KeyPressed:
    """The caller pressed one of 0-9 * # A-D."""

    stream_sid: str
    digit: str


class MarkReached(Struct, frozen=True, gc=False):
    """Twilio echoed a mark: everything sent before it was played, or thrown away by a `clear`."""

    stream_sid: str
    name: str


@frozen
class StreamStopped:
    """Twilio's `stop`: the caller hung up, or the call was redirected."""

    stream_sid: str


@frozen
class PhoneLeft:
    """The media socket is closed; `code` is 1006 when no close frame came."""

    code: int
    reason: str


# ---------------------------------------------------------------- a call that we make (Twilio's REST and its callbacks)


@frozen
class CallPlaced:
    """Twilio took the call: it is queued there, and will ring."""


@frozen
class CallNotPlaced:
    """Twilio did not take the call; `why` is a sentence for people."""

    why: str


@frozen
class CallProgressed:
    """Twilio told how far the call is, in its own word; these come in any order, twice, or not at all."""

    status: str
    sip_code: str = ""


@frozen
class CalleeAnswered:
    """Twilio asked what to do with the call: somebody, or something, has answered it."""


@frozen
class CalleeJudged:
    """Twilio's answering machine detection told who answered, in its own word."""

    answered_by: str
    after_ms: int = 0


# ---------------------------------------------------------------- the model leg (OpenAI Realtime)


@frozen
class SessionCreated:
    """The server greeted us; its defaults are in force until `SessionUpdated`."""

    expires_at: int


@frozen
class SessionUpdated:
    """Our settings are in force: audio may be appended from now on. The formats are empty where none are told."""

    input_format: str = ""
    output_format: str = ""


@frozen
class SpeechStarted:
    """The server's turn detection heard the caller begin; `audio_start_ms` counts appended audio."""

    item_id: str
    audio_start_ms: int


@frozen
class SpeechStopped:
    """The server's turn detection heard the caller end; `audio_end_ms` includes the silence it waited for."""

    item_id: str
    audio_end_ms: int


@frozen
class TurnCommitted:
    """The caller's turn became an item of the conversation."""

    item_id: str


@frozen
class ResponseCreated:
    """The model began a response, asked for by us or by turn detection."""

    response_id: str


class ModelSpoke(Struct, frozen=True, gc=False):
    """A piece of the agent's voice: µ-law of any length, generated faster than it can be played."""

    response_id: str
    item_id: str
    content_index: int
    audio: bytes


@frozen
class ModelFinishedAudio:
    """No more audio will come for this part of this item."""

    item_id: str
    content_index: int


@frozen
class ToolCalled:
    """The model asks for a function; `arguments` is its raw JSON text."""

    response_id: str
    call_id: str
    name: str
    arguments: str


class ApprovalAsked(Struct, frozen=True):
    """The service asks whether it may call this tool of an MCP server; it waits for the answer."""

    item_id: str
    server: str
    tool: str


class RemoteToolEnded(Struct, frozen=True):
    """The service has called a tool of an MCP server, or failed to; the model says nothing of it by itself."""

    item_id: str
    is_failed: bool = False


@frozen
class ResponseFinished:
    """A response ended: `status` is completed, cancelled, incomplete or failed; `usage` is what it took, unchecked."""

    response_id: str
    status: str
    reason: str = ""
    error_code: str = ""
    error_message: str = ""
    retry_after_ms: int | None = None  # how long it asked to be left alone; None if it named no time
    usage: Mapping[str, Any] = field(factory=dict, repr=False)


@frozen
class ModelErred:
    """The model's error; most of them leave the session open. `client_event_id` names our message that caused it."""

    code: str
    kind: str
    message: str
    client_event_id: str
    refused: tuple[str, ...] = ()  # optional settings that it may be about, the likeliest first
    retry_after_ms: int | None = None


@frozen
class RateLimitsTold:
    """Nearly nothing is left of what may be asked of the server; in `reset_ms` there will be."""

    reset_ms: int


@frozen
class TranscriptCame:
    """The words of a turn of the caller's are known; `usage` is what writing them down took, unchecked."""

    item_id: str
    text: str = ""
    usage: Mapping[str, Any] = field(factory=dict, repr=False)


@frozen
class IdleTimedOut:
    """The service takes a silence for a turn, and speaks by itself: its own clock, which counts from what it sent."""

    item_id: str


@frozen
class CallerWords:
    """The next words of a turn of the caller's; with some transcription models while they still speak."""

    item_id: str
    text: str


@frozen
class AgentWords:
    """Words of the agent's voice: the next ones of this part, or, if it `is_whole`, all of it."""

    item_id: str
    content_index: int
    text: str
    is_whole: bool = False


@frozen
class TranscriptionFailed:
    """The words of a turn of the caller's will not be known."""

    item_id: str
    code: str


@frozen
class ModelLeft:
    """The model's socket is closed; `code` is 1006 when no close frame came."""

    code: int
    reason: str


@frozen
class ModelTryFailed:
    """The model's socket could not be opened, and is tried again; `kind` is one of `TRY_KINDS`, `why` a sentence."""

    kind: str
    why: str


@frozen
class ModelUnreachable:
    """The model's socket could not be opened; `why` is a sentence for people."""

    why: str


class MessageIgnored(Struct, frozen=True, gc=False):
    """A well-known message that asks for no decision."""

    name: str


@frozen
class MessageUnknown:
    """A well-formed message of a kind this version doesn't know; peers grow new ones without notice."""

    leg: str
    name: str


@frozen
class MessageBroken:
    """A message that can't be used: binary, not JSON, or with missing or wrong fields."""

    leg: str
    problem: str


@frozen
class LinkStalled:
    """A peer stopped taking what it is sent, or stopped answering; `leg` is `twilio` or `model`."""

    leg: str


# ---------------------------------------------------------------- away from the stream (Twilio's HTTP requests)


@frozen
class CallerAway:
    """Twilio asks what comes after this leg: its stream is over. `is_gone`: so is the call, the caller hung up."""

    leg: int
    is_gone: bool = False


@frozen
class FarEndTold:
    """Of whom an excursion rings: ringing, answered, accepted, declined, completed, canceled (it rings no more)."""

    number: int
    what: str


@frozen
class ExcursionEnded:
    """An excursion is over, after `seconds`: `outcome` is completed, busy, no_answer, declined, failed, canceled; sent,
    collected, empty, recorded; bridged, left, full, hung_up; or refused. `is_gone`: the caller hung up meanwhile."""

    number: int
    outcome: str
    seconds: int = 0
    data: Mapping[str, str] = field(factory=dict)
    is_gone: bool = False


@frozen
class ToolAnswered:
    """A tool returned; `output` is what the model will read."""

    call_id: str
    output: str


@frozen
class ToolFailed:
    """A tool gave no answer; `kind` is arguments, crashed, timeout, busy, limit, unknown or cancelled."""

    call_id: str
    kind: str
    message: str


@frozen
class ToolReported:
    """A tool that still runs tells how far it is: a short line for the caller."""

    call_id: str
    text: str


class ClockRang(Struct, frozen=True, gc=False):
    """The heart's own deadline passed."""


# ---------------------------------------------------------------- who tells of them: `call` has a table for each
PhoneEvent: TypeAlias = (StreamConnected | StreamStarted | CallerSpoke | KeyPressed | MarkReached | StreamStopped
                         | PhoneLeft)  # fmt: skip
SpeechEvent: TypeAlias = (SpeechStarted | SpeechStopped | TurnCommitted | IdleTimedOut | CallerWords | TranscriptCame
                          | TranscriptionFailed | AgentWords | ModelSpoke | ModelFinishedAudio)  # fmt: skip
ModelEvent: TypeAlias = (SessionCreated | SessionUpdated | ResponseCreated | ResponseFinished | ModelErred
                         | RateLimitsTold | ModelLeft | ModelTryFailed | ModelUnreachable)  # fmt: skip
ToolEvent: TypeAlias = ToolCalled | ToolAnswered | ToolFailed | ToolReported | ApprovalAsked | RemoteToolEnded
OutgoingEvent: TypeAlias = CallPlaced | CallNotPlaced | CallProgressed | CalleeAnswered | CalleeJudged
AwayEvent: TypeAlias = CallerAway | FarEndTold | ExcursionEnded
OtherEvent: TypeAlias = ClockRang | MessageIgnored | MessageUnknown | MessageBroken | LinkStalled | Stopped
Event: TypeAlias = (PhoneEvent | SpeechEvent | ModelEvent | ToolEvent | OutgoingEvent | AwayEvent | OperatorEvent
                    | OtherEvent)  # fmt: skip
