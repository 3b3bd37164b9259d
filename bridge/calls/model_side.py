"""The model's leg of one call: its socket is opened, spoken to, listened to, and parted from once it isn't needed."""

from collections.abc import Callable

import trio
from attrs import define, field

from bridge.calls.leg import Leg
from bridge.errors import DoorShutError, LinkError
from bridge.heart.events import Event, LinkStalled, ModelTryFailed, ModelUnreachable
from bridge.links.model import ModelAddress, ModelLink, wait_silent
from bridge.links.model_door import ModelDoor
from bridge.tapes.lines import TryFailed
from bridge.tapes.tape import BRIDGE, MODEL, NOTE, OPENAI, Line
from bridge.wire import realtime


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

    async def _serve(self, link: ModelLink) -> None:
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

    async def _feel_pulse(self, link: ModelLink) -> None:
        """Tell the heart of a model that is gone without a word."""
        await wait_silent(link)
        line = Line(t_ms=self.now_ms(), leg=NOTE, sender="link", stalled=realtime.LEG)
        self.feed(line, LinkStalled(realtime.LEG))
