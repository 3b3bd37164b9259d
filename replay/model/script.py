"""What the Realtime stand-in says and how it misbehaves: plain values, given to `replay.model.server.serve_model`.

Nothing here does anything; the session reads these values and acts on them.
"""

from typing import Any, Literal

import attrs
import msgspec

from replay.sound.hearing import Hearing

DeltaMode = Literal["cut", "frames", "single", "odd"]
TranscriptMode = Literal["soon", "live", "late", "failed", "never"]
Refusal = Literal["http_401", "invalid_api_key", "model_not_found"]
DoorFault = Literal["http_500", "http_503", "http_429", "http_401", "reset", "cut_off", "silence"]
Garbage = Literal[
    "binary_frame", "broken_json", "not_an_object", "unknown_event", "missing_fields", "unknown_error", "huge"
]
Silence = Literal[
    "no_response", "no_stop", "no_commit", "begun", "stops", "empty", "text", "cancelled", "incomplete",
    "empty_deltas", "quiet_audio", "clicks", "cut_short", "filtered", "pauses",
]  # fmt: skip
"""Ways to leave a caller in silence. no_response: nothing comes; no_stop: no end of a turn is heard; no_commit: it is,
and the turn is not committed; begun: a response and nothing in it; stops: 0.3 s of it; empty, text, cancelled,
incomplete: it ends without a sound; empty_deltas, quiet_audio, clicks: it never ends, and nobody hears an answer;
cut_short, filtered: it ends in the middle of a word, incomplete for max_output_tokens or content_filter; pauses: it
stops there for a while, and goes on."""


@attrs.frozen
class Say:
    """One spoken message: µ-law bytes at 8 kHz and the words in them."""

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>")
    text: str


@attrs.frozen
class CallTool:
    """One function call; arguments given as a string go out as they are, broken JSON included."""

    name: str
    arguments: dict[str, Any] | str = attrs.field(factory=dict)

    @property
    def arguments_text(self) -> str:
        """The arguments as the JSON string on the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return msgspec.json.encode(self.arguments).decode()


@attrs.frozen
class CallRemote:
    """Call a tool of an MCP server of the session's, once the client has approved if the session wants that."""

    server: str
    name: str
    arguments: str = "{}"
    output: str = "done"
    fails: bool = False
    takes_ms: int = 0
    """Real milliseconds that it runs, beyond the end of its response."""


ReplyItem = Say | CallTool | CallRemote
Reply = tuple[ReplyItem, ...]


@attrs.frozen
class Delivery:
    """How fast and in which pieces a reply comes; milliseconds of audio unless said otherwise."""

    first_delta_ms: int = 200
    delta_ms: int = 400
    mode: DeltaMode = "cut"
    """cut: first_delta_ms, then delta_ms; frames: 20 ms; single: all at once; odd: odd byte counts."""
    items: int = 1
    """Each spoken message comes as so many items: some models were seen to do that unasked."""
    speed: float = 8.0
    """Audio comes this many times faster than it plays."""
    response_delay_ms: int = 150
    """Real milliseconds from the request to response.created."""
    words_ahead_ms: int = 600
    """The transcript runs this far ahead of the audio."""
    late_deltas: int = 0
    """So many deltas still come after speech_started has interrupted a response."""
    rate_limits: bool = True
    """rate_limits.updated follows each response.done; the service leaves it out at times."""
    cancelled_item_done: bool = True
    """Whether conversation.item.done comes for an item that was cut: nobody has published a capture."""


@attrs.frozen
class Transcription:
    """When, if ever, the caller's words come back as text, should the session ask for them."""

    mode: TranscriptMode = "soon"
    """live: a word each `delay_ms` while the caller speaks, the rest with the turn; late: only after the next response
    ended, or the next turn began."""
    delay_ms: int = 350


@attrs.frozen
class Faults:
    """What goes wrong, all off. The _after_ms count real milliseconds from the upgrade."""

    first_sessions_only: int | None = None
    """Only so many sessions are faulty, so that a second attempt can succeed; None: every one."""
    refuse: Refusal | None = None
    door: tuple[DoorFault, ...] = ()
    """What becomes of the first tries to connect to a model, one each: ("http_503", "http_503") is two times 503, then
    fine. reset and cut_off end the connection before the upgrade is answered; silence never answers it."""
    door_retry_after: str = ""
    """The Retry-After header of those HTTP answers."""
    open_after_ms: int = 0
    """The upgrade is answered so late: the service is busy, or far away."""
    never_create: bool = False
    never_update: bool = False
    never_answer: bool = False
    fail_responses: int = 0
    """So many responses after the opening end as failed with rate_limit_exceeded."""
    try_again_in: str = "1.2s"
    """The pause that such a failure asks for, as its message has it; nothing is said of one when it is empty."""
    limit_reset_seconds: float = 0.0
    """When it is not 0, rate_limits.updated tells after such a failure that nothing is left for so long."""
    refuse_settings: tuple[str, ...] = ()
    """A session.update that has one of these is refused whole: "audio.input.transcription.model", say."""
    other_format: str = ""
    """session.updated comes with this audio format, whatever was asked for: "audio/pcm", say."""
    silence: Silence | None = None
    silent_from: int = 0
    """So many responses, or turns, come as they should before the silence; the opening counts as a response."""
    silent_for: int = 1_000_000
    """So many are silent then."""
    pause_ms: int = 3000
    """How long a response that pauses says nothing."""
    idle_timeout_ms: int | None = None
    """The service speaks by itself to a caller who is silent for so long, though its session did not ask for it."""
    close_after_ms: int | None = None
    close_code: int = 1001
    close_reason: str = "Your session hit the maximum duration of 60 minutes."
    close_with_error: bool = True
    """An error session_expired before the close: logs show either, or both."""
    drop_after_ms: int | None = None
    """TCP reset, no close frame."""
    shut_ms: int = 0
    """Once a session was closed or dropped nobody listens for so long: connections are refused."""
    stall_after_ms: int | None = None
    """Nothing is read or sent any more, pongs included; the socket stays open."""
    garbage: tuple[Garbage, ...] = ()
    """Sent once, in this order, when the first caller turn is committed."""
    null_error_ids: bool = False
    """The outer event_id of `error` events is null; the published types want a string."""
    stray_errors: bool = False
    """The two harmless race errors come, unasked, with every committed turn."""

    def silence_at(self, place: int) -> Silence | None:
        """How response or turn number `place`, from 0, is silent."""
        return self.silence if self.silent_from <= place < self.silent_from + self.silent_for else None


@attrs.frozen
class Script:
    """Everything one stand-in says; each session plays it from the start."""

    opening: Reply = ()
    """For the first bare response.create."""
    turns: tuple[Reply, ...] = ()
    """For caller turns, one each, spoken or typed."""
    answers: tuple[Reply, ...] = ()
    """For a response.create that follows function_call_output items."""
    fallback: Reply = ()
    """When the list asked for is used up."""
    heard: tuple[str, ...] = ()
    """What the caller is understood to have said, turn by turn."""
    transcription: Transcription = attrs.field(factory=Transcription)
    hearing: Hearing = attrs.field(factory=Hearing)
    delivery: Delivery = attrs.field(factory=Delivery)
    faults: Faults = attrs.field(factory=Faults)

    def faults_of(self, number: int) -> Faults:
        """The faults of session `number`, counted from 1."""
        limit = self.faults.first_sessions_only
        return self.faults if limit is None or number <= limit else Faults()
