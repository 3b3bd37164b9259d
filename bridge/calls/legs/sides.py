"""The two sides of one call: the phone's legs, one after the other and never two, and the model's while it lasts."""

from collections.abc import Callable
from functools import partial

import trio
from attrs import define, field

from bridge.calls.legs.leg import Leg, model_leg, phone_leg
from bridge.errors import DoorShutError, LinkError
from bridge.heart.effects import OpenSession
from bridge.heart.events import Event, LinkStalled, ModelTryFailed, ModelUnreachable
from bridge.links.link import PhoneSocket
from bridge.links.model import ModelAddress, wait_silent
from bridge.links.model_door import ModelDoor
from bridge.links.outbox import Outbox
from bridge.links.web_socket import WebSocketLink
from bridge.tapes.lines import TryFailed
from bridge.tapes.tape import BRIDGE, MODEL, NOTE, OPENAI, Line
from bridge.wire import realtime

# ---------------------------------------------------------------- the phone's


@define(eq=False)
class PhoneSide:
    """The present leg of the phone, or the one that is to come."""

    clock: Callable[[], float]
    leg: Leg = field(init=False)
    _came: trio.Event = field(factory=trio.Event)
    _preamble: list[str | bytes] = field(factory=list)
    _present: trio.CancelScope = field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.leg = self._fresh()

    def _fresh(self) -> Leg:
        return phone_leg(Outbox(self.clock))

    def expect(self) -> None:
        """A new leg is to come; the one before has parted, or is about to."""
        self.leg = self._fresh()

    def leave(self) -> None:
        """Let what waits for the present leg out, and part from it; one that has not come any more is not let in."""
        self.leg.outbox.close()
        self.leg.is_left.set()

    def attach(self, link: PhoneSocket, preamble: list[str | bytes]) -> Leg:
        """Give the leg that is to come its socket; a leg of before that has not gone yet goes now."""
        self.leg.link, self._preamble = link, preamble
        self._present.cancel(reason="the next leg has come")
        self._came.set()
        return self.leg

    async def live(self, hear: Callable[[Leg, str | bytes], None], has_left: Callable[[Leg], None]) -> None:
        """Live with one leg after the other: `hear` what each says, and tell when it `has_left`."""
        while True:
            await self._came.wait()
            self._came = trio.Event()
            leg, preamble = self.leg, self._preamble
            try:
                with trio.CancelScope() as self._present:
                    await _live_with(leg, preamble, hear)
                has_left(leg)
            finally:
                leg.ended.set()


async def _live_with(leg: Leg, preamble: list[str | bytes], hear: Callable[[Leg, str | bytes], None]) -> None:
    assert leg.link is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.speak, leg.link, name="speak to phone")
        nursery.start_soon(_part_when_left, leg, nursery.cancel_scope, name="part from phone")
        for message in preamble:
            hear(leg, message)
        await leg.listen(leg.link, hear)
        nursery.cancel_scope.cancel(reason="the caller has left")


async def _part_when_left(leg: Leg, scope: trio.CancelScope) -> None:
    await leg.is_left.wait()
    await leg.part()
    scope.cancel(reason="it did not answer our goodbye")


# ---------------------------------------------------------------- the model's


@define(eq=False)
class ModelSide:
    """The way to one call's model, one session after the other; `feed` is told what becomes of the present one,
    `record` what need not be known. `clock` is what its outboxes go by."""

    address: ModelAddress
    clock: Callable[[], float]
    feed: Callable[[Line, Event], None]
    record: Callable[[Line], None]
    hear: Callable[[Leg, str | bytes], None]
    now_ms: Callable[[], int]
    came: trio.Event = field(factory=trio.Event)
    leg: Leg = field(init=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.leg = model_leg(Outbox(self.clock))

    async def live(self, until: float, pause_ms: int = 0) -> None:
        """Open the present session's socket, after a pause of up to so many ms and by that time at the latest, and live
        with it until it is closed."""
        leg, scope = self.leg, self._scope
        door = ModelDoor(self.address, until, self._try, self._try_failed, pause_ms)
        with scope:
            try:
                await door.serve(partial(self._serve, leg))
            except LinkError as error:
                line = Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, refused=str(error))
                self.feed(line, ModelUnreachable(str(error)))

    def open_next(self, wish: OpenSession, nursery: trio.Nursery | None) -> None:
        """Let the next session be the present one: the one before is heard no more, nor is its goodbye waited for."""
        leg, scope = self.leg, self._scope
        leg.outbox.close()
        self.leg, self._scope = model_leg(Outbox(self.clock)), trio.CancelScope()
        if nursery is not None:
            nursery.start_soon(_part_with, leg, scope, name="part from model")
            until = trio.current_time() + wish.within_ms / 1000
            nursery.start_soon(self.live, until, wish.pause_ms, name="model leg")

    async def part(self) -> None:
        """Say goodbye: the session is over, the call goes on."""
        await _part_with(self.leg, self._scope)

    def _try(self) -> None:
        upgrade = {"method": "GET", "url": self.address.session_url}
        self.record(Line(t_ms=self.now_ms(), leg=MODEL, sender=BRIDGE, upgrade=upgrade))

    def _try_failed(self, shut: DoorShutError, again_in_ms: int) -> None:
        failed = TryFailed(kind=shut.kind, why=str(shut), again_in_ms=again_in_ms)
        line = Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, try_failed=failed)
        self.feed(line, ModelTryFailed(shut.kind, str(shut)))

    async def _serve(self, leg: Leg, link: WebSocketLink) -> None:
        self.record(Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, accept={"status": 101}))
        leg.link = link
        self.came.set()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(leg.speak, link, name="speak to model")
                nursery.start_soon(self._feel_pulse, leg, link, name="model heartbeat")
                await leg.listen(link, self._hear)
                self._has_left(leg)
                nursery.cancel_scope.cancel(reason="the model has left")
        finally:
            leg.ended.set()

    def _hear(self, leg: Leg, message: str | bytes) -> None:
        if leg is self.leg:
            self.hear(leg, message)

    def _has_left(self, leg: Leg) -> None:
        line, event = leg.left_at(self.now_ms())
        if line.is_input and leg is self.leg:
            self.feed(line, event)
        elif not line.is_input:
            self.record(line)

    async def _feel_pulse(self, leg: Leg, link: WebSocketLink) -> None:
        """Tell the heart of a model that is gone without a word."""
        await wait_silent(link)
        if leg is not self.leg:
            return
        line = Line(t_ms=self.now_ms(), leg=NOTE, sender="link", stalled=realtime.LEG)
        self.feed(line, LinkStalled(realtime.LEG))


async def _part_with(leg: Leg, scope: trio.CancelScope) -> None:
    await leg.part()
    scope.cancel(reason="the session is over")
