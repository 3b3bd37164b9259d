"""One side of a call: what waits to be sent, its socket once there is one, and how the two part."""

from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field

from bridge.heart.events import Event, ModelLeft, PhoneLeft
from bridge.links.outbox import Outbox
from bridge.links.phone import Closing, Link
from bridge.tapes import tape
from bridge.tapes.lines import Close
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, PHONE, TWILIO, Line
from bridge.wire import realtime, twilio

LINGER_SECONDS: Final = 0.8
"""How long the last words may take to leave our buffers once a call has ended."""

GOODBYE_SECONDS: Final = 0.5
"""How long a peer may take to answer our close frame."""


@define(eq=False)
class Leg:
    """One side of a call: its outbox now, its socket once there is one."""

    name: tape.Leg
    peer: str
    stalled: str
    parse: Callable[[str | bytes], Event]
    left: Callable[[int, str], Event]
    outbox: Outbox
    link: Link | None = None
    drained: trio.Event = field(factory=trio.Event)
    ended: trio.Event = field(factory=trio.Event)
    is_closed_by_us: bool = False

    async def say_goodbye(self, code: int) -> None:
        """Close the socket and wait for the peer to do the same."""
        if self.link is None or self.ended.is_set():
            return
        self.is_closed_by_us = True
        await self.link.close(code)
        await self.ended.wait()

    async def speak(self, link: Link) -> None:
        """Send what is put into the outbox, until that is closed and empty."""
        try:
            while messages := await self.outbox.take():
                await link.send(*messages)
        finally:
            self.drained.set()  # of a peer that has left, too

    async def part(self) -> None:
        """Let the last words out, then close the socket; bounded, because a peer may have stalled."""
        if self.link is None:
            return
        with trio.move_on_after(LINGER_SECONDS):
            await self.drained.wait()
        with trio.move_on_after(GOODBYE_SECONDS):
            await self.say_goodbye(1000)

    def left_with(self, closing: Closing, t_ms: int) -> tuple[Line, Event]:
        """Return what the end of its socket is, on the tape and to the heart."""
        sender = BRIDGE if self.is_closed_by_us else self.peer
        close = Close(code=closing.code, reason=closing.reason)
        line = Line(t_ms=t_ms, leg=self.name, sender=sender, close=close)
        return line, self.left(closing.code, closing.reason)


def phone_leg(outbox: Outbox) -> Leg:
    """Return the caller's side of a call."""
    return Leg(PHONE, TWILIO, twilio.LEG, twilio.parse, PhoneLeft, outbox)


def model_leg(outbox: Outbox) -> Leg:
    """Return the model's side of a call."""
    return Leg(MODEL, OPENAI, realtime.LEG, realtime.parse, ModelLeft, outbox)
