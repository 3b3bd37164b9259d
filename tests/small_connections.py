"""Connections with small buffers between a pipe of the bridge's and a peer: plain, and by TLS with certificates."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import trio
import trustme

from bridge.links.pipes import Pipe, TcpPipe
from bridge.links.tls import TlsPipe, tls_over

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}

Peer = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Connect = Callable[[], AbstractAsyncContextManager[tuple[Pipe, Peer]]]


@asynccontextmanager
async def small_tcp() -> AsyncIterator[tuple[TcpPipe, trio.SocketStream]]:
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


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return how to serve model.test, and how to trust it."""
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("model.test").configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


@asynccontextmanager
async def small_tls(version: str) -> AsyncIterator[tuple[TlsPipe, trio.SSLStream[trio.SocketStream]]]:
    """Connect by TLS of some version."""
    serving, trusting = contexts(trustme.CA())
    serving.minimum_version = serving.maximum_version = VERSIONS[version]
    async with small_tcp() as (tcp, stream):
        pipe, peer = tls_over(tcp, trusting, "model.test"), trio.SSLStream(stream, serving, server_side=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.do_handshake)
            await pipe.shake_hands()
        yield pipe, peer


CONNECTS: dict[str, Connect] = {"TCP": small_tcp} | {one: partial(small_tls, one) for one in VERSIONS}


async def exactly(peer: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await peer.receive_some()
        assert more, f"the end after {len(data)} bytes"
        data += more
    return data
