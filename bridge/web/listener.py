"""The listening socket: bound by us, or passed on by a service manager that keeps it over restarts."""

import socket
import sys
from collections.abc import Mapping
from typing import Final

import trio

from bridge.errors import LinkError

USER_TIMEOUT_MS: Final = 5000
"""TCP_USER_TIMEOUT: sent bytes that nobody acknowledges for so long end the connection, and with it any send."""

BACKLOG: Final = 256
FIRST_PASSED: Final = 3
"""The number of the first file that systemd passes: https://www.freedesktop.org/software/systemd/man/sd_listen_fds.html"""


def open_listener(bind: str) -> trio.SocketListener:
    """Return a listening socket for host:port; accepted sockets inherit its options. Raises `LinkError`."""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    set_options(raw)
    try:
        raw.bind((host, int(port)))
        raw.listen(BACKLOG)
    except OSError as error:
        raw.close()
        raise LinkError(
            f"can't listen on {bind}: {error.strerror}; use another [server] bind, or --bind"
        ) from None
    return trio.SocketListener(trio.socket.from_stdlib_socket(raw))


def adopt_listener(raw: socket.socket) -> trio.SocketListener:
    """Return the listener of a socket that was passed to us, with the options of one of our own."""
    set_options(raw)
    return trio.SocketListener(trio.socket.from_stdlib_socket(raw))


def set_options(raw: socket.socket) -> None:
    """Set what every TCP socket that we listen on has, and whatever it accepts."""
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        # Other systems keep a vanished peer's connection longer; calls end all the same.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def passed_socket(environment: Mapping[str, str], pid: int) -> socket.socket | None:
    """Return the listening socket that a service manager passed to this process; None when it passed none.

    Raises `LinkError` when what it passed is no single TCP socket that listens.
    """
    if environment.get("LISTEN_PID") != str(pid):
        return None
    count = environment.get("LISTEN_FDS", "")
    if count != "1":
        raise LinkError(
            f"LISTEN_FDS={count}: the bridge listens on one socket; give the .socket unit one ListenStream="
        )
    try:
        raw = socket.socket(fileno=FIRST_PASSED)
    except OSError as error:
        raise LinkError(f"LISTEN_FDS=1, but file {FIRST_PASSED} is no socket: {error.strerror}") from None
    raw.set_inheritable(False)  # tools may start processes of their own
    if not _is_tcp_listener(raw):
        raw.detach()
        raise LinkError(
            "the socket passed by the service manager is no TCP socket that listens; write "
            "ListenStream=127.0.0.1:8080 and Accept=no in the .socket unit"
        )
    return raw


def _is_tcp_listener(raw: socket.socket) -> bool:
    is_tcp = raw.family in (socket.AF_INET, socket.AF_INET6) and raw.type == socket.SOCK_STREAM
    return is_tcp and bool(raw.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
