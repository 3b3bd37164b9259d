"""What became of one call, seen from the caller's side of Twilio. It records and judges nothing."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import attrs
import trio

from replay.phone.actor import Missed
from replay.phone.line import Clear, Gap, Line, Mark
from replay.phone.script import Step
from replay.phone.twiml import Verb

OnEvent = Callable[[str, dict[str, Any], int], None]
ClosedBy = Literal["caller", "bridge", "rest"]

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


@attrs.define(kw_only=True)
class CallReport:
    """One call as the phone network saw it. Times in `line` count from `start`, all others from the ring."""

    call_sid: str
    on_event: OnEvent | None = attrs.field(default=None, repr=False)
    line: Line = attrs.field(factory=Line, repr=False)
    stream_sid: str | None = None  # of the last stream
    stream_sids: list[str] = attrs.field(factory=list)
    webhook_status: int | None = None
    twiml: str = ""
    upgrade_status: int | None = None
    started_ms: int | None = None  # when `start` was first sent
    closed_by: ClosedBy | None = None
    close_code: int | None = None
    close_reason: str = ""
    closed_ms: int | None = None
    frames_sent: int = 0
    sent_ms: list[int] = attrs.field(factory=list, repr=False)  # when each of them was
    frames_lost: int = 0  # thrown away because the bridge did not read
    frames_missing: int = 0  # of the caller's, lost by the network on their way to Twilio
    frames_unheard: int = 0  # of the agent's, played by Twilio and lost on their way to the caller
    ignored_after_stop: int = 0
    warnings: list[Warned] = attrs.field(factory=list)
    missed: list[Missed] = attrs.field(factory=list)
    unreached: list[Step] = attrs.field(factory=list)  # what the caller never came to say or to press
    next_verbs: list[Verb] = attrs.field(factory=list)  # what ran after the stream, or without one
    second_socket: SecondSocket | None = None
    callbacks: list[tuple[str, int]] = attrs.field(factory=list)  # (event, HTTP status or 0)
    events: list[Happening] = attrs.field(factory=list, repr=False)
    error: str | None = None
    _rang_at: float = attrs.field(factory=trio.current_time)

    @property
    def heard(self) -> bytes:
        """Everything the caller heard since `start`, µ-law, silence included."""
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
        return self.line.arrivals_ms[0] if self.line.arrivals_ms else None

    @property
    def first_heard_ms(self) -> int | None:
        """From `start` to the first audio that was played."""
        return self.line.first_heard_ms

    def now_ms(self) -> int:
        """Milliseconds since the call rang."""
        return round((trio.current_time() - self._rang_at) * 1000)

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

    def fail(self, text: str) -> None:
        """Keep the first error of the call."""
        self.error = self.error or text
        self.note("error", text=text)
