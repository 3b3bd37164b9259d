"""Bytes that leave at once, and those that wait: in order, whole, whatever a socket takes and whoever is cancelled."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.links.pipes import Pipe, TcpPipe

MUCH = bytes(range(256)) * 4096  # a megabyte: far more than any buffer here


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Pipe, trio.SocketStream]]:
    """Connect a pipe with a small buffer to a peer."""
    listener = trio.socket.socket()
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        stream = await trio.open_tcp_stream("127.0.0.1", listener.getsockname()[1])
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer = trio.SocketStream((await listener.accept())[0])
    with trio.fail_after(20):
        async with stream, peer:
            yield TcpPipe(stream.socket), peer


async def exactly(peer: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await peer.receive_some()
        assert more, f"the end after {len(data)} bytes"
        data += more
    return data


async def test_what_the_socket_takes_leaves_at_once() -> None:
    async with connected() as (pipe, peer):
        pipe.write(b"now")
        assert pipe.is_ready
        assert await exactly(peer, 3) == b"now"


async def test_what_it_does_not_take_waits_and_nothing_overtakes_it() -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        assert not pipe.is_ready
        pipe.write(b"and then")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.drain)
            assert await exactly(peer, len(MUCH) + 8) == MUCH + b"and then"
        assert pipe.is_ready


async def test_whoever_is_cancelled_while_it_waits_loses_nothing() -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        heard = b""
        while not pipe.is_ready:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipe.drain)
                await wait_all_tasks_blocked()
                heard += await peer.receive_some()
                nursery.cancel_scope.cancel()
        assert heard + await exactly(peer, len(MUCH) - len(heard)) == MUCH


async def test_two_may_wait_for_it() -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.drain)
            nursery.start_soon(pipe.drain)
            assert await exactly(peer, len(MUCH)) == MUCH


async def test_the_end_is_read_as_no_bytes() -> None:
    async with connected() as (pipe, peer):
        await peer.send_all(b"last words")
        await peer.aclose()
        assert (await pipe.read(), await pipe.read()) == (b"last words", b"")


async def test_a_peer_that_has_left_takes_everything() -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        await trio.aclose_forcefully(peer)
        await pipe.drain()
        pipe.write(MUCH)
        assert pipe.is_ready


@pytest.mark.parametrize("what", ["read", "drain"])
async def test_a_pipe_whose_stream_is_closed_here_keeps_nobody_waiting(what: str) -> None:
    async with connected() as (pipe, _):
        pipe.write(MUCH)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(getattr(pipe, what))
            await wait_all_tasks_blocked()
            pipe._socket.close()  # type: ignore[attr-defined]  # as its owner does
        pipe.write(MUCH)
        assert await pipe.read() == b""
