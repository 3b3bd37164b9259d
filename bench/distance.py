"""A server that is far away: whatever goes to it and comes from it takes half a round trip longer, and the first word a
whole one. For benches on loopback.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
from attrs import define

PIECE_BYTES: Final = 65_536
MOST_PIECES: Final = 10_000


@define(eq=False)
class Distance:
    """The way to a port of this machine, which takes so long; `target` is set when the server is there."""

    round_trip_ms: int
    port: int = 0
    target: int = 0

    async def serve(self, near: trio.SocketStream) -> None:
        """Be the way for one connection, until one side ends it."""
        await trio.sleep(self.round_trip_ms / 1000)  # that a connection is opened is a round trip too
        far = await trio.open_tcp_stream("127.0.0.1", self.target)
        async with near, far, trio.open_nursery() as nursery:
            for source, sink in ((near, far), (far, near)):
                nursery.start_soon(self._carry, source, sink, nursery.cancel_scope)

    async def _carry(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        send, receive = trio.open_memory_channel[tuple[float, bytes]](MOST_PIECES)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_arrive, receive, sink)
            try:
                while data := await source.receive_some(PIECE_BYTES):
                    await send.send((trio.current_time() + self.round_trip_ms / 2000, data))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            scope.cancel(reason="one side has gone")


async def _arrive(pieces: trio.MemoryReceiveChannel[tuple[float, bytes]], sink: trio.SocketStream) -> None:
    async for due, data in pieces:
        await trio.sleep_until(due)
        try:
            await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


@asynccontextmanager
async def a_distance(round_trip_ms: int) -> AsyncIterator[Distance]:
    """Have a way that takes so long, on a port of its own."""
    way = Distance(round_trip_ms)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, way.serve, 0, host="127.0.0.1"))
        way.port = listeners[0].socket.getsockname()[1]
        yield way
        nursery.cancel_scope.cancel(reason="nobody goes there any more")
