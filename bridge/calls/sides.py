"""The two sides of one call: the phone's legs, one after the other and never two, and the model's while it lasts."""

from collections.abc import Callable

import trio
from attrs import define, field

from bridge.calls.leg import Leg, phone_leg
from bridge.errors import DoorShutError, LinkError
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
    """The way to one call's model; `feed` is told what becomes of it, `record` what need not be known."""

    address: ModelAddress
    leg: Leg
    feed: Callable[[Line, Event], None]
    record: Callable[[Line], None]
    hear: Callable[[Leg, str | bytes], None]
    now_ms: Callable[[], int]
    came: trio.Event = field(factory=trio.Event)
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    async def live(self, until: float) -> None:
        """Open the socket, by that time at the latest, and live with it until it is closed."""
        door = ModelDoor(self.address, until, on_try=self._try, on_failure=self._try_failed)
        with self._scope:
            try:
                await door.serve(self._serve)
            except LinkError as error:
                line = Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, refused=str(error))
                self.feed(line, ModelUnreachable(str(error)))

    async def part(self) -> None:
        """Say goodbye: the session is over, the call goes on."""
        await self.leg.part()
        self._scope.cancel(reason="the session is over")

    def _try(self) -> None:
        upgrade = {"method": "GET", "url": self.address.session_url}
        self.record(Line(t_ms=self.now_ms(), leg=MODEL, sender=BRIDGE, upgrade=upgrade))

    def _try_failed(self, shut: DoorShutError, again_in_ms: int) -> None:
        failed = TryFailed(kind=shut.kind, why=str(shut), again_in_ms=again_in_ms)
        line = Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, try_failed=failed)
        self.feed(line, ModelTryFailed(shut.kind, str(shut)))

    async def _serve(self, link: WebSocketLink) -> None:
        self.record(Line(t_ms=self.now_ms(), leg=MODEL, sender=OPENAI, accept={"status": 101}))
        self.leg.link = link
        self.came.set()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.leg.speak, link, name="speak to model")
                nursery.start_soon(self._feel_pulse, link, name="model heartbeat")
                await self.leg.listen(link, self.hear)
                line, event = self.leg.left_at(self.now_ms())
                if line.is_input:
                    self.feed(line, event)
                else:
                    self.record(line)
                nursery.cancel_scope.cancel(reason="the model has left")
        finally:
            self.leg.ended.set()

    async def _feel_pulse(self, link: WebSocketLink) -> None:
        """Tell the heart of a model that is gone without a word."""
        await wait_silent(link)
        line = Line(t_ms=self.now_ms(), leg=NOTE, sender="link", stalled=realtime.LEG)
        self.feed(line, LinkStalled(realtime.LEG))
