"""Servers that are not ours, for the tests of the Twilio stand-in: any TCP peer, any answer, any frame."""

import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
import trio_websocket

from replay.phone.network import Network
from replay.phone.ring import CallReport, ring, ring_stream
from replay.phone.script import Caller, HangUp, Wait

Talk = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def anybody(talk: Talk) -> AsyncIterator[int]:
    """A TCP server that does what it likes with each connection; its port."""

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                await talk(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def a_call_to(talk: Talk, *, network: Network | None = None, wait_ms: int = 60) -> CallReport:
    """A short call to a bare media socket; it must be over in time whatever the peer does."""
    caller = Caller(steps=(Wait(wait_ms), HangUp()), patience_ms=0, network=network or Network())
    with trio.fail_after(10):
        async with anybody(talk) as port:
            return await ring_stream(caller, url=f"ws://127.0.0.1:{port}/media", total_ms=3000)


async def a_webhook_that_answers(raw: bytes) -> CallReport:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(raw)

    with trio.fail_after(10):
        async with anybody(talk) as port:
            url = f"http://127.0.0.1:{port}"
            return await ring(Caller(answer_delay_ms=0), webhook=f"{url}/voice", via=url, total_ms=3000)


def http(status: str = "200 OK", body: bytes = b"", kind: str = "text/xml", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def frame(opcode: int, payload: bytes, *, fin: bool = True, length: int | None = None) -> bytes:
    """A server's WebSocket frame; with `length`, one that lies about its size."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + bytes([126]) + struct.pack("!H", size) + payload
    return head + bytes([127]) + struct.pack("!Q", size) + payload


def opcodes(raw: bytearray) -> list[int]:
    """Take the client's whole frames off `raw`."""
    found = []
    while len(raw) >= 8:
        head, size = (8, int.from_bytes(raw[2:4])) if raw[1] & 0x7F == 126 else (6, raw[1] & 0x7F)
        if len(raw) < head + size:
            break
        found.append(raw[0] & 0x0F)
        del raw[: head + size]
    return found


async def upgraded(stream: trio.SocketStream) -> None:
    """Take part in the handshake as a server should."""
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        raw += await stream.receive_some(65_536)
    key = next(line.split(b": ")[1] for line in raw.split(b"\r\n") if line.startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    head = f"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}"
    await stream.send_all(f"HTTP/1.1 101 Hi\r\n{head}\r\n\r\n".encode())


def says(*parts: bytes, stay: bool = True) -> Talk:
    """A media server that says these bytes after a correct upgrade, and then reads on, or leaves."""

    async def talk(stream: trio.SocketStream) -> None:
        raw = bytearray()
        await upgraded(stream)
        for part in parts:
            await stream.send_all(part)
        while stay and (data := await stream.receive_some(65_536)):
            raw.extend(data)
            if 8 in opcodes(raw):
                return

    return talk


async def with_sid(answer: Callable[[str], list[str]], *, wait_ms: int = 60, **options: Any) -> CallReport:
    """A call to a proper WebSocket server that says these texts once it knows the stream."""

    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                message = json.loads(await socket.get_message())
                for text in answer(message["streamSid"]) if message["event"] == "start" else []:
                    await socket.send_message(text)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
            url = f"ws://127.0.0.1:{server.port}/media"
            report = await ring_stream(Caller(steps=(Wait(wait_ms), HangUp()), **options), url=url)
            nursery.cancel_scope.cancel()
            return report
