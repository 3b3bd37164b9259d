"""One call's nursery: tasks that move messages between two sockets, the tools, the tape and the heart.

They decide nothing. `feed` is the one way in, it has no await, and what the heart answers is carried out at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
import trio
from attrs import Factory, define, field

from bridge.agents import Agent
from bridge.calls.answering import answer
from bridge.calls.crashes import crash, crashing_alone, give_up
from bridge.calls.legs.ears import Ears, Hear, Seat
from bridge.calls.legs.leg import WIND_UP_SECONDS, Leg, wind_up
from bridge.calls.legs.shadow import Shadow
from bridge.calls.legs.sides import ModelSide, PhoneSide
from bridge.calls.operating import ask, listen
from bridge.calls.tool_tasks import ToolTasks
from bridge.calls.whereabouts import Whereabouts
from bridge.given import CallInfo
from bridge.heart.call import Call
from bridge.heart.effects import (
    AnswerOperator,
    AppendAudio,
    CancelTool,
    Effect,
    EndCall,
    EndSession,
    LeaveStream,
    OpenSession,
    ReturnToStream,
    RunTool,
    WriteNote,
)
from bridge.heart.events import ClockRang, Event, LinkStalled, ToolAnswered, ToolFailed, ToolReported
from bridge.heart.last_words import LISTEN_MS
from bridge.heart.wishes import Stopped, Wish
from bridge.links.lag import LoopLag
from bridge.links.link import PhoneSocket
from bridge.links.model import ModelAddress
from bridge.links.outbox import Outbox
from bridge.tapes import tape
from bridge.tapes.key_mask import KeyMask
from bridge.tapes.redact import without
from bridge.tapes.tape import BRIDGE, LATE_MS, NOTE, PHONE, Line
from bridge.tapes.tape_writer import TapeWriter
from bridge.text.validity import valid_json
from bridge.tools import Tool
from bridge.wire import realtime
from bridge.wire.requests import Request
from bridge.wire.routes import Routes


@define(eq=False)
class LiveCall:
    """A call that is going on."""

    call_id: str
    account_sid: str
    agent: Agent
    address: ModelAddress
    tools: Mapping[str, Tool]
    tape: TapeWriter
    call: Call
    lag: LoopLag = field(factory=LoopLag)
    clock: Callable[[], float] = field(factory=lambda: trio.lowlevel.current_clock().current_time)
    born: float = field(factory=trio.current_time)
    last_event: float = field(factory=trio.current_time)
    end: EndCall | None = None
    ended: float = float("inf")
    ears: Ears | None = None
    """None while nobody listens in."""
    listeners: int = 0
    """How many have, so far."""
    refusal: str = ""
    """Why what somebody at the daemon has asked for last was not done."""
    is_cancelled: bool = False
    routes: Routes = field(factory=Routes)
    caller_id: str = ""  # the number to ring others with, where the caller hides their own
    on_stream: Callable[[], None] = lambda: None
    on_leave: Callable[[int], None] = lambda bound_ms: None
    on_end: Callable[[EndCall], None] = lambda end: None
    phones: PhoneSide = field(default=Factory(lambda call: PhoneSide(call.lag.awake), takes_self=True))
    info: CallInfo = field(factory=CallInfo)
    is_outgoing: bool = False
    hides_numbers: bool = False
    due: float = Factory(lambda call: call.born + call.agent.limits.max_call_seconds, takes_self=True)
    leaves_by: float = float("inf")
    over: trio.Event = field(factory=trio.Event)
    _heard_out: trio.Event = field(factory=trio.Event)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope)
    _alarm_for: int = 0  # what was due when it was set; frames put that off, and then it rings in vain
    _nursery: trio.Nursery | None = None
    _legs: trio.Nursery | None = None
    _stalled: str = ""
    _model_side: ModelSide = field(init=False)
    _shadow: Shadow | None = field(init=False, default=None)
    _tool_tasks: ToolTasks = field(init=False)
    log: Any = field(init=False)
    mask: KeyMask = field(init=False)
    where: Whereabouts = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.mask = KeyMask.of(self.agent.keys)
        self.where = Whereabouts(self.agent, self.tape.header.call_sid, self.routes, self.caller_id)
        told = (self.feed, self.record, self._hear, self.now_ms)
        self._model_side = ModelSide(self.address, self.lag.awake, *told)
        self._tool_tasks = ToolTasks(self.tools, self.agent.limits.tools_at_once, self.info, self.now_ms)
        self.log = structlog.get_logger(__name__).bind(call_id=self.call_id, agent=self.agent.name)
        if self.agent.shadow is not None:
            vad, box = self.agent.shadow, Outbox(self.lag.awake)
            self._shadow = Shadow(self.agent, vad, self.address, self.record, self.now_ms, self.log, box)

    # ------------------------------------------------------------ feeding the heart

    def now_ms(self) -> int:
        """Return whole milliseconds since the webhook was accepted."""
        return int((self.clock() - self.born) * 1000)

    def begin(self, webhook: Line) -> None:
        """Let the heart begin; what it wants is on the tape before the webhook is answered."""
        with crashing_alone(self):
            self.record(webhook)
            self.carry_out(self.call.begin(), 0)

    def record(self, line: Line, event: Event | None = None) -> None:
        """Put a line on the tape; the heart need not know of it, but for the event that it may be."""
        self.tape.append(self.mask.line(line), event)

    def feed(self, line: Line, event: Event) -> None:
        """Tape what happened, ask the heart, carry out what it wants. Never waits."""
        call, t_ms = self.call, line.t_ms
        if t_ms >= call.calm_until + LATE_MS and not line.rang and tape.is_overdue(call.deadline, t_ms):
            self._ring(t_ms)  # held up as a whole: what was due comes before what came meanwhile
        self.last_event = self.born + t_ms / 1000
        self.record(line, event)
        self.carry_out(effects := call.handle(event, t_ms), t_ms)
        if self.ears is not None:
            self.ears.take(event, effects)
        if self.end is not None and not call.is_listening:
            self._heard_out.set()
        if self._stalled:
            leg, self._stalled = self._stalled, ""
            self.feed(Line(t_ms=t_ms, leg=NOTE, sender="link", stalled=leg), LinkStalled(leg))
        if call.calm_until != self._alarm_for:
            self._alarm_for, self._alarm.deadline = call.calm_until, self._at(call.alarm_at)

    def _at(self, ms: int) -> float:
        """Return the clock's time of a millisecond, a little late: early by a rounding error would spin."""
        return self.born + (ms + 0.5) / 1000

    def carry_out(self, effects: list[Effect], t_ms: int) -> None:
        """Do what the heart wants: tape it, send it, act on it."""
        posted = 0
        for effect in effects:
            if type(effect) is AppendAudio:
                self._append(effect, t_ms)
                continue
            self.mask.learn(effect)
            line, message = tape.carry_out(t_ms, effect)
            self.record(line)
            if message is None:
                self._act(effect)
                continue
            leg, posted = self.phone if line.leg == PHONE else self.model, posted + 1
            self._stalled = self._stalled if leg.post(message) else leg.stalled
        if posted:
            self.phone.push()
            self.model.push()

    def _append(self, effect: AppendAudio, t_ms: int) -> None:
        """Give the model the caller's frames: most of what is done at all, and there are no words in it to mask."""
        message, model = realtime.encode(effect), self._model_side.leg
        self.tape.append(tape.append_line(t_ms, effect))
        self._stalled = self._stalled if model.send(message) else model.stalled
        if self._shadow is not None:
            self._shadow.offer(effect, message)

    def _act(self, effect: Effect) -> None:
        """Do what no message does."""
        match effect:
            case RunTool():
                self._run_tool(effect)
            case CancelTool():
                self._tool_tasks.cancel(effect)
            case WriteNote() if effect.kind == "log":
                data = dict(self.mask.note(effect).data)
                self.log.warning(data.pop("text"), **data)
            case LeaveStream():
                self._leave(effect)
            case ReturnToStream():
                self.where.returned(effect)
                self.phones.expect()
            case OpenSession():
                self._model_side.open_next(effect, self._legs)
            case EndSession():
                self._end_session()
            case AnswerOperator():
                self.refusal = effect.refusal
            case EndCall():
                self.finish(self.mask.ending(effect))

    def finish(self, effect: EndCall) -> None:
        """Take note that the call is over, and let whoever waits for it know."""
        self.end, self.ended = effect, trio.current_time()
        self.leaves_by = max(self.ended, self._tool_tasks.until) + WIND_UP_SECONDS
        self.over.set()
        self.phone.outbox.close()
        if self.ears is not None:
            self.ears.close()
        if self._shadow is not None:
            self._shadow.leave()
        self.on_end(effect)
        self.log.info("call ended", by=effect.by, why=effect.why, ms=self.now_ms())

    # ------------------------------------------------------------ the call's life

    async def run(self) -> None:
        """Live through the call; when this returns nothing of it is left, and its tape is complete."""
        try:
            await self._live()
        except* Exception as group:  # the top of a call: a bug here ends this call and no other
            crash(self, group)
        finally:
            give_up(self, "cancelled")
            self.tape.is_finished = True
            self.phone.ended.set()  # a socket that came in the last moment is let go too

    async def _live(self) -> None:
        # A tool that the call leaves behind ends by itself, in the outer nursery.
        async with trio.open_nursery() as self._nursery, trio.open_nursery() as legs:
            self._legs = legs
            legs.start_soon(self._meet_model, name="model leg")
            legs.start_soon(self._meet_phone, name="phone leg")
            legs.start_soon(self._keep_time, name="alarm")
            if self._shadow is not None:
                legs.start_soon(self._shadow.run_after, self._model_side.came, name="shadow leg")
            await self.over.wait()
            await wind_up(self.phone, self.model, self._shadow, hear_out=self._hear_out)
            legs.cancel_scope.cancel(reason="the call is over")

    async def _hear_out(self) -> None:
        """Hear the caller's last words out, whose transcripts are under way; nothing else waits for them."""
        if self.model.link is not None and self.call.is_listening:
            with trio.move_on_after(LISTEN_MS / 1000):
                await self._heard_out.wait()

    def abandon(self, why: str) -> None:
        """End the call without asking its peers; its caller hears the failure sentence, whatever is broken here."""
        give_up(self, why, say=self.agent.failure_sentence.text)

    def stop(self, by: str, why: str, *, say: str = "", within_ms: int = 0) -> None:
        """End the call from outside, with a sentence for the caller, or within the time the agent has for its own."""
        with crashing_alone(self):
            event = Stopped(by, why, say, within_ms)
            self.feed(tape.stop_line(self.now_ms(), event), event)

    async def wish(self, wish: Wish) -> str:
        """Have the heart decide on what somebody at the daemon asks; return why it is not done, nothing if it is."""
        return ask(self, wish)

    async def listen(self, who: str, hear: Hear) -> Seat:
        """Let somebody hear both sides until they leave or the call is over, if they may."""
        return listen(self, who, hear)

    def cancel(self, why: str) -> None:
        """Cancel whatever is left of a call that is over; its record says so."""
        self.is_cancelled = True
        line = Line(t_ms=self.now_ms(), leg=NOTE, sender="operator", note={"kind": "log", "text": why})
        with crashing_alone(self):
            self.record(line)
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel(reason=why)

    async def _keep_time(self) -> None:
        """Ring when it is time: what was due may have moved away since the alarm was set, and then nothing rings."""
        while (deadline := self.call.deadline) is not None:
            with trio.CancelScope(deadline=self._at(max(deadline, self.call.alarm_at))) as self._alarm:
                await trio.sleep_forever()
            now = self.now_ms()
            if (self.call.deadline or now + 1) <= now:
                self._ring(now)

    def _ring(self, now: int) -> None:
        self.feed(Line(t_ms=now, leg=NOTE, sender="clock", rang=True), ClockRang())

    # ------------------------------------------------------------ the legs

    def attach(self, link: PhoneSocket, preamble: list[str | bytes]) -> Leg:
        """Give the call a leg of its phone; `preamble` is what was already read from it, `start` last."""
        leg = self.phones.attach(link, preamble)
        leg.token = self.where.token
        with crashing_alone(self):
            self.on_stream()
            self.record(Line(t_ms=self.now_ms(), leg=PHONE, sender=BRIDGE, accept={"status": 101}))
        return leg

    @property
    def phone(self) -> Leg:
        """Return the present leg of the phone, or the one that is to come."""
        return self.phones.leg

    @property
    def caller(self) -> str:
        """Return the number that called."""
        return self.tape.header.caller

    @property
    def called(self) -> str:
        """Return the number that was called."""
        return self.tape.header.called

    async def wait_on_disk(self) -> None:
        """Return when the beginning of the tape is on the disk, or could not be put there."""
        await self.tape.on_disk.wait()

    @property
    def is_away(self) -> bool:
        """Say whether the caller has left the stream, and is not back yet."""
        return (self.where.has_left and self.phone.link is None) or self.where.is_away

    @property
    def is_waiting(self) -> bool:
        """Say whether the call has had no phone leg yet."""
        return self.phone.link is None and self.end is None and not self.where.has_left

    @property
    def is_streaming(self) -> bool:
        """Say whether the call has a phone leg, from which frames should come."""
        return self.phone.link is not None and not self.phone.ended.is_set() and not self.where.is_away

    def _phone_left(self, leg: Leg) -> None:
        line, event = leg.left_at(self.now_ms())
        (self.feed if line.is_input else self.record)(line, event)  # the call goes on without it, or is over

    async def _meet_phone(self) -> None:
        await self.phones.live(self._hear, self._phone_left)

    async def _meet_model(self) -> None:
        await self._model_side.live(self._at(self.agent.limits.model_ready_ms))

    @property
    def model(self) -> Leg:
        """Return the leg of the model's present session, or of the one that is to come."""
        return self._model_side.leg

    def _hear(self, leg: Leg, message: str | bytes) -> None:
        if isinstance(message, str):
            message = without(valid_json(message), leg.token)  # `start` brings it, and may come twice
        event = leg.parse(message)
        self.feed(tape.received(self.now_ms(), leg.name, leg.peer, message, event), event)

    # ------------------------------------------------------------ away from the stream

    async def ask(self, request: Request) -> str:
        """Answer a signed request about the caller, who leaves the stream, is away, or comes back."""
        try:
            return answer(self, request)
        except Exception as error:  # the top of a call, from another side
            crash(self, error)
            return self.where.answer(request, self.end)

    def _leave(self, effect: LeaveStream) -> None:
        self.where.left(effect)
        self.phones.leave()
        self.due += self.where.bound_ms / 1000
        self.on_leave(self.where.bound_ms)

    def _end_session(self) -> None:
        """Part from the model, and from its shadow; the call goes on."""
        self.model.outbox.close()
        if self._shadow is not None:
            self._shadow.leave()
        if self._legs is not None:
            self._legs.start_soon(self._model_side.part, name="part from model")

    # ------------------------------------------------------------ tools

    def _run_tool(self, effect: RunTool) -> None:
        assert self._nursery is not None
        self._tool_tasks.start(effect, self._nursery, self._told, self.where.take_digits(effect.digits_of))

    def _told(self, told: ToolAnswered | ToolFailed | ToolReported) -> None:
        with crashing_alone(self):
            self.feed(tape.tool_line(self.now_ms(), told), told)
