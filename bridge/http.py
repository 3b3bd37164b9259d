"""One HTTP connection: hypercorn's, speaking HTTP/1.1 and nothing else, each request bounded in time."""

from contextlib import suppress
from typing import Final

import h11
import trio
from hypercorn.events import Closed, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer

READ_BYTES: Final = 64 * 2**10


class PlainHttp(H11Protocol):
    """Hypercorn's HTTP/1.1 without the ways out of it: an upgrade to HTTP/2 is a request like any other."""

    async def _check_protocol(self, event: h11.Request) -> None:
        pass

    @property
    def is_between_requests(self) -> bool:
        """Say whether no part of a request is missing: none has begun, one is being answered, or it is a WebSocket."""
        connection = self.connection
        if not isinstance(connection, h11.Connection):
            return True
        has_begun = connection.their_state is h11.IDLE and connection.trailing_data[0]
        return not has_begun and connection.their_state is not h11.SEND_BODY


class HttpConnection(TCPServer):
    """Hypercorn's connection, ended with its socket and in good time.

    As it comes, its keep-alive timer outlives a peer that spoke no HTTP, one task for half a minute each; and its time
    limit for reading begins again with every byte, so that one byte every nine seconds keeps a connection for ever.
    """

    async def _read_data(self) -> None:
        http = self._speak_plain_http()
        seconds = float(self.config.read_timeout or 0)
        due, was_between = trio.current_time() + seconds, False
        while data := await self._read_until(due):
            await self.protocol.handle(RawData(data))
            if was_between or http.is_between_requests:
                due = trio.current_time() + seconds
            was_between = http.is_between_requests
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    def _speak_plain_http(self) -> PlainHttp:
        wrapper = self.protocol
        http = PlainHttp(
            self.app, self.config, self.context, self._task_group, wrapper.state, False, wrapper.client,
            wrapper.server, self.protocol_send,
        )  # fmt: skip
        wrapper.protocol = http
        return http

    async def _read_until(self, due: float) -> bytes:
        """Return what the peer says, or nothing when it has left or the time is over."""
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError), trio.CancelScope(deadline=due):
            return bytes(await self.stream.receive_some(READ_BYTES))
        return b""
