"""Drives a `Call` by hand: a clock that rings as the daemon's would, and short words for what often happens.
It fakes nothing; there is no event loop.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from attrs import define, evolve, field

from bridge.agents import Agent
from bridge.heart.audio import bytes_of
from bridge.heart.call import Call
from bridge.heart.effects import Effect, EndCall, PlayAudio, SendMark, TruncateItem, WriteNote
from bridge.heart.events import (
    CallerSpoke,
    ClockRang,
    Event,
    MarkReached,
    ModelFinishedAudio,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    ToolCalled,
    TurnCommitted,
)
from bridge.prices import Prices
from bridge.settings.limits import Limits
from bridge.settings.turn_detection import ServerVad
from bridge.tool_rules import ToolRule

SID = "MZ1"
TOOLS: tuple[dict[str, Any], ...] = tuple(
    {"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("look_up", "book_table")
)
START = StreamStarted(SID, "CA1", "audio/x-mulaw", 8000, 1)
Kind = TypeVar("Kind")
Rules: TypeAlias = Mapping[str, ToolRule]


def of(effects: Iterable[Effect], kind: type[Kind]) -> list[Kind]:
    """Return the effects of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def agent_with(*, create: bool = True, interrupt: bool = True, **limits: float) -> Agent:
    """Return an agent with these limits and turn-detection flags; a session or a stream that is lost is not
    followed by another, unless `reconnects` or `stream_returns` say so; Twilio says goodbye to quiet callers."""
    vad = ServerVad(create_response=create, interrupt_response=interrupt)
    bounds = evolve(Limits(reconnects=0, stream_returns=0, quiet_goodbye_seconds=0), **limits)
    return Agent(name="front-desk", limits=bounds, turn_detection=vad)


def voice(ms: int, *, first: int = 0) -> bytes:
    """Return that many ms of audio in which neighbouring bytes differ, so that a slip shows."""
    return bytes((first + place) % 251 for place in range(bytes_of(ms)))


@define
class Driver:
    """A call, what it wanted so far, and what time it is there."""

    call: Call
    now: int = 0
    wanted: list[Effect] = field(factory=list)
    echoed: int = 0
    frames: int = 0
    sid: str = SID
    """Of the stream that the call has now."""

    def tell(self, *events: Event, after: int = 0) -> list[Effect]:
        """Let `after` ms pass, then tell the events; return what the call wanted in that time."""
        before = len(self.wanted)
        self.wait(after)
        for event in events:
            self.wanted += self.call.handle(event, self.now)
        return self.wanted[before:]

    def wait(self, ms: int) -> list[Effect]:
        """Let time pass; the alarm rings at each deadline."""
        before, until = len(self.wanted), self.now + ms
        while (deadline := self.call.deadline) is not None and deadline <= until:
            self.now = deadline
            self.wanted += self.call.handle(ClockRang(), deadline)
        self.now = until
        return self.wanted[before:]

    def wait_with_frames(self, ms: int) -> list[Effect]:
        """Let time pass while the caller's line sends silence, one frame every 20 ms."""
        before = len(self.wanted)
        for _ in range(ms // 20):
            self.caller_frame(after=20)
        return self.wanted[before:]

    def caller_frame(self, audio: bytes = b"\xff" * 160, *, after: int = 0) -> list[Effect]:
        """Let the caller's next frame come."""
        self.frames += 1
        return self.tell(CallerSpoke(self.sid, self.frames, audio), after=after)

    def generate(self, response: str, item: str, ms: int, *, first: int = 0, part: int = 0) -> list[Effect]:
        """Let the model generate that much audio of an item in one delta."""
        return self.tell(ModelSpoke(response, item, part, voice(ms, first=first)))

    def listen(self, ms: int) -> list[Effect]:
        """Let the caller listen for a while: whatever was sent is played."""
        before = len(self.wanted)
        for _ in range(ms // 20):
            self.caller_frame(after=20)
            self.echo()
        return self.wanted[before:]

    def answer(self, response: str = "r1", item: str = "i1", ms: int = 400, **took: Any) -> list[Effect]:
        """Let the model make a whole response of one spoken item."""
        before = len(self.wanted)
        self.tell(ResponseCreated(response))
        self.generate(response, item, ms)
        self.tell(ModelFinishedAudio(item, 0), ResponseFinished(response, "completed", **took))
        return self.wanted[before:]

    def call_tool(self, call_id: str = "c1", name: str = "look_up", arguments: str = "{}") -> list[Effect]:
        """Let the model call a tool in a response that goes on."""
        return self.tell(ToolCalled("r9", call_id, name, arguments))

    def echo(self, marks: int = -1) -> list[Effect]:
        """Let Twilio echo the next so many marks; all that wait if no number is given."""
        names = [mark.name for mark in of(self.wanted, SendMark)]
        until = len(names) if marks < 0 else self.echoed + marks
        waiting, self.echoed = names[self.echoed : until], until
        return self.tell(*(MarkReached(self.sid, name) for name in waiting))

    def hear_out(self) -> list[Effect]:
        """Let the caller hear everything that there is to hear, half a second at a time."""
        before = len(self.wanted)
        self.wait(500)
        while self.echoed < len(of(self.wanted, SendMark)):
            self.echo()
            self.wait(500)
        return self.wanted[before:]

    def caller_begins(self, *, after: int = 0) -> list[Effect]:
        """Let the server's turn detection hear the caller begin."""
        return self.tell(SpeechStarted("u1", 0), after=after)

    def caller_ends(self, *, after: int = 0) -> list[Effect]:
        """Let the server's turn detection hear the caller end, and commit the turn."""
        return self.tell(SpeechStopped("u1", 0), TurnCommitted("u1"), after=after)

    @property
    def end(self) -> EndCall | None:
        """How the call ended, if it did."""
        ends = of(self.wanted, EndCall)
        return ends[0] if ends else None

    @property
    def counts(self) -> dict[str, int]:
        """What the call counted; written when it ends."""
        return dict(self.notes("counts")[-1])

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """Return what was noted of one kind."""
        return [dict(note.data) for note in of(self.wanted, WriteNote) if note.kind == kind]

    def milestones(self) -> list[str]:
        """Return the names of the milestones reached."""
        return [note["name"] for note in self.notes("milestone")]


def truncations(effects: Iterable[Effect]) -> list[tuple[str, int]]:
    """Return (item, heard ms) of every truncation."""
    return [(effect.item_id, effect.audio_end_ms) for effect in of(effects, TruncateItem)]


def played(effects: Iterable[Effect]) -> bytes:
    """Return the audio sent to the caller."""
    return b"".join(effect.audio for effect in of(effects, PlayAudio))


def new_call(agent: Agent | None = None, prices: Prices | None = None, rules: Rules | None = None) -> Driver:
    """Return a call whose webhook was just accepted."""
    call = Call(agent or agent_with(), TOOLS, prices=prices, tool_rules=rules or {})
    return Driver(call, wanted=call.begin())


def ready_call(
    agent: Agent | None = None, prices: Prices | None = None, rules: Rules | None = None
) -> Driver:
    """Return a call with both legs, whose opening was asked for."""
    line = new_call(agent, prices, rules)
    line.tell(SessionCreated(0), SessionUpdated(), START)
    return line


def open_call(agent: Agent | None = None, prices: Prices | None = None, rules: Rules | None = None) -> Driver:
    """Return a call whose opening was spoken and heard; nothing is outstanding."""
    line = ready_call(agent, prices, rules)
    line.answer("r0", "i0", 200)
    line.hear_out()
    line.wanted.clear()
    line.echoed = 0
    return line
