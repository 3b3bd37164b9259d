"""Pings that cross our own close frame: trio-websocket answers those too, and its reading task dies of it.

https://github.com/python-trio/trio-websocket/issues/184, open in 0.12.2. Behind a close frame nothing can be sent, so
such a ping stays without an answer, as in other WebSocket libraries.
"""

from trio_websocket import WebSocketConnection
from wsproto.events import Ping

_answer = WebSocketConnection._handle_ping_event


async def _answer_while_open(socket: WebSocketConnection, ping: Ping) -> None:
    if socket.closed is None:
        await _answer(socket, ping)


def ignore_late_pings() -> None:
    """Mend trio-websocket for all sockets of this process; once is enough, and more does no harm."""
    WebSocketConnection._handle_ping_event = _answer_while_open  # type: ignore[assignment, method-assign]
