"""Small proxies on loopback, which lead every name to one port and remember what they were asked."""

import base64
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
import trio.testing
from attrs import define, field

Speak = Callable[["SmallProxy", trio.SocketStream], Awaitable[bool]]
NAME, PASSWORD = "me@here", "pass:word-1"


@define
class SmallProxy:
    """Where it is, where it leads, and what it was asked for; with `is_guarded` it wants NAME and PASSWORD."""

    leads_to: int
    is_guarded: bool = False
    port: int = 0
    asked: list[str] = field(factory=list)


@asynccontextmanager
async def proxy_of(speak: Speak, leads_to: int = 1, *, is_guarded: bool = False) -> AsyncIterator[SmallProxy]:
    """Run a proxy that speaks so; it tunnels when it has spoken."""
    proxy = SmallProxy(leads_to, is_guarded)

    async def serve(client: trio.SocketStream) -> None:
        async with client:
            with contextlib.suppress(OSError, trio.BrokenResourceError):
                if await speak(proxy, client):
                    await tunnel(client, proxy.leads_to)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel(reason="the test is done with it")


async def speak_http(proxy: SmallProxy, client: trio.SocketStream) -> bool:
    """Answer a CONNECT, in pieces, as some proxies do."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await client.receive_some()
    lines = head.decode().split("\r\n")
    proxy.asked.append(lines[0].rsplit(" ", 1)[0])
    credentials = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
    if proxy.is_guarded and f"Proxy-Authorization: Basic {credentials}" not in lines:
        await client.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return False
    await client.send_all(b"HTTP/1.1 200 Connection ")
    await trio.testing.wait_all_tasks_blocked()
    await client.send_all(b"established\r\nVia: small\r\n\r\n")
    return True


async def speak_socks(proxy: SmallProxy, client: trio.SocketStream) -> bool:
    """Answer SOCKS5 as RFC 1928 and 1929 say."""
    methods = await exactly(client, (await exactly(client, 2))[1])
    method = 2 if proxy.is_guarded else 0
    if method not in methods:
        await client.send_all(b"\x05\xff")
        return False
    await client.send_all(bytes([5, method]))
    if proxy.is_guarded and not await may_pass(client):
        return False
    _, _, _, kind = await exactly(client, 4)
    size = 4 if kind == 1 else 16 if kind == 4 else (await exactly(client, 1))[0]
    host = await exactly(client, size)
    (port,) = struct.unpack(">H", await exactly(client, 2))
    name = host.decode() if kind == 3 else ".".join(map(str, host))
    proxy.asked.append(f"{'name' if kind == 3 else 'address'} {name}:{port}")
    await client.send_all(b"\x05\x00\x00\x01" + bytes(6))
    return True


async def may_pass(client: trio.SocketStream) -> bool:
    name = await exactly(client, (await exactly(client, 2))[1])
    password = await exactly(client, (await exactly(client, 1))[0])
    is_right = (name.decode(), password.decode()) == (NAME, PASSWORD)
    await client.send_all(b"\x01\x00" if is_right else b"\x01\x01")
    return is_right


async def speak_nonsense(proxy: SmallProxy, client: trio.SocketStream) -> bool:
    """Answer as something that is no proxy."""
    await client.receive_some()
    await client.send_all(b"220 mail.example.com ESMTP\r\n")
    return False


async def exactly(client: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await client.receive_some(size - len(data))
        if not more:
            raise trio.BrokenResourceError
        data += more
    return data


async def tunnel(client: trio.SocketStream, port: int) -> None:
    """Pass bytes on in both directions until one side leaves."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as server, trio.open_nursery() as nursery:

        async def pass_on(one: trio.SocketStream, other: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                async for data in one:
                    await other.send_all(data)
            nursery.cancel_scope.cancel(reason="one side has left")

        nursery.start_soon(pass_on, client, server)
        nursery.start_soon(pass_on, server, client)
