"""One call's nursery: tasks that move messages between two sockets, the tools, the tape and the heart.

They decide nothing. `feed` is the one way in, it has no await, and what the heart answers is carried out at once.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
import trio
from attrs import Factory, define, field

from bridge.agents import Agent
from bridge.calls.leg import Leg, model_leg, phone_leg
from bridge.calls.shadow import Shadow
from bridge.calls.tool_tasks import ToolTasks
from bridge.calls.wind_up import WIND_UP_SECONDS, wind_up
from bridge.errors import DoorShutError, LinkError, in_words
from bridge.heart.call import Call
from bridge.heart.effects import AppendAudio, Effect, EndCall, RunTool, WriteNote
from bridge.heart.events import (
    ClockRang,
    Event,
    LinkStalled,
    ModelTryFailed,
    ModelUnreachable,
    Stopped,
    ToolAnswered,
    ToolFailed,
)
from bridge.heart.last_words import LISTEN_MS
from bridge.links.lag import LoopLag
from bridge.links.model import ModelAddress, ModelLink, wait_silent
from bridge.links.model_door import ModelDoor
from bridge.links.outbox import Outbox
from bridge.links.phone import FLUSH, Link, PhoneSocket
from bridge.tapes import tape
from bridge.tapes.key_mask import KeyMask
from bridge.tapes.lines import Ending, TryFailed
from bridge.tapes.redact import without
from bridge.tapes.tape import BRIDGE, MODEL, NOTE, OPENAI, PHONE, Line
from bridge.tapes.tape_writer import TapeWriter
from bridge.text.validity import valid_json
from bridge.tools import Tool
from bridge.wire import realtime


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
    born: float = field(factory=trio.current_time)
    last_event: float = field(factory=trio.current_time)
    end: EndCall | None = None
    ended: float = float("inf")
    is_cancelled: bool = False
    on_stream: Callable[[], None] = lambda: None
    on_end: Callable[[EndCall], None] = lambda end: None
    token: str = field(default="", repr=False)
    phone: Leg = field(default=Factory(lambda call: phone_leg(Outbox(call.lag.awake)), takes_self=True))
    model: Leg = field(default=Factory(lambda call: model_leg(Outbox(call.lag.awake)), takes_self=True))
    leaves_by: float = float("inf")
    _over: trio.Event = field(factory=trio.Event)
    _heard_out: trio.Event = field(factory=trio.Event)
    _phone_came: trio.Event = field(factory=trio.Event)
    _preamble: list[str | bytes] = field(factory=list)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope)
    _nursery: trio.Nursery | None = None
    _stalled: str = ""
    _model_came: trio.Event = field(factory=trio.Event)
    _shadow: Shadow | None = field(init=False, default=None)
    _tool_tasks: ToolTasks = field(init=False)
    _log: Any = field(init=False)
    _mask: KeyMask = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._mask = KeyMask.of(self.agent.keys)
        self._tool_tasks = ToolTasks(self.tools, self.agent.limits.tools_at_once)
        self._log = structlog.get_logger(__name__).bind(call_id=self.call_id, agent=self.agent.name)
        if self.agent.shadow is not None:
            self._shadow = Shadow(
                agent=self.agent,
                vad=self.agent.shadow,
                address=self.address,
                write=self.record,
                now_ms=self.now_ms,
                log=self._log,
                outbox=Outbox(self.lag.awake),
            )

    # ------------------------------------------------------------ feeding the heart

    def now_ms(self) -> int:
        """Return whole milliseconds since the webhook was accepted."""
        return int((trio.current_time() - self.born) * 1000)

    def begin(self, webhook: Line) -> None:
        """Let the heart begin; what it wants is on the tape before the webhook is answered."""
        with self._crashing_alone():
            self.record(webhook)
            self._carry_out(self.call.begin(), 0)

    def record(self, line: Line) -> None:
        """Put a line on the tape that the heart need not know."""
        self._write(line)

    def _write(self, line: Line, event: Event | None = None) -> None:
        self.tape.append(self._mask.line(line), event)

    def feed(self, line: Line, event: Event) -> None:
        """Tape what happened, ask the heart, carry out what it wants. Never waits."""
        if not line.rang and tape.is_overdue(self.call.deadline, line.t_ms):
            self._ring(
                line.t_ms
            )  # the whole process was held up: what was due comes before what came meanwhile
        self.last_event = trio.current_time()
        self._write(line, event)
        self._carry_out(self.call.handle(event, line.t_ms), line.t_ms)
        if self.end is not None and not self.call.is_listening:
            self._heard_out.set()
        if self._stalled:
            leg, self._stalled = self._stalled, ""
            self.feed(Line(t_ms=line.t_ms, leg=NOTE, sender="link", stalled=leg), LinkStalled(leg))
        deadline = self.call.deadline
        self._alarm.deadline = self._at(deadline) if deadline is not None else float("inf")

    def _at(self, ms: int) -> float:
        """Return the clock's time of a millisecond, a little late: early by a rounding error would spin."""
        return self.born + (ms + 0.5) / 1000

    def _carry_out(self, effects: list[Effect], t_ms: int) -> None:
        for effect in effects:
            self._mask.learn(effect)
            line, message = tape.carry_out(t_ms, effect)
            self._write(line)
            if message is not None:
                self._post(self.phone if line.leg == PHONE else self.model, message)
                if isinstance(effect, AppendAudio) and self._shadow is not None:
                    self._shadow.offer(effect, message)
            elif isinstance(effect, RunTool):
                assert self._nursery is not None
                self._tool_tasks.start(effect, self._nursery, self._tool_answered)
            elif isinstance(effect, WriteNote):
                self._log_note(self._mask.note(effect))
            elif isinstance(effect, EndCall):
                self._finish(self._mask.ending(effect))

    def _post(self, leg: Leg, message: str) -> None:
        if not leg.outbox.put(message):
            self._stalled = leg.stalled

    def _log_note(self, note: WriteNote) -> None:
        if note.kind == "log":
            data = {key: value for key, value in note.data.items() if key != "text"}
            self._log.warning(note.data["text"], **data)

    def _finish(self, effect: EndCall) -> None:
        self.end, self.ended = effect, trio.current_time()
        self.leaves_by = max(self.ended, self._tool_tasks.until) + WIND_UP_SECONDS
        self._over.set()
        self.phone.outbox.close()
        if self._shadow is not None:
            self._shadow.leave()
        self.on_end(effect)
        self._log.info("call ended", by=effect.by, why=effect.why, ms=self.now_ms())

    # ------------------------------------------------------------ the call's life

    async def run(self) -> None:
        """Live through the call; when this returns nothing of it is left, and its tape is complete."""
        try:
            await self._live()
        except* Exception as group:  # the top of a call: a bug here ends this call and no other
            self._crash(group)
        finally:
            self._give_up("cancelled")
            self.tape.is_finished = True
            self.phone.ended.set()  # a socket that came in the last moment is let go too

    async def _live(self) -> None:
        # A tool that the call leaves behind ends by itself, in the outer nursery.
        async with trio.open_nursery() as self._nursery, trio.open_nursery() as legs:
            legs.start_soon(self._meet_model, name="model leg")
            legs.start_soon(self._meet_phone, name="phone leg")
            legs.start_soon(self._keep_time, name="alarm")
            if self._shadow is not None:
                legs.start_soon(self._meet_shadow, self._shadow, name="shadow leg")
            await self._over.wait()
            await wind_up(self.phone, self.model, self._shadow, hear_out=self._hear_out)
            legs.cancel_scope.cancel(reason="the call is over")

    async def _hear_out(self) -> None:
        """Hear the caller's last words out, whose transcripts are under way; nothing else waits for them."""
        if self.model.link is not None and self.call.is_listening:
            with trio.move_on_after(LISTEN_MS / 1000):
                await self._heard_out.wait()

    @contextmanager
    def _crashing_alone(self) -> Iterator[None]:
        """Let a bug end this call, and not whoever does something with it from outside."""
        try:
            yield
        except Exception as error:  # the top of a call, from another side
            self._crash(error)

    def _crash(self, error: BaseException) -> None:
        self._log.error("call crashed", exc_info=error)
        self.abandon(f"crashed: {in_words(error)}"[:300])

    def abandon(self, why: str) -> None:
        """End the call without asking its peers; its caller hears the failure sentence, whatever is broken here."""
        self._give_up(why, say=self.agent.failure_sentence.text)

    def _give_up(self, why: str, *, say: str = "") -> None:
        """The heart may be what is broken, or the tape: each is asked only once."""
        if self.end is not None:
            return
        try:
            self._stop(BRIDGE, why, say)
        except Exception:
            self._log.exception("the heart could not end its call")
        if self.end is None:
            self._end_without_heart(EndCall(BRIDGE, why, say))

    def _end_without_heart(self, end: EndCall) -> None:
        self.call.give_up()
        try:
            self._carry_out([end], self.now_ms())
        except Exception:
            self._log.exception("the end of a call is not on its tape")
        if self.end is None:
            self._finish(end)

    def stop(self, by: str, why: str, *, say: str = "") -> None:
        """End the call from outside, with a sentence for the caller if there is one to say."""
        with self._crashing_alone():
            self._stop(by, why, say)

    def _stop(self, by: str, why: str, say: str) -> None:
        stopped = Ending(by=by, why=why, say=say) if say else Ending(by=by, why=why)
        line = Line(t_ms=self.now_ms(), leg=NOTE, sender="operator", stopped=stopped)
        self.feed(line, Stopped(by, why, say))

    def cancel(self, why: str) -> None:
        """Cancel whatever is left of a call that is over; its record says so."""
        self.is_cancelled = True
        with self._crashing_alone():
            note = {"kind": "log", "text": why}
            self.record(Line(t_ms=self.now_ms(), leg=NOTE, sender="operator", note=note))
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel(reason=why)

    async def _keep_time(self) -> None:
        while (deadline := self.call.deadline) is not None:
            with trio.CancelScope(deadline=self._at(deadline)) as self._alarm:
                await trio.sleep_forever()
            now = self.now_ms()
            if (self.call.deadline or now + 1) <= now:
                self._ring(now)

    def _ring(self, now: int) -> None:
        self.feed(Line(t_ms=now, leg=NOTE, sender="clock", rang=True), ClockRang())

    # ------------------------------------------------------------ the legs

    def attach(self, link: PhoneSocket, preamble: list[str | bytes]) -> None:
        """Give the call its phone leg; `preamble` is what was already read from it, `start` last."""
        self.phone.link = link
        with self._crashing_alone():
            self.on_stream()
            self.record(Line(t_ms=self.now_ms(), leg=PHONE, sender=BRIDGE, accept={"status": 101}))
            link.on_control = self._answer_ping
            self._preamble = preamble
            self._phone_came.set()

    def _answer_ping(self) -> None:
        """Have the pong sent; whatever waits already takes it along, so that a burst of pings fills no outbox."""
        if not self.phone.outbox:
            self._post(self.phone, FLUSH)

    @property
    def way(self) -> str:
        """Return what its media socket's path ends with: nothing, this process has its own or is told."""
        return ""

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

    async def settle(self) -> None:
        """Nothing to wait for: what happens to a call in this process is known at once."""

    @property
    def is_waiting(self) -> bool:
        """Say whether the call has had no phone leg yet."""
        return self.phone.link is None and self.end is None

    @property
    def is_streaming(self) -> bool:
        """Say whether the call has a phone leg, from which frames should come."""
        return self.phone.link is not None and not self.phone.ended.is_set()

    async def phone_is_done(self) -> None:
        """Wait until the call needs its phone leg no more."""
        await self.phone.ended.wait()

    async def _meet_phone(self) -> None:
        await self._phone_came.wait()
        assert self.phone.link is not None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.phone.speak, self.phone.link, name="speak to phone")
                for message in self._preamble:
                    self._hear(self.phone, message)
                await self._listen(self.phone, self.phone.link)
                nursery.cancel_scope.cancel(reason="the caller has left")
        finally:
            self.phone.ended.set()

    async def _meet_model(self) -> None:
        until = self._at(self.agent.limits.model_ready_ms)
        door = ModelDoor(self.address, until, on_try=self._try_model, on_failure=self._model_try_failed)
        try:
            await door.serve(self._serve_model)
        except LinkError as error:
            line = Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, refused=str(error))
            self.feed(line, ModelUnreachable(str(error)))

    def _try_model(self) -> None:
        upgrade = {"method": "GET", "url": self.address.session_url}
        self.record(Line(t_ms=self.now_ms(), leg=MODEL, sender=BRIDGE, upgrade=upgrade))

    def _model_try_failed(self, shut: DoorShutError, again_in_ms: int) -> None:
        failed = TryFailed(kind=shut.kind, why=str(shut), again_in_ms=again_in_ms)
        line = Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, try_failed=failed)
        self.feed(line, ModelTryFailed(shut.kind, str(shut)))

    async def _serve_model(self, link: ModelLink) -> None:
        self.record(Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, accept={"status": 101}))
        self.model.link = link
        self._model_came.set()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.model.speak, link, name="speak to model")
                nursery.start_soon(self._feel_pulse, link, name="model heartbeat")
                await self._listen(self.model, link)
                nursery.cancel_scope.cancel(reason="the model has left")
        finally:
            self.model.ended.set()

    async def _meet_shadow(self, shadow: Shadow) -> None:
        """Let the real session connect first: a shadow is no reason for a later first word."""
        await self._model_came.wait()
        await shadow.run()

    async def _listen(self, leg: Leg, link: Link) -> None:
        """Feed everything a peer says until it leaves, and that too."""
        while (message := await link.receive()) is not None:
            self._hear(leg, message)
        self.feed(*leg.left_with(link.closing, self.now_ms()))

    def _hear(self, leg: Leg, message: str | bytes) -> None:
        if isinstance(message, str):
            message = without(valid_json(message), self.token)  # `start` brings it, and may come twice
        event = leg.parse(message)
        self.feed(tape.received(self.now_ms(), leg.name, leg.peer, message, event), event)

    async def _feel_pulse(self, link: ModelLink) -> None:
        """Tell the heart of a model that is gone without a word."""
        await wait_silent(link)
        line = Line(t_ms=self.now_ms(), leg=NOTE, sender="link", stalled=realtime.LEG)
        self.feed(line, LinkStalled(realtime.LEG))

    # ------------------------------------------------------------ tools

    def _tool_answered(self, answer: ToolAnswered | ToolFailed) -> None:
        with self._crashing_alone():
            self.feed(tape.tool_line(self.now_ms(), answer), answer)
