"""A TCP connection to somewhere, straight or through a proxy."""

from base64 import b64encode
from typing import Final

import h11
import trio

from bridge.errors import DoorShutError, LinkError
from bridge.proxies import Proxy

READ_BYTES: Final = 4096
MOST_ANSWER_BYTES: Final = 16 * 2**10


async def reach(host: str, port: int, proxy: Proxy | None) -> trio.SocketStream:
    """Return a connection to a host. Raises `LinkError` for what the proxy says, `OSError` for all else."""
    if proxy is None:
        return await trio.open_tcp_stream(host, port)
    try:
        if proxy.scheme == "http":
            return await _ask_to_connect(proxy, host, port)
        return await _ask_socks(proxy, host, port)
    except OSError as error:
        text = f"the proxy {proxy} can't be reached: {error.strerror or error}"
        raise DoorShutError(text, "unreachable") from None


async def _ask_socks(proxy: Proxy, host: str, port: int) -> trio.SocketStream:
    from python_socks import ProxyError, ProxyType  # who has no such proxy need not load it
    from python_socks.async_.trio import Proxy as SocksProxy

    username, password = (proxy.username, proxy.password) if proxy.username else (None, None)
    looks_up = proxy.scheme == "socks5h"
    socks = SocksProxy(ProxyType.SOCKS5, proxy.host, proxy.port, username, password, looks_up)
    try:
        return trio.SocketStream(await socks.connect(host, port))
    except ProxyError as error:
        raise LinkError(f"the proxy {proxy} refused: {error}"[:200]) from None


async def _ask_to_connect(proxy: Proxy, host: str, port: int) -> trio.SocketStream:
    """Ask an HTTP proxy for a tunnel. By h11: python-socks 3.2 takes what comes first for the whole answer."""
    stream = await trio.open_tcp_stream(proxy.host, proxy.port)
    try:
        status = await _answer(stream, _connect_request(proxy, host, port))
        if not 200 <= status < 300:
            text = f"the proxy {proxy} refused: HTTP {status}"
            raise DoorShutError(text, "unreachable") if status >= 500 else LinkError(text)
    except (h11.RemoteProtocolError, trio.BrokenResourceError):
        await trio.aclose_forcefully(stream)
        text = f"the proxy {proxy} speaks no HTTP, or left without an answer"
        raise DoorShutError(text, "unreachable") from None
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


def _connect_request(proxy: Proxy, host: str, port: int) -> h11.Request:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = [("Host", target)]
    if proxy.username:
        credentials = b64encode(f"{proxy.username}:{proxy.password}".encode()).decode("ascii")
        headers.append(("Proxy-Authorization", f"Basic {credentials}"))
    return h11.Request(method="CONNECT", target=target, headers=headers)


async def _answer(stream: trio.SocketStream, request: h11.Request) -> int:
    """Return the status that a request is answered with; the server behind the proxy says nothing before we do."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_ANSWER_BYTES)
    await stream.send_all((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(READ_BYTES))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("closed")
