"""What became of one call, seen from the caller's side of Twilio. It records and judges nothing."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import attrs
import trio

from replay.phone.actor import Missed
from replay.phone.leg import Leg
from replay.phone.line import Clear, Gap, Line, Mark
from replay.phone.script import Step
from replay.phone.signing import Signed
from replay.phone.twiml import Stream, Verb

OnEvent = Callable[[str, dict[str, Any], int], None]
ClosedBy = Literal["caller", "bridge", "rest"]

FORBIDDEN = 403
MAX_EVENTS = 20_000  # of the timeline; an hour of a busy call has a tenth of it


@attrs.frozen
class Happening:
    """One line of the call's timeline."""

    t_ms: int
    kind: str
    detail: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.t_ms:7d} ms  {self.kind:14s} " + " ".join(f"{k}={v}" for k, v in self.detail.items())


@attrs.define
class Warned:
    """A warning Twilio logs once for a stream, and how often it was earned."""

    code: int
    text: str
    at_ms: int
    count: int = 1


@attrs.frozen
class SecondSocket:
    """What the bridge did to another socket for the same call: close_code None means that it stayed open."""

    upgrade_status: int
    close_code: int | None = None
    close_reason: str = ""
    after_ms: int = 0


# ---------------------------------------------------------------- off the stream
# Times in ms on the caller's line.


@attrs.frozen
class Words:
    """Something said: by Twilio or by somebody on a telephone, to whom, from when on, and how long it takes."""

    by: str
    to: str
    text: str
    at_ms: int
    ms: int


@attrs.frozen
class Dialled:
    """One <Dial>: whom it rang, how Twilio says it ended, and whether anybody was connected."""

    numbers: tuple[str, ...]
    status: str
    is_bridged: bool
    at_ms: int
    talked_ms: int


@attrs.frozen
class Recording:
    """A message or a call that was recorded; it can be fetched when it is there."""

    sid: str
    url: str
    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio) // 8} ms>")
    ended_by: str  # silence, key, length or hang_up
    status: str  # completed or absent
    made_at: float = 0.0  # on the clock of the run: whoever fetches it may be told that it is not there yet

    @property
    def ms(self) -> int:
        """How long it is."""
        return len(self.audio) // 8


@attrs.frozen
class Asked:
    """One request that asks what comes next: of which verb, where, and what came back."""

    verb: str
    url: str
    status: int
    body: bytes = attrs.field(repr=False)
    at_ms: int = 0


# ---------------------------------------------------------------- the whole call


@attrs.define(kw_only=True)
class CallReport:
    """One call as the phone network saw it. Times of a line count from when it was up: the first `start`, or what
    Twilio played before it. All others count from the ring."""

    call_sid: str
    on_event: OnEvent | None = attrs.field(default=None, repr=False)
    line: Line = attrs.field(factory=Line, repr=False)
    stream_sid: str | None = None  # of the last stream
    stream_sids: list[str] = attrs.field(factory=list)
    stream: Stream | None = None  # the last, as its TwiML had it
    webhook_status: int | None = None
    twiml: str = ""
    upgrade_status: int | None = None
    refused: Signed | None = None  # what was signed where the bridge answered 403
    line_began_ms: int | None = None
    started_ms: int | None = None  # when `start` was first sent
    closed_by: ClosedBy | None = None  # of the last stream
    ended_by: ClosedBy | None = None  # of the call; the bridge is whoever writes its TwiML
    close_code: int | None = None
    close_reason: str = ""
    closed_ms: int | None = None
    frames_sent: int = 0
    sent_ms: list[int] = attrs.field(factory=list, repr=False)  # when each of them was
    ticks: list[tuple[int, int]] = attrs.field(factory=list, repr=False)
    """Each 20 ms of a stream: when they were due, and when this process came to them, both on the line's clock."""
    frames_lost: int = 0  # thrown away because the bridge did not read
    frames_missing: int = 0  # of the caller's, lost by the network on their way to Twilio
    frames_unheard: int = 0  # of the agent's, played by Twilio and lost on their way to the caller
    late_frames_sent: int = 0  # after the bridge had closed their stream
    ignored_after_stop: int = 0
    warnings: list[Warned] = attrs.field(factory=list)
    missed: list[Missed] = attrs.field(factory=list)
    unreached: list[Step] = attrs.field(factory=list)  # what the caller never came to say or to press
    verbs_before: list[Verb] = attrs.field(factory=list)  # what ran before the first stream
    next_verbs: list[Verb] = attrs.field(factory=list)  # what ran after it, or without one
    second_socket: SecondSocket | None = None
    far_ends: list[Leg] = attrs.field(factory=list)  # whoever was rung
    words: list[Words] = attrs.field(factory=list)  # what was said off the stream, by whom, to whom
    dials: list[Dialled] = attrs.field(factory=list)
    recordings: list[Recording] = attrs.field(factory=list)
    gathered: list[str] = attrs.field(factory=list, repr=False)  # the keys of each <Gather>
    queues: list[str] = attrs.field(factory=list)  # how each wait in a queue ended
    referred: list[tuple[str, str]] = attrs.field(factory=list)  # to whom, and what came of it
    asked: list[Asked] = attrs.field(factory=list)  # requests in which the bridge said what comes next
    keys_heard: list[tuple[int, str]] = attrs.field(factory=list)  # played by TwiML into the caller's ear
    menu_path: list[str] = attrs.field(factory=list)  # where those keys led, if the caller is a menu
    callbacks: list[tuple[str, int]] = attrs.field(factory=list)  # (event, HTTP status or 0)
    events: list[Happening] = attrs.field(factory=list, repr=False)
    error: str | None = None
    _rang_at: float = attrs.field(factory=trio.current_time)

    @property
    def rang_at(self) -> float:
        """The clock's reading when it rang."""
        return self._rang_at

    @property
    def heard(self) -> bytes:
        """Everything the caller heard since their line was up, µ-law, silence included."""
        return bytes(self.line.heard)

    @property
    def said(self) -> bytes:
        """Everything the caller said, on the same clock as `heard`."""
        return bytes(self.line.said)

    @property
    def gaps(self) -> list[Gap]:
        """Holes inside the agent's replies."""
        return self.line.gaps

    @property
    def gaps_ms(self) -> list[int]:
        """The length of each hole."""
        return [gap.length_ms for gap in self.line.gaps]

    @property
    def arrival_gaps_ms(self) -> list[int]:
        """The time between each media message and the next."""
        return [later - earlier for earlier, later in pairwise(self.line.arrivals_ms)]

    @property
    def marks(self) -> list[Mark]:
        """Every mark the bridge sent, and when it was echoed."""
        return self.line.marks

    @property
    def clears(self) -> list[Clear]:
        """Every `clear` the bridge sent."""
        return self.line.clears

    @property
    def first_audio_ms(self) -> int | None:
        """From `start` to the first audio that arrived."""
        before_ms = (self.started_ms or 0) - (self.line_began_ms or 0)
        return self.line.arrivals[0].at_ms - before_ms if self.line.arrivals else None

    @property
    def first_heard_ms(self) -> int | None:
        """From when the line was up to the first sound that was played."""
        return self.line.first_heard_ms

    def now_ms(self) -> int:
        """Milliseconds since the call rang."""
        return round((trio.current_time() - self._rang_at) * 1000)

    def begin_line(self) -> None:
        """The caller's line is up from now on, if it was not before."""
        if self.line_began_ms is None:
            self.line_began_ms = self.now_ms()

    def line_now_ms(self) -> int:
        """Milliseconds on the line's clock."""
        return self.now_ms() - (self.line_began_ms or 0)

    def line_time(self, ms: int) -> float:
        """The clock's reading at which so many ms of the line are full."""
        return self._rang_at + ((self.line_began_ms or 0) + ms) / 1000

    def note(self, kind: str, **detail: Any) -> None:
        """Put one thing on the timeline."""
        happening = Happening(self.now_ms(), kind, detail)
        if len(self.events) < MAX_EVENTS:
            self.events.append(happening)
        if self.on_event is not None:
            self.on_event(kind, detail, happening.t_ms)

    def warn(self, code: int, text: str) -> None:
        """Log a warning the first time, count it afterwards."""
        for warned in self.warnings:
            if warned.code == code:
                warned.count += 1
                return
        self.warnings.append(Warned(code, text, self.now_ms()))
        self.note("warning", code=code, text=text)

    def note_refusal(self, status: int | None, signed: Signed | None) -> None:
        """Keep what was signed, where the answer says that it was not believed."""
        if status == FORBIDDEN:
            self.refused = signed

    def fail(self, text: str) -> None:
        """Keep the first error of the call."""
        self.error = self.error or text
        self.note("error", text=text)
