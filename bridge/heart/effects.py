"""What the heart can ask for: frozen values in the imperative. Carrying one out takes no decision.

Those that are asked for many times a second are structs of msgspec, as among the events.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen
from msgspec import Struct

from bridge.heart.plans import Plan
from bridge.heart.session_settings import SessionSettings

# ---------------------------------------------------------------- to the phone leg


class PlayAudio(Struct, frozen=True, gc=False):
    """Send these bytes of an item's audio; `start` is their first byte's place in the item's audio."""

    stream_sid: str
    item_id: str
    content_index: int
    start: int
    audio: bytes


class SendMark(Struct, frozen=True, gc=False):
    """Ask Twilio to say when everything sent so far has been played."""

    stream_sid: str
    name: str


@frozen
class ClearPlayback:
    """Throw away what Twilio has not played yet; it echoes all waiting marks."""

    stream_sid: str


# ---------------------------------------------------------------- to the model leg


@frozen
class UpdateSession:
    """Put the agent's settings in force."""

    event_id: str
    session: SessionSettings


class AppendAudio(Struct, frozen=True, gc=False):
    """Give the model the caller's frames `first` to `last`, counted from 1 as the heart accepted them."""

    first: int
    last: int
    audio: bytes


@frozen
class CommitAudio:
    """Put what the caller said so far into the conversation as a turn: nobody else does."""

    event_id: str


@frozen
class ClearAudio:
    """Forget what the caller said and is no turn yet: they have left the stream."""

    event_id: str


@frozen
class CreateResponse:
    """Ask for a response; with `instructions` they hold for this response alone, and tools are off."""

    event_id: str
    instructions: str = ""


@frozen
class CancelResponse:
    """Stop a response that is being generated."""

    event_id: str
    response_id: str


@frozen
class TruncateItem:
    """Tell the model how much of an item the caller heard."""

    event_id: str
    item_id: str
    content_index: int
    audio_end_ms: int


@frozen
class AnswerTool:
    """Give the model a tool's output."""

    event_id: str
    call_id: str
    output: str


@frozen
class AnswerApproval:
    """Say whether the service may call the tool of an MCP server that it asked about."""

    event_id: str
    request_id: str
    approve: bool


@frozen
class AddText:
    """Add a text item to the conversation, for what can't be heard: pressed keys, which stand in `keys` too."""

    event_id: str
    role: str
    text: str
    keys: str = ""
    item_id: str = ""
    """Where it was told to a session before, our id for it; else the model gives it one."""


@frozen
class AddTurn:
    """Tell a session what was said before it: a turn of the `user`'s or the `assistant`'s, under an id of ours."""

    event_id: str
    item_id: str
    role: str
    text: str


@frozen
class AddCall:
    """Tell a session which tool was called before it; what that answered follows, or is still to come."""

    event_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str


# ---------------------------------------------------------------- to the call's own tasks


@frozen
class RunTool:
    """Run a tool beside the call; its answer comes back as an event.

    With `digits_of` the keys collected in that excursion take the place of those that are hidden in `arguments`:
    this tool alone is given them, and the heart never sees them.
    """

    call_id: str
    name: str
    arguments: str
    digits_of: int = 0


@frozen
class CancelTool:
    """Cancel a tool that runs and says that it can be: that it was comes back as an event."""

    call_id: str


@frozen
class AnswerOperator:
    """Tell whoever asked at the daemon that it is done, or why not."""

    refusal: str = ""


@frozen
class WriteNote:
    """Put a fact on the tape that no peer said: a milestone, an item's ledger, a count, a log line."""

    kind: str
    data: Mapping[str, Any]


@frozen
class LeaveStream:
    """Close the media stream, and have Twilio follow this plan: excursion `number` of the call, counted from 1.

    It holds whether the stream is there, is on its way (then it is refused), or has not come back yet.
    """

    number: int
    plan: Plan


@frozen
class ReturnToStream:
    """Have Twilio connect the caller to our media socket again: with a new token, as the phone's leg `leg`."""

    leg: int


@frozen
class OpenSession:
    """Open session `number` of the call (the first was 1) within so many ms, and part from the one before.

    It is opened after a pause of up to `pause_ms`, which is drawn: many calls may have lost theirs in one moment.
    """

    number: int
    within_ms: int
    pause_ms: int = 0


@frozen
class EndSession:
    """Part from the model: its session is over, the call is not."""


@frozen
class EndCall:
    """End the call: `by` whom, `why`, and what Twilio shall do next.

    It hangs up, after words to `say` if there are any; or it goes on with somebody else's TwiML, `go_to`.
    """

    by: str
    why: str
    say: str = ""
    go_to: str = ""


ToPhone: TypeAlias = PlayAudio | SendMark | ClearPlayback
ModelRequest: TypeAlias = (
    UpdateSession
    | CommitAudio
    | ClearAudio
    | CreateResponse
    | CancelResponse
    | TruncateItem
    | AnswerTool
    | AnswerApproval
    | AddText
    | AddTurn
    | AddCall
)
ToModel: TypeAlias = AppendAudio | ModelRequest
ToTwilio: TypeAlias = LeaveStream | ReturnToStream
Effect: TypeAlias = (
    ToPhone
    | ToModel
    | ToTwilio
    | RunTool
    | CancelTool
    | AnswerOperator
    | WriteNote
    | OpenSession
    | EndSession
    | EndCall
)
