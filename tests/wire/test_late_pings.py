"""A ping on its way while we close, as a server may send one at any time, harms neither bridge nor stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from model_client import connected, running
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request

from bridge.links.link import Closing
from bridge.links.model import ModelAddress, open_model
from replay.model.script import Faults, Script

PING = b"\x89\x00"
MASKED_PING = b"\x89\x80\x00\x00\x00\x00"


@attrs.define
class Peer:
    """One end of a WebSocket, which pings once more before it answers a close."""

    stream: trio.SocketStream
    wire: WSConnection
    ping: bytes

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self.wire.send(event))

    async def until(self, kind: type[Event]) -> Event:
        """Read up to an event of that kind, and return it."""
        while True:
            for event in self.wire.events():
                if isinstance(event, kind):
                    return event
            self.wire.receive_data(await self.stream.receive_some(65_536) or None)

    async def close_late(self) -> None:
        close = await self.until(CloseConnection)
        assert isinstance(close, CloseConnection)
        await self.stream.send_all(self.ping + self.wire.send(close.response()))


async def _serve(stream: trio.SocketStream) -> None:
    peer = Peer(stream, WSConnection(ConnectionType.SERVER), PING)
    async with stream:
        await peer.until(Request)
        await peer.send(AcceptConnection())
        await peer.close_late()


@asynccontextmanager
async def a_model_that_pings_late() -> AsyncIterator[str]:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, _serve, [listener])
            yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/v1/realtime"
            nursery.cancel_scope.cancel()


async def test_the_bridge_closes_its_session_in_good_order() -> None:
    async with (
        a_model_that_pings_late() as url,
        open_model(ModelAddress(url, "gpt-realtime-2.1", [])) as link,
    ):
        await link.close(1000)
        assert await link.receive() is None
        assert link.closing == Closing(1000, "")


async def test_the_stand_in_serves_on() -> None:
    script = Script(faults=Faults(close_after_ms=0, close_with_error=False))
    headers = [(b"Authorization", b"Bearer sk-test")]
    async with running(script) as server:
        host, port = server.url.removeprefix("ws://").partition("/")[0].split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            peer = Peer(stream, WSConnection(ConnectionType.CLIENT), MASKED_PING)
            await peer.send(
                Request(host=host, target="/v1/realtime?model=gpt-realtime-2.1", extra_headers=headers)
            )
            await peer.close_late()
            assert await stream.receive_some(1) == b""
        async with connected(server) as client:
            await client.until("session.created")
