"""Read by each Python process of a bridge that `replay judge` starts: what goes to the service reaches the stand-in.

Its sockets lead there, and without TLS, for the stand-in has no certificate of the service's. Nothing else is changed,
and nothing of the bridge's own: the processes in which this stands are gone after the card. No package is imported that
is not there anyway.
"""

import asyncio
import os
import socket
import ssl
from typing import Any

NAME, _, _WHERE = os.environ.get("REPLAY_JUDGE_DETOUR", "").partition("=")
HOST, _, _PORT = _WHERE.rpartition(":")
TLS = ("ssl", "server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout")

_getaddrinfo = socket.getaddrinfo
_wrap_socket = ssl.SSLContext.wrap_socket


def _is_the_service(host: object) -> bool:
    return host in (NAME, NAME.encode())


def _led_getaddrinfo(host: Any, port: Any, *more: Any, **named: Any) -> Any:
    if _is_the_service(host):
        host, port = HOST, int(_PORT)
    return _getaddrinfo(host, port, *more, **named)


def _led_wrap_socket(self: ssl.SSLContext, sock: socket.socket, *more: Any, **named: Any) -> Any:
    if _is_the_service(named.get("server_hostname")):
        return sock
    return _wrap_socket(self, sock, *more, **named)


def _led(connect: Any) -> Any:
    async def create_connection(
        self: Any, factory: Any, host: Any = None, port: Any = None, **named: Any
    ) -> Any:
        if _is_the_service(host) or _is_the_service(named.get("server_hostname")):
            named = {name: value for name, value in named.items() if name not in TLS}
            host, port = (None, None) if host is None else (HOST, int(_PORT))
        return await connect(self, factory, host, port, **named)

    return create_connection


def _lead() -> None:
    socket.getaddrinfo = _led_getaddrinfo
    ssl.SSLContext.wrap_socket = _led_wrap_socket  # type: ignore[method-assign]
    loops: list[Any] = [asyncio.BaseEventLoop]
    try:
        import uvloop
    except ImportError:
        pass
    else:
        loops.append(uvloop.Loop)
    for loop in loops:
        loop.create_connection = _led(loop.create_connection)


if NAME:
    _lead()
