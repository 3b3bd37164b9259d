"""One HTTP connection: hypercorn's, speaking HTTP/1.1 and nothing else, each request bounded in time."""

from contextlib import suppress
from typing import Final

import h11
import trio
from h11._receivebuffer import ReceiveBuffer
from hypercorn.events import Closed, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer

READ_BYTES: Final = 64 * 2**10
MOST_HEADERS: Final = 100
"""Twilio sends about fifteen, and proxies add some."""


class StrictHeads(ReceiveBuffer):
    """What has come of a connection, with heads that h11 alone would take.

    It looks at a head's size only while it waits for more of it, and it joins folded lines, where a proxy in front may
    read one header or two: https://www.rfc-editor.org/rfc/rfc9112#section-5.2
    """

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self.most_bytes = most_bytes

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines of a head or of trailers once they are there. Raises `RemoteProtocolError`."""
        before = len(self)
        lines = super().maybe_extract_lines()
        if lines is not None and before - len(self) > self.most_bytes:
            raise h11.RemoteProtocolError("a head of too many bytes", error_status_hint=TOO_LARGE)
        if lines is not None and any(line.startswith((b" ", b"\t")) for line in lines):
            raise h11.RemoteProtocolError("a folded header", error_status_hint=BAD_REQUEST)
        return lines


class PlainHttp(H11Protocol):
    """Hypercorn's HTTP/1.1 without the ways out of it: an upgrade to HTTP/2 is a request like any other."""

    async def _check_protocol(self, event: h11.Request) -> None:
        pass

    async def _create_stream(self, request: h11.Request) -> None:
        if (status := _fault_of(request)) == OK:
            return await super()._create_stream(request)
        await self._send_error_response(status)
        await self.send(Closed())

    @property
    def is_between_requests(self) -> bool:
        """Say whether no part of a request is missing: none has begun, one is being answered, or it is a WebSocket."""
        connection = self.connection
        if not isinstance(connection, h11.Connection):
            return True
        has_begun = connection.their_state is h11.IDLE and connection.trailing_data[0]
        return not has_begun and connection.their_state is not h11.SEND_BODY

    @property
    def is_answering(self) -> bool:
        """Say whether a request that is here as a whole is being answered."""
        connection = self.connection
        if not isinstance(connection, h11.Connection):
            return False
        is_open = connection.our_state in (h11.SEND_RESPONSE, h11.SEND_BODY)
        return is_open and connection.their_state is not h11.SEND_BODY


def _fault_of(request: h11.Request) -> int:
    """Return the status to refuse a request with before anything is made of it, or `OK`."""
    names = {name for name, _ in request.headers}
    if request.http_version not in VERSIONS:
        return WRONG_VERSION
    if len(request.headers) > MOST_HEADERS:
        return TOO_LARGE
    is_disputed = (
        b"content-length" in names and b"transfer-encoding" in names
    )  # its end: a proxy may see another
    is_elsewhere = not request.target.startswith(b"/")  # the forms for proxies, which this is not
    return BAD_REQUEST if is_disputed or is_elsewhere else OK


VERSIONS: Final = (b"1.1", b"1.0")
OK: Final = 200
BAD_REQUEST: Final = 400
TOO_LARGE: Final = 431
WRONG_VERSION: Final = 505


class HttpConnection(TCPServer):
    """Hypercorn's connection, ended with its socket and in good time.

    As it comes, its keep-alive timer outlives a peer that spoke no HTTP, one task for half a minute each; its time
    limit for reading begins again with every byte, so that one byte every nine seconds keeps a connection for ever;
    and after an answer Quart's task is cancelled while it closes the socket, which then waits for the peer to do it.
    """

    _reading: trio.CancelScope | None = None

    async def _read_data(self) -> None:
        self._reading = trio.CancelScope()
        with self._reading:
            await self._read_requests(self._speak_plain_http(), float(self.config.read_timeout or 0))
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    async def _read_requests(self, http: PlainHttp, seconds: float) -> None:
        """Read until the peer leaves, or lets any request, or any pause between two, take longer than `seconds`.

        While it is answered it has nothing to say, however long the answer is.
        """
        due, was_between = trio.current_time() + seconds, False
        while (data := await self._read_until(due)) or (data is None and http.is_answering):
            if data is None:
                due = trio.current_time() + seconds
                continue
            await self.protocol.handle(RawData(data))
            if was_between or http.is_between_requests:
                due = trio.current_time() + seconds
            was_between = http.is_between_requests

    async def _close(self) -> None:
        if self._reading is not None:
            self._reading.cancel(
                reason="the connection is closed"
            )  # it may wait for an answer that nobody sends
        with trio.CancelScope(shield=True):  # takes no time, and whoever asks may be cancelled
            await super()._close()

    def _speak_plain_http(self) -> PlainHttp:
        wrapper = self.protocol
        http = PlainHttp(
            self.app, self.config, self.context, self._task_group, wrapper.state, False, wrapper.client,
            wrapper.server, self.protocol_send,
        )  # fmt: skip
        assert isinstance(http.connection, h11.Connection)
        http.connection._receive_buffer = StrictHeads(self.config.h11_max_incomplete_size)
        wrapper.protocol = http
        return http

    async def _read_until(self, due: float) -> bytes | None:
        """Return what the peer says, nothing when it has left, or None when the time is over."""
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            with trio.CancelScope(deadline=due):
                return bytes(await self.stream.receive_some(READ_BYTES))
            return None
        return b""
