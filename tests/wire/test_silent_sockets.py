"""Connections that never become a call: bounded by the handshake's time, and nothing of them stays."""

import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing

from bench.stage import AGENT, PUBLIC, MakePlace, Stage, living_tasks, open_files, open_stage
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent
from replay.phone.signing import sign

HANDSHAKE_SECONDS = 0.2
PATH = f"/voice/ws/{AGENT}"
SIGNATURE = sign(f"{PUBLIC.replace('https', 'wss')}{PATH}", (), "golden-test-auth-token-000000000")
HOST = f"Host: {urlsplit(PUBLIC).netloc}\r\n"


@pytest.fixture
async def stage(place: MakePlace) -> AsyncIterator[Stage]:
    """Run a daemon that waits for handshakes only a moment."""
    async with open_stage(place(handshake_seconds=HANDSHAKE_SECONDS)) as running:
        await say(running, f"GET /healthz HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
        await trio.testing.wait_all_tasks_blocked(0.001)
        yield running


async def say(stage: Stage, words: bytes) -> bytes:
    """Say something on a connection of one's own, then listen until it is ended."""
    stream = await trio.open_tcp_stream("127.0.0.1", stage.daemon.port)
    async with stream:
        if words:
            await stream.send_all(words)
        heard = b""
        with contextlib.suppress(trio.BrokenResourceError):
            async for data in stream:
                heard += data
        return heard


async def settle(tasks: int, files: int) -> None:
    """Return when there are as few tasks and files as before."""
    while (living_tasks(), open_files()) != (tasks, files):  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


UNFINISHED = {
    "nothing": b"",
    "half a request line": b"GET /voi",
    "half a media request line": b"GET /voice/ws/fro",
    "half the headers": f"GET {PATH} HTTP/1.1\r\n{HOST}Upgra".encode(),
    "half a webhook": f"POST /voice/{AGENT} HTTP/1.1\r\n{HOST}Content-Length: 900\r\n\r\nCallSid=".encode(),
    "a TLS hello": bytes.fromhex("1603010200010001fc0303") + bytes(32),
    "no HTTP": b"EHLO bridge\r\n\r\n",
    "no HTTP on the media path": f"GET {PATH}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("words", UNFINISHED.values(), ids=list(UNFINISHED))
async def test_a_connection_that_says_too_little_is_ended_and_leaves_nothing(
    stage: Stage, words: bytes
) -> None:
    with trio.fail_after(5):
        before = living_tasks(), open_files()
        began = trio.current_time()
        await say(stage, words)
        assert trio.current_time() - began < 3 * HANDSHAKE_SECONDS + 1
        await settle(*before)
    assert stage.daemon.switchboard.live == 0


async def test_a_plain_request_on_the_media_path_is_answered_as_one(stage: Stage) -> None:
    signed = f"GET {PATH} HTTP/1.1\r\n{HOST}X-Twilio-Signature: {SIGNATURE}\r\n\r\n"
    with trio.fail_after(5):
        assert (await say(stage, signed.encode())).startswith(b"HTTP/1.1 426 ")
        assert (await say(stage, f"GET {PATH} HTTP/1.1\r\n{HOST}\r\n".encode())).startswith(b"HTTP/1.1 403 ")


async def test_a_socket_without_a_start_is_ended(stage: Stage) -> None:
    upgrade = (
        f"GET {PATH} HTTP/1.1\r\n{HOST}X-Twilio-Signature: {SIGNATURE}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with trio.fail_after(5):
        heard = await say(stage, upgrade.encode())
    assert heard.startswith(b"HTTP/1.1 101 ")
    assert struct.pack("!H", 1008) in heard


@pytest.mark.parametrize("words", [b"", b"GET /voi", f"GET {PATH} HTTP/1.1\r\n".encode(), b"POST /voice"])
async def test_a_connection_that_is_reset_harms_nobody(stage: Stage, words: bytes) -> None:
    with trio.fail_after(8):
        before = living_tasks(), open_files()
        for _ in range(20):
            stream = await trio.open_tcp_stream("127.0.0.1", stage.daemon.port)
            if words:
                await stream.send_all(words)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await trio.aclose_forcefully(stream)
        await settle(*before)
        report = await stage.ring(Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0))
    assert report.first_heard_ms is not None


async def test_silent_connections_do_not_keep_callers_out(stage: Stage) -> None:
    with trio.fail_after(8):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(say, stage, b"")
            report = await stage.ring(Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0))
    assert report.first_heard_ms is not None
