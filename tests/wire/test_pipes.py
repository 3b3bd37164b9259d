"""Bytes that leave at once, and those that wait: in order, whole, whatever a socket takes and whoever is cancelled."""

import shutil
import socket
import ssl
import subprocess
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from small_connections import CONNECTS, VERSIONS, Connect, contexts, exactly, small_tcp, small_tls
from trio.testing import wait_all_tasks_blocked

from bridge.links.pipes import TcpPipe
from bridge.links.tls import TlsPipe, tls_over

MUCH = bytes(range(256)) * 4096  # a megabyte: far more than any buffer here
each_kind = pytest.mark.parametrize("connected", CONNECTS.values(), ids=list(CONNECTS))
versions = pytest.mark.parametrize("version", list(VERSIONS))


@each_kind
async def test_what_the_socket_takes_leaves_at_once(connected: Connect) -> None:
    async with connected() as (pipe, peer):
        pipe.write(b"now")
        assert pipe.is_ready
        assert await exactly(peer, 3) == b"now"


@each_kind
async def test_what_it_does_not_take_waits_and_nothing_overtakes_it(connected: Connect) -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        assert not pipe.is_ready
        pipe.write(b"and then")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.drain)
            assert await exactly(peer, len(MUCH) + 8) == MUCH + b"and then"
        assert pipe.is_ready


@each_kind
async def test_whoever_is_cancelled_while_it_waits_loses_nothing(connected: Connect) -> None:
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


@each_kind
async def test_two_may_wait_for_it(connected: Connect) -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.drain)
            nursery.start_soon(pipe.drain)
            assert await exactly(peer, len(MUCH)) == MUCH


@each_kind
async def test_the_end_is_read_as_no_bytes(connected: Connect) -> None:
    async with connected() as (pipe, peer):
        await peer.send_all(b"last words")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                trio.aclose_forcefully if isinstance(peer, trio.SocketStream) else _say_goodbye, peer
            )
        assert (await pipe.read(), await pipe.read()) == (b"last words", b"")


@each_kind
async def test_a_peer_that_has_left_takes_everything(connected: Connect) -> None:
    async with connected() as (pipe, peer):
        pipe.write(MUCH)
        await trio.aclose_forcefully(peer)
        await pipe.drain()
        pipe.write(MUCH)
        await pipe.drain()
        assert pipe.is_ready


@each_kind
@pytest.mark.parametrize("what", ["read", "drain"])
async def test_a_pipe_whose_stream_is_closed_here_keeps_nobody_waiting(connected: Connect, what: str) -> None:
    async with connected() as (pipe, _):
        pipe.write(MUCH)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(getattr(pipe, what))
            await wait_all_tasks_blocked()
            tcp = pipe._tcp if isinstance(pipe, TlsPipe) else pipe
            tcp._socket.close()  # as its owner does
        pipe.write(MUCH)
        assert await pipe.read() == b""


# ---------------------------------------------------------------- TLS alone


async def _say_goodbye(peer: trio.SSLStream[trio.SocketStream]) -> None:
    """Send close_notify, and leave without waiting for the answer."""
    with trio.move_on_after(1):
        await peer.unwrap()


@versions
async def test_a_goodbye_is_sent_and_none_is_waited_for(version: str) -> None:
    async with small_tls(version) as (pipe, peer):
        pipe.write(b"last words")
        pipe.end()
        assert await exactly(peer, 10) == b"last words"
        assert await peer.receive_some() == b""  # without close_notify it would be broken


@versions
async def test_a_peer_that_is_cut_off_is_the_end(version: str) -> None:
    async with small_tls(version) as (pipe, peer):
        await peer.send_all(b"half of what")
        await trio.aclose_forcefully(peer)
        assert (await pipe.read(), await pipe.read()) == (b"half of what", b"")


@versions
async def test_records_that_are_no_records_are_the_end(version: str) -> None:
    async with small_tls(version) as (pipe, peer):
        await peer.transport_stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert (await pipe.read(), await pipe.read()) == (b"", b"")
        pipe.write(MUCH)
        await pipe.drain()


@versions
async def test_records_may_come_in_any_pieces(version: str) -> None:
    async with small_tls(version) as (pipe, peer):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            await peer.send_all(MUCH[:20_000])  # two records
            encrypted = b""
            while len(encrypted) < 20_000:
                encrypted += await pipe._tcp.read()
            pipe._tcp._socket, kept = trio.socket.from_stdlib_socket(ours), pipe._tcp._socket
            heard = b""
            async with trio.open_nursery() as nursery:

                async def drop() -> None:
                    for at in range(0, len(encrypted), 777):
                        theirs.sendall(encrypted[at : at + 777])
                        await wait_all_tasks_blocked()

                nursery.start_soon(drop)
                while len(heard) < 20_000:
                    heard += await pipe.read()
            pipe._tcp._socket = kept
        assert heard == MUCH[:20_000]


async def test_a_name_that_is_not_the_certificates_is_refused_and_the_server_is_told() -> None:
    serving, trusting = contexts(trustme.CA())
    async with small_tcp() as (tcp, stream):
        peer = trio.SSLStream(stream, serving, server_side=True)
        async with trio.open_nursery() as nursery:
            told: list[BaseException] = []

            async def serve() -> None:
                try:
                    await peer.do_handshake()
                    await peer.receive_some()
                except trio.BrokenResourceError as error:
                    told.append(error.__cause__ or error)

            nursery.start_soon(serve)
            with pytest.raises(ssl.SSLCertVerificationError):
                await tls_over(tcp, trusting, "another.test").shake_hands()
    assert "alert" in str(told[0]).lower()


async def test_a_server_that_leaves_within_the_handshake_is_told_as_such() -> None:
    _, trusting = contexts(trustme.CA())
    async with small_tcp() as (tcp, stream), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_eof)
        with pytest.raises(EOFError):
            await tls_over(tcp, trusting, "model.test").shake_hands()


@pytest.mark.skipif(not shutil.which("openssl"), reason="only its server changes keys when asked")
async def test_new_keys_within_a_connection_change_nothing(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("model.test")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    _, trusting = contexts(authority)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "openssl",
        "s_server",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        str(tmp_path / "server.pem"),
        "-tls1_3",
    ]
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(
                partial(
                    trio.run_process,
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
            )
            async with await reached(port) as stream:
                pipe = tls_over(TcpPipe(stream.socket), trusting, "model.test")
                await pipe.shake_hands()
                for number in range(3):
                    await server.stdin.send_all(b"said %d\n" % number)
                    assert await pipe.read() == b"said %d\n" % number
                    pipe.write(b"answered %d\n" % number)
                    heard = b""
                    while b"answered %d" % number not in heard:
                        heard += await server.stdout.receive_some()
                    await server.stdin.send_all(b"K\n")  # new keys, both ways
                    pipe._incoming.write(
                        await pipe._tcp.read()
                    )  # so that they are there before the next words
            server.kill()
            nursery.cancel_scope.cancel()


async def reached(port: int) -> trio.SocketStream:
    """Return a connection to a server that may not listen yet."""
    while True:
        try:
            return await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await trio.sleep(0.01)
