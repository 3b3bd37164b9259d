"""The legs of one call's phone, one after the other and never two: each attaches once, speaks, listens, and parts."""

from collections.abc import Callable

import trio
from attrs import define, field

from bridge.calls.leg import Leg, phone_leg
from bridge.links.outbox import Outbox
from bridge.links.phone import PhoneSocket


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
