"""The model's socket: trio-websocket over a TCP or TLS stream that is ours, opened and closed here."""

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import trio
import trio_websocket
from attrs import define, field, frozen
from wsproto.utilities import ProtocolError

from bridge.errors import LinkError
from bridge.late_pings import ignore_late_pings
from bridge.links import MAX_MESSAGE_BYTES, READ_BYTES, Closing
from bridge.proxies import FROM_ENVIRONMENT, Proxy, proxy_for
from bridge.tunnel import reach

Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]
MODEL_QUEUE: Final = 256
"""Messages waiting to be read; with the default of 1, pings go unanswered while one is handled."""

CONNECT_SECONDS: Final = 5
DISCONNECT_SECONDS: Final = 0.4

HEARTBEAT_SECONDS: Final = 2
HEARTBEAT_ANSWER_SECONDS: Final = 2.5
"""A model that vanished without a word is noticed within 4.5 s: no media frames tell of its life as the phone's do."""


@frozen
class ModelAddress:
    """Where the model is, and how to get in; `headers` hold the key and are never taped.

    The daemon says which proxy is on the way; an address made by hand has the environment's.
    """

    url: str
    model: str
    headers: list[tuple[str, str]] = field(repr=False)
    context: ssl.SSLContext | None = None
    proxy: Proxy | None = field()

    @proxy.default
    def _proxy_of_the_environment(self) -> Proxy | None:
        return proxy_for(self.url, FROM_ENVIRONMENT, os.environ)

    @property
    def session_url(self) -> str:
        """Return the URL of a session with this model."""
        return f"{self.url}?model={quote(self.model)}"


@define(eq=False)
class ModelLink:
    """A Realtime session's socket that we opened."""

    _socket: trio_websocket.WebSocketConnection
    _closing: trio.Lock = field(factory=trio.Lock)

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended."""
        closed = self._socket.closed
        if closed is None or closed.code is None:
            return Closing(1006, "")
        return Closing(int(closed.code), closed.reason or "")

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the model has left."""
        try:
            message: str | bytes = await self._socket.get_message()
        except trio_websocket.ConnectionClosed:
            return None
        return message

    async def send(self, message: str) -> None:
        """Send a text message; quietly nothing when the model has left."""
        if not message:
            return
        try:
            await self._socket.send_message(message)
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def close(self, code: int, reason: str = "") -> None:
        """Close the session's socket; a second close waits for the first, which still needs its reading task."""
        async with self._closing:
            await self._socket.aclose(code, reason)

    async def ping(self) -> None:
        """Return when the model's socket has answered; quietly when it is closed."""
        try:
            await self._socket.ping()
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return


async def wait_silent(link: ModelLink) -> None:
    """Return when the model is gone without a word. The only wait here is for the answer to a ping."""
    while True:
        await trio.sleep(HEARTBEAT_SECONDS)
        with trio.move_on_after(HEARTBEAT_ANSWER_SECONDS) as waiting:
            await link.ping()
        if waiting.cancelled_caught:
            return


@asynccontextmanager
async def open_model(address: ModelAddress) -> AsyncIterator[ModelLink]:
    """Open the model's socket. Raises `LinkError` with a sentence on why it could not be had.

    The stream is ours: trio-websocket leaves its own to the garbage collector when the server closes first.
    """
    refused: LinkError | None = None
    url = address.session_url
    try:
        async with await _reach(address) as stream, trio.open_nursery() as nursery:
            try:
                with trio.fail_after(CONNECT_SECONDS):
                    socket = await _shake_hands(nursery, stream, url, address.headers)
            except (trio_websocket.ConnectionClosed, trio.TooSlowError, OSError):
                refused = LinkError(f"{_host(url)} did not finish the WebSocket handshake")
            else:
                link = ModelLink(socket)
                try:
                    yield link
                finally:
                    with trio.move_on_after(DISCONNECT_SECONDS):
                        await link.close(1000)
            nursery.cancel_scope.cancel(reason="the model's socket is done with")
    # trio-websocket's reading task is in our nursery, and what it raises comes as a group.
    except* trio_websocket.ConnectionRejected as group:
        status = next(_leaves(group)).status_code
        refused = LinkError(f"{_host(url)} refused the connection with HTTP {status}")
    except* (trio_websocket.HandshakeError, trio_websocket.ConnectionClosed, ProtocolError) as group:
        refused = LinkError(f"{_host(url)} broke the WebSocket protocol: {next(_leaves(group))!r}"[:300])
    if refused is not None:
        raise refused


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[Any]:
    """Yield the exceptions in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _host(url: str) -> str:
    return url.split("?")[0]


async def _reach(address: ModelAddress) -> Stream:
    """Open a TCP or TLS stream to the model's host, through the proxy if there is one. Raises `LinkError`."""
    parts = urlsplit(address.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            stream = await reach(host, port, address.proxy)
    except (OSError, trio.TooSlowError, LinkError) as error:
        raise LinkError(f"{_host(address.url)} can't be reached: {error or 'no answer'}") from None
    if address.context is None or parts.scheme != "wss":
        return stream
    return trio.SSLStream(stream, address.context, server_hostname=host, https_compatible=True)


async def _shake_hands(
    nursery: trio.Nursery, stream: Stream, url: str, headers: list[tuple[str, str]]
) -> trio_websocket.WebSocketConnection:
    ignore_late_pings()
    parts = urlsplit(url)
    return await trio_websocket.wrap_client_stream(
        nursery,
        stream,
        parts.netloc.rpartition("@")[2],
        f"{parts.path or '/'}?{parts.query}",
        extra_headers=[(name.encode(), value.encode()) for name, value in headers],
        message_queue_size=MODEL_QUEUE,
        max_message_size=MAX_MESSAGE_BYTES,
        receive_buffer_size=READ_BYTES,
    )
