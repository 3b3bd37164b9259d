"""One side of a call: what waits to be sent, its socket once there is one, and how the two part."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio
from attrs import define, field

from bridge.calls.legs.shadow import Shadow
from bridge.heart.events import Event, ModelLeft, PhoneLeft
from bridge.links.link import FLUSH, Closing, Link
from bridge.links.outbox import Outbox
from bridge.tapes import tape
from bridge.tapes.lines import Close
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, PHONE, TWILIO, Line
from bridge.wire import realtime, twilio

LINGER_SECONDS: Final = 0.8
"""How long the last words may take to leave our buffers once a call has ended."""

GOODBYE_SECONDS: Final = 0.5
"""How long a peer may take to answer our close frame."""


GONE: Final = Closing(1006, "")
"""How a socket ends whose peer did not answer our goodbye."""


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
    is_left: trio.Event = field(factory=trio.Event)
    """Set when the call goes on without it: it is to part."""
    has_said_all: bool = False
    """Whether its peer has left, rather than been given up."""
    token: str = field(default="", repr=False)
    """What its peer says to prove which call it belongs to; on no tape."""

    async def say_goodbye(self, code: int) -> None:
        """Close the socket and wait for the peer to do the same."""
        if self.link is None or self.ended.is_set():
            return
        self.is_closed_by_us = True
        await self.link.close(code)
        await self.ended.wait()

    async def listen(self, link: Link, hear: "Callable[[Leg, str | bytes], None]") -> None:
        """Let everything be heard that the peer says until it leaves."""
        await link.listen(partial(hear, self))
        self.has_said_all = True

    def post(self, message: str) -> bool:
        """Have a message sent by the next `push`, or later. False, once, when the peer has stalled."""
        return self.outbox.add(message)

    def send(self, message: str) -> bool:
        """Send a message at once if nothing waits before it, otherwise as `post`: the same as that and a `push`."""
        return self.outbox.send(self.link, message)

    def push(self) -> None:
        """Send at once what was posted, in one piece, as far as the socket takes it; the rest is left to `speak`."""
        if self.outbox:
            self.outbox.push(self.link)

    async def speak(self, link: Link) -> None:
        """Send what could not leave at once, until the outbox is closed and nothing waits."""
        link.on_waiting = partial(self.outbox.put, FLUSH)
        try:
            await link.send()
            while messages := await self.outbox.take():
                await link.send(*messages)
            await link.send()
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

    def left_at(self, t_ms: int) -> tuple[Line, Event]:
        """Return what the end of its socket is, on the tape and to the heart."""
        closing = self.link.closing if self.link is not None and self.has_said_all else GONE
        sender = BRIDGE if self.is_closed_by_us or not self.has_said_all else self.peer
        close = Close(code=closing.code, reason=closing.reason)
        line = Line(t_ms=t_ms, leg=self.name, sender=sender, close=close)
        return line, self.left(closing.code, closing.reason)


def phone_leg(outbox: Outbox) -> Leg:
    """Return the caller's side of a call."""
    return Leg(PHONE, TWILIO, twilio.LEG, twilio.parse, PhoneLeft, outbox)


def model_leg(outbox: Outbox) -> Leg:
    """Return the model's side of a call."""
    return Leg(MODEL, OPENAI, realtime.LEG, realtime.parse, ModelLeft, outbox)


# ---------------------------------------------------------------- the end of a call

WIND_UP_SECONDS: Final = 5.0
"""What it takes at most, the caller's last words first, and a little: 3.4 s."""

SHADOW_SECONDS: Final = 0.1
"""How much longer a shadow may take for its goodbye, once the caller and the model are gone: nobody waits for it."""


async def wind_up(
    phone: Leg, model: Leg, shadow: Shadow | None, *, hear_out: Callable[[], Awaitable[None]]
) -> None:
    """Part from both peers at once, from the model when `hear_out` returns; bounded, for a peer may have stalled."""
    async with trio.open_nursery() as goodbyes:
        goodbyes.start_soon(phone.part)
        goodbyes.start_soon(_part_from_model, model, hear_out)
    if shadow is not None and shadow.is_open:
        with trio.move_on_after(SHADOW_SECONDS):
            await shadow.ended.wait()


async def _part_from_model(model: Leg, hear_out: Callable[[], Awaitable[None]]) -> None:
    await hear_out()
    model.outbox.close()
    await model.part()
