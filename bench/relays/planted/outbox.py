"""What waits to be sent to one peer of the relay with switches: putting never waits, and there is a bound."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio
from attrs import define, field

MOST_WAITING: Final = 20_000
"""Messages: minutes of both sides. A peer that leaves so much unread is not coming back."""


class StalledError(Exception):
    """A peer reads nothing."""


@define(eq=False)
class Outbox:
    """Messages for one peer, in order."""

    _in: trio.MemorySendChannel[str] = field(init=False)
    _out: trio.MemoryReceiveChannel[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._in, self._out = trio.open_memory_channel[str](MOST_WAITING)

    def put(self, message: dict[str, Any]) -> None:
        """Send this when its turn comes. Raises `StalledError`."""
        try:
            self._in.send_nowait(json.dumps(message))
        except trio.WouldBlock:
            raise StalledError(f"{MOST_WAITING} messages wait") from None

    async def drain(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send until cancelled."""
        async for text in self._out:
            await send(text)
