"""Twilio's end of a media socket: exact upgrade headers, texts in and out, and the ways a connection can die.

It knows nothing of Media Streams. Sending never waits: words queue up here until `write` has sent them."""

import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidURI, PayloadTooBig, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.uri import parse_uri

from replay.phone.twiml import BAD_STREAM_URL, TwilioError

RECEIVE_BYTES = 65_536
MAX_MESSAGE_BYTES = 4 * 1024 * 1024  # a minute of audio in one message still fits
UPGRADE_TIMEOUT_S = 10
GOODBYE_S = 1.0  # for the peer to answer a close frame and end the connection

TIMED_OUT, REFUSED, BROKEN_PIPE, TLS_FAILED, HANDSHAKE = 31901, 31902, 31903, 31910, 31920

ByteStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@attrs.frozen
class Target:
    """Where a socket really goes, and what it says there."""

    host: str
    port: int
    is_tls: bool
    url: str
    host_header: str
    forwarded: Mapping[str, str] = attrs.field(factory=dict)
    """What a proxy on the way adds."""


@attrs.frozen
class Closed:
    """How the peer ended the socket: 1006 when it did so without a close frame."""

    code: int
    reason: str
    is_protocol_error: bool = False


@attrs.define
class MediaSocket:
    """An open media socket: `receive` until None, `send` at any time, `write` in one task."""

    status: int
    _stream: ByteStream
    _wire: ClientProtocol
    _frames: list[Frame] = attrs.field(factory=list)
    _parts: list[Frame] = attrs.field(factory=list)
    _wake: trio.Event = attrs.field(factory=trio.Event)
    _is_writing: bool = False
    last_words: Callable[[], Sequence[str]] = tuple
    """Messages that were under way when the peer said goodbye: they leave before it is answered."""

    @property
    def pending(self) -> int:
        """How many messages wait to be sent."""
        return len(self._wire.writes)

    @property
    def closed(self) -> Closed:
        """How the peer ended it; meaningful once `receive` returned None."""
        close = self._wire.close_rcvd
        is_wrong = isinstance(self._wire.parser_exc, ProtocolError | PayloadTooBig)
        return Closed(close.code, close.reason, is_wrong) if close else Closed(1006, "", is_wrong)

    def send(self, message: str | bytes) -> bool:
        """Queue one message; False when the socket is no longer open."""
        if self._wire.state is not State.OPEN:
            return False
        if isinstance(message, str):
            self._wire.send_text(message.encode())
        else:
            self._wire.send_binary(message)
        self._wake.set()
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Queue a close frame behind everything that was sent."""
        if self._wire.state is State.OPEN:
            self._wire.send_close(code, reason)
            self._wake.set()

    async def write(self) -> None:
        """Send what is queued, for as long as the connection takes it."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                await self._flush()

    async def receive(self) -> str | bytes | None:
        """The next message; None once the peer said goodbye or vanished."""
        while True:
            while self._frames:
                message = self._message(self._frames.pop(0))
                if message is not None:
                    return message
            if self._wire.close_rcvd is not None or not await self._read():
                return None

    async def finish(self) -> None:
        """Answer the goodbye, wait a moment for the peer to end the connection, and let go."""
        try:
            if self._is_writing:
                return  # a frame was cut in half: no further word can follow it
            gone = (trio.BrokenResourceError, trio.ClosedResourceError)  # the latter after a reset of our own
            with trio.move_on_after(GOODBYE_S), contextlib.suppress(*gone):
                await self._flush()
                while await self._read():
                    pass
        finally:
            await trio.aclose_forcefully(self._stream)

    def reset(self) -> None:
        """Break the connection: a TCP reset instead of any goodbye."""
        transport = (
            self._stream.transport_stream if isinstance(self._stream, trio.SSLStream) else self._stream
        )
        transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.socket.close()

    async def _read(self) -> bool:
        """Take in some bytes; False at the end of the connection."""
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data:
            self._wire.receive_data(data)
        else:
            self._wire.receive_eof()
        for event in self._wire.events_received():
            if isinstance(event, Frame):
                self._frames.append(event)
        if self._wire.writes:  # pings and close frames are answered by themselves
            self._wake.set()
        return bool(data)

    async def _flush(self) -> None:
        # The empty chunk means "end of stream" and needs no sending: finish() closes the connection anyway.
        answer = b"".join(self._wire.data_to_send())
        data = (self._late() if self._wire.close_rcvd is not None else b"") + answer
        if data:
            self._is_writing = True
            await self._stream.send_all(data)
            self._is_writing = False

    def _late(self) -> bytes:
        words, self.last_words = self.last_words(), tuple
        frames = (Frame(Opcode.TEXT, word.encode()) for word in words)
        return b"".join(frame.serialize(mask=True) for frame in frames)

    def _message(self, frame: Frame) -> str | bytes | None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        self._parts.append(frame)
        if not frame.fin:
            return None
        parts, self._parts = self._parts, []
        data = b"".join(bytes(part.data) for part in parts)
        return data.decode(errors="replace") if parts[0].opcode is Opcode.TEXT else data


@contextlib.asynccontextmanager
async def open_media_socket(target: Target, headers: Sequence[tuple[str, str]]) -> AsyncIterator[MediaSocket]:
    """Upgrade a new connection with exactly these headers more; TwilioError 3190x or 31920 when it fails."""
    stream = await _connect(target)
    try:
        media = await _upgrade(stream, target, headers)
        yield media
    finally:
        await trio.aclose_forcefully(stream)


async def _connect(target: Target) -> ByteStream:
    try:
        with trio.fail_after(UPGRADE_TIMEOUT_S):
            if not target.is_tls:
                return await trio.open_tcp_stream(target.host, target.port)
            stream = await trio.open_ssl_over_tcp_stream(
                target.host, target.port, https_compatible=True, ssl_context=_tls()
            )
            await stream.do_handshake()
            return stream
    except trio.BrokenResourceError as error:
        raise TwilioError(TLS_FAILED, f"{target.host}:{target.port}: {error.__cause__}") from error
    except trio.TooSlowError as error:
        raise TwilioError(TIMED_OUT, f"{target.host}:{target.port} did not answer") from error
    except (OSError, ValueError) as error:  # ValueError: a host no name service could know
        raise TwilioError(REFUSED, f"{target.host}:{target.port}: {error}") from error


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all sockets: to load the roots takes 20 ms, in which no other call gets its frames."""
    return ssl.create_default_context()


async def _upgrade(stream: ByteStream, target: Target, headers: Sequence[tuple[str, str]]) -> MediaSocket:
    wire = _wire(target.url)
    wire.send_request(_request(wire, target, headers))
    media = MediaSocket(0, stream, wire)
    try:
        with trio.fail_after(UPGRADE_TIMEOUT_S):
            await media._flush()
            response = await _response(stream, wire)
    except trio.TooSlowError as error:
        raise TwilioError(TIMED_OUT, f"no answer to the upgrade in {UPGRADE_TIMEOUT_S} s") from error
    except trio.BrokenResourceError as error:
        raise TwilioError(BROKEN_PIPE, "the connection broke during the upgrade") from error
    media.status = response.status_code
    media._frames = [event for event in wire.events_received() if isinstance(event, Frame)]
    return media


def _wire(url: str) -> ClientProtocol:
    try:
        return ClientProtocol(parse_uri(url), max_size=MAX_MESSAGE_BYTES)
    except (InvalidURI, ValueError) as error:
        raise TwilioError(BAD_STREAM_URL, f"{url[:200]!r}: {error}") from error


async def _response(stream: ByteStream, wire: ClientProtocol) -> Response:
    while True:
        data = await stream.receive_some(RECEIVE_BYTES)
        wire.receive_data(data) if data else wire.receive_eof()
        if wire.events and isinstance(wire.events[0], Response):
            return _accepted(wire, wire.events.pop(0))
        if wire.handshake_exc is not None:
            raise TwilioError(HANDSHAKE, f"the upgrade was not answered: {wire.handshake_exc}")


def _accepted(wire: ClientProtocol, response: object) -> Response:
    assert isinstance(response, Response)
    if wire.handshake_exc is None:
        return response
    if response.status_code == 101 and isinstance(wire.handshake_exc, InvalidHandshake):
        raise TwilioError(HANDSHAKE, f"the upgrade was answered wrongly: {wire.handshake_exc}")
    text = f"the upgrade was answered {response.status_code}, not 101"
    raise TwilioError(HANDSHAKE, text, response.status_code)


def _request(wire: ClientProtocol, target: Target, headers: Sequence[tuple[str, str]]) -> Request:
    """The upgrade as captured from the live service: lower case, this order, no Origin, no extensions."""
    return Request(
        wire.connect().path,
        Headers(
            [
                ("host", target.host_header),
                ("user-agent", "Twilio.TmeWs/1.0"),
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-key", wire.key),
                ("sec-websocket-version", "13"),
                *headers,
                *((name.lower(), value) for name, value in target.forwarded.items()),
                ("accept-encoding", "gzip"),
            ]
        ),
    )
