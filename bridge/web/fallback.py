"""The slow, correct way in for media sockets: a Quart websocket, for proxies that upgrade a used connection.

Only the first request of a connection can be seen before hypercorn has it; this route takes the others.
"""

from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field
from quart.wrappers import Websocket
from quart_trio.asgi import TrioASGIWebsocketConnection

from bridge.links.link import Closing


class PatientConnection(TrioASGIWebsocketConnection):
    """Makes a hang-up the end of the stream.

    As it comes, Quart-Trio cancels the handler and loses up to ten messages nobody read yet, `stop` among them.
    """

    async def handle_messages(self, nursery: trio.Nursery, receive: Callable[[], Any]) -> None:  # type: ignore[override]
        """Pass messages on until the peer leaves, then close the channel behind them."""
        async with self.send_channel:
            while (event := await receive())["type"] != "websocket.disconnect":
                if event["type"] == "websocket.receive":
                    text = event.get("text")
                    await self.send_channel.send(text if text is not None else event["bytes"])
            self.scope["bridge.closing"] = event.get("code")  # type: ignore[typeddict-unknown-key]


@define(eq=False)
class QuartLink:
    """A media socket that hypercorn holds; hypercorn answers its pings."""

    _socket: Websocket
    is_ready: bool = False
    """Hypercorn sends as slowly as its peer reads."""
    on_waiting: Callable[[], object] = field(default=lambda: None)
    _is_closed: bool = False

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended."""
        scope: dict[str, Any] = dict(self._socket.scope)
        return Closing(scope.get("bridge.closing") or 1006, "")

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the peer has left."""
        try:
            message: str | bytes = await self._socket.receive()
        except trio.EndOfChannel:
            return None
        return message

    async def listen(self, hear: Callable[[str | bytes], None]) -> None:
        """Let every message be heard as it comes, until the peer has left."""
        while (message := await self.receive()) is not None:
            hear(message)

    def trust(self) -> None:
        """Nothing changes: hypercorn has one limit, 16 MiB, for all messages."""

    def send_now(self, *messages: str) -> None:
        """Never called: it is not ready."""

    async def send(self, *messages: str) -> None:
        """Send text messages; hypercorn swallows them when the peer has left."""
        for message in messages:
            if message and not self._is_closed:
                await self._socket.send(message)

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, once."""
        if not self._is_closed:
            self._is_closed = True
            await self._socket.close(code, reason)
