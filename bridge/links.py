"""Each socket behind one shape: `receive()` until the end, `send()`, `close()`. A closed peer is the end, no error.

The phone's link is the sans-I/O core of `websockets` over the bare trio stream, so that a peer that stops reading
can hold up nobody but itself. The model's link is trio-websocket.
"""

import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import urlsplit

import trio
import trio_websocket
from attrs import define, field, frozen
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from wsproto.utilities import ProtocolError

from bridge.errors import LinkError

MAX_MESSAGE_BYTES: Final = 32 * 2**20
"""Far above anything either peer sends; the usual default of 1 MiB would end calls on a long item."""

READ_BYTES: Final = 64 * 2**10
HANDSHAKE_SECONDS: Final = 10
Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]
FLUSH: Final = ""
"""A message of no text: send what the protocol itself has to say (pongs), and nothing else."""


@frozen
class Closing:
    """How a socket ended; 1006 means without a close frame."""

    code: int
    reason: str


class Link(Protocol):
    """What a call needs of a socket."""

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended, once `receive` has returned None."""

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the peer has left."""

    async def send(self, message: str) -> None:
        """Send a text message; quietly nothing when the peer has left."""

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; the end is reported by `receive`."""


class PhoneSocket(Link, Protocol):
    """What a call needs of its phone's socket besides."""

    on_control: Callable[[], None]
    """Called when the protocol itself has something to send; the call's speaker then sends `FLUSH`."""


# ---------------------------------------------------------------- the phone's side


@define(eq=False)
class PhoneLink:
    """A media socket that Twilio opened."""

    _stream: trio.SocketStream
    _protocol: ServerProtocol
    path: str = ""
    on_control: Callable[[], None] = field(default=lambda: None)
    _messages: deque[str | bytes] = field(factory=deque)
    _parts: list[bytes] = field(factory=list)
    _is_text: bool = True
    _has_ended: bool = False
    _sending: trio.Lock = field(factory=trio.Lock)

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended."""
        said = self._protocol.close_rcvd  # close_code would be None until the TCP connection is over too
        if said is None:
            return Closing(1006, str(self._protocol.parser_exc or "")[:100])
        return Closing(said.code, said.reason)

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the peer has left; answers to pings are left to `send`."""
        while not self._messages:
            if self._has_ended:
                return None
            await self._read()
        return self._messages.popleft()

    async def _read(self) -> None:
        try:
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._has_ended = not data or self._protocol.state is not State.OPEN
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._collect(event)

    def _collect(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self.on_control()
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            self._messages.append(message.decode("utf-8", "replace") if self._is_text else message)

    async def send(self, message: str) -> None:
        """Send a text message, and whatever the protocol has to say; nothing when the peer has left."""
        if message and self._protocol.state is State.OPEN:
            self._protocol.send_text(message.encode("utf-8"))
        await self._flush()

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; the reader then sees the peer's."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
        await self._flush()

    async def _flush(self) -> None:
        async with self._sending:
            data = b"".join(self._protocol.data_to_send())
            if not data:
                return
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


async def accept_phone(
    stream: trio.SocketStream,
    refuse: Callable[[Request], int | None],
    *,
    seconds: float = HANDSHAKE_SECONDS,
) -> PhoneLink | None:
    """Answer a WebSocket upgrade; `refuse` returns an HTTP status to refuse with, or None to accept.

    None when the peer was refused, spoke no WebSocket, or took longer than the handshake may take.
    """
    protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
    link = PhoneLink(stream, protocol)
    with trio.move_on_after(seconds):
        request = await _read_request(stream, protocol)
        if request is None:
            return None
        link.path = request.path
        status = refuse(request)
        answer = protocol.accept(request) if status is None else protocol.reject(status, "")
        protocol.send_response(answer)
        await link._flush()
        return link if answer.status_code == 101 else None
    return None


async def _read_request(stream: trio.SocketStream, protocol: ServerProtocol) -> Request | None:
    while True:
        try:
            data = await stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        if not data:
            return None
        protocol.receive_data(data)
        for event in protocol.events_received():
            return event if isinstance(event, Request) else None
        if protocol.handshake_exc is not None:
            return None


# ---------------------------------------------------------------- the model's side

MODEL_QUEUE: Final = 256
"""Messages waiting to be read; with the default of 1, pings go unanswered while one is handled."""

CONNECT_SECONDS: Final = 5
DISCONNECT_SECONDS: Final = 0.4


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


@asynccontextmanager
async def open_model(
    url: str, headers: list[tuple[str, str]], context: ssl.SSLContext | None
) -> AsyncIterator[ModelLink]:
    """Open the model's socket. Raises `LinkError` with a sentence on why it could not be had.

    The stream is ours: trio-websocket leaves its own to the garbage collector when the server closes first.
    """
    refused: LinkError | None = None
    try:
        async with await _reach(url, context) as stream, trio.open_nursery() as nursery:
            try:
                with trio.fail_after(CONNECT_SECONDS):
                    socket = await _shake_hands(nursery, stream, url, headers)
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


async def _reach(url: str, context: ssl.SSLContext | None) -> Stream:
    """Open a TCP or TLS stream to the URL's host. Raises `LinkError`."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            stream = await trio.open_tcp_stream(host, port)
    except (OSError, trio.TooSlowError) as error:
        raise LinkError(f"{_host(url)} can't be reached: {error or 'no answer'}") from None
    if context is None or parts.scheme != "wss":
        return stream
    return trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)


async def _shake_hands(
    nursery: trio.Nursery, stream: Stream, url: str, headers: list[tuple[str, str]]
) -> trio_websocket.WebSocketConnection:
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
