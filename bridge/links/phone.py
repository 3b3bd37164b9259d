"""Each socket behind one shape: `receive()` until the end, `send()`, `close()`. A closed peer is the end, no error.

The phone's link is the sans-I/O core of `websockets` over the bare trio stream, so that a peer that stops reading
can hold up nobody but itself. The model's link is in `model.py`.
"""

import socket
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import trio
from attrs import define, field, frozen
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

MAX_MESSAGE_BYTES: Final = 32 * 2**20
"""Far above anything either peer sends; the usual default of 1 MiB would end calls on a long item."""

MOST_BYTES_BEFORE_START: Final = 64 * 2**10
"""Until a socket has proven which call it belongs to: `connected` and `start` are a few kilobytes together."""

MOST_HEAD_BYTES: Final = 16 * 2**10
"""Of an upgrade, request line and headers; hypercorn's limit for ordinary requests is the same."""

READ_BYTES: Final = 64 * 2**10
HANDSHAKE_SECONDS: Final = 10
FIRST_PAUSE: Final = 0.01
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

    async def send(self, *messages: str) -> None:
        """Send text messages, in order; quietly nothing when the peer has left."""

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; the end is reported by `receive`."""


class PhoneSocket(Link, Protocol):
    """What a call needs of its phone's socket besides."""

    on_control: Callable[[], None]
    """Called for each ping; the call's speaker then sends `FLUSH`, unless it has something to send anyway."""

    def trust(self) -> None:
        """Allow messages of full size: the socket has proven which call it belongs to."""


# ---------------------------------------------------------------- the phone's side


class MediaProtocol(ServerProtocol):
    """The protocol of a media socket. It answers the latest ping alone: pongs can't pile up, however many pings come.

    RFC 6455, 5.5.3: with several pings unanswered, a pong for the most recent one will do.
    """

    _pong: Frame | None = None

    def send_frame(self, frame: Frame) -> None:
        """Queue a frame; a pong takes the place of the one before it."""
        if frame.opcode is Opcode.PONG:
            self._pong = frame
        else:
            super().send_frame(frame)

    def data_to_send(self) -> list[bytes]:
        """Return what is to be sent; behind a close frame there is no pong."""
        pong, self._pong = self._pong, None
        if pong is not None and self.state is State.OPEN:
            super().send_frame(pong)
        return super().data_to_send()


@define(eq=False)
class PhoneLink:
    """A media socket that Twilio opened."""

    _stream: trio.SocketStream
    _protocol: MediaProtocol
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

    def trust(self) -> None:
        """Allow messages of full size; a frame whose beginning is already read keeps the limit it began with."""
        self._protocol.max_message_size = MAX_MESSAGE_BYTES

    async def send(self, *messages: str) -> None:
        """Send text messages in one go, and whatever the protocol has to say; nothing when the peer has left."""
        for message in messages:
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


async def peek(stream: trio.SocketStream, most: int, is_enough: Callable[[bytes], bool]) -> bytes:
    """Return what a peer sends first, up to so many bytes; they stay in the socket for whoever serves it."""
    pause = FIRST_PAUSE
    while True:
        first = await stream.socket.recv(most, socket.MSG_PEEK)
        if not first or len(first) == most or is_enough(first):
            return first
        await trio.sleep(pause)  # a request line in pieces: rare, and a peek can't wait for more
        pause *= 2  # a thousand that send half a line must not cost what live calls need


async def accept_phone(
    stream: trio.SocketStream,
    refuse: Callable[[Request], int | None],
    *,
    seconds: float = HANDSHAKE_SECONDS,
) -> PhoneLink | None:
    """Answer a WebSocket upgrade; `refuse` returns an HTTP status to refuse with, or None to accept.

    None when the peer was refused, spoke no WebSocket, said too much, or took longer than the handshake may take.
    """
    protocol = MediaProtocol(max_size=MOST_BYTES_BEFORE_START)
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


async def _read_request(stream: trio.SocketStream, protocol: MediaProtocol) -> Request | None:
    left = MOST_HEAD_BYTES
    while True:
        try:
            data = await stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        left -= len(data)
        if not data or left < 0:
            return None
        protocol.receive_data(data)
        for event in protocol.events_received():
            return event if isinstance(event, Request) else None
        if protocol.handshake_exc is not None:
            return None
