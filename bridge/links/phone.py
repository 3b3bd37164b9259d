"""The phone's media socket: an upgrade answered, with little trust until it has shown which call it belongs to."""

import socket
from collections.abc import Callable
from typing import Final

import trio
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bridge.links.pipes import TcpPipe
from bridge.links.web_socket import LatestPong, WebSocketLink, read_head

MOST_BYTES_BEFORE_START: Final = 64 * 2**10
"""Until a socket has proven which call it belongs to: `connected` and `start` are a few kilobytes together."""

MOST_HEAD_BYTES: Final = 16 * 2**10
"""Of an upgrade, request line and headers; hypercorn's limit for ordinary requests is the same."""

HANDSHAKE_SECONDS: Final = 10
FIRST_PAUSE: Final = 0.01


class MediaProtocol(LatestPong, ServerProtocol):
    """The protocol of a media socket."""


async def peek(stream: trio.SocketStream, most: int, is_enough: Callable[[bytes], bool]) -> bytes:
    """Return what a peer sends first, up to so many bytes; they stay in the socket for whoever serves it."""
    pause = FIRST_PAUSE
    while True:
        first = await stream.socket.recv(most, socket.MSG_PEEK)
        if not first or len(first) == most or is_enough(first):
            return first
        await trio.sleep(pause)  # a request line in pieces: rare, and a peek can't wait for more
        pause *= 2  # a thousand that send half a line must not cost what live calls need


async def accept_phone(
    stream: trio.SocketStream,
    refuse: Callable[[Request], int | None],
    *,
    seconds: float = HANDSHAKE_SECONDS,
) -> WebSocketLink | None:
    """Answer a WebSocket upgrade; `refuse` returns an HTTP status to refuse with, or None to accept.

    None when the peer was refused, spoke no WebSocket, said too much, or took longer than the handshake may take.
    """
    protocol = MediaProtocol(max_size=MOST_BYTES_BEFORE_START)
    pipe = TcpPipe(stream.socket)
    with trio.move_on_after(seconds):
        request, rest = await read_head(pipe, protocol, MOST_HEAD_BYTES)
        if not isinstance(request, Request):
            return None
        link = WebSocketLink(pipe, protocol, path=request.path)
        status = refuse(request)
        answer = protocol.accept(request) if status is None else protocol.reject(status, "")
        protocol.send_response(answer)
        await link.send()
        if answer.status_code == 101:
            link.take(rest)
            return link
    return None
