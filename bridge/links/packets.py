"""A message between two processes of ours as bytes; and how a process that does one thing at a time says and hears it.

Pickle, because both ends are this program: one process started the other, and nobody else can reach the socket.
"""

import pickle
import socket
import struct
from typing import Any, Final

HEAD: Final = struct.Struct(">IB")
"""How long a message is, in bytes, and whether a file comes with its first byte."""

READ_BYTES: Final = 65_536


def packed(message: Any, *, has_file: bool) -> bytes:
    """Return a message as it is sent."""
    data = pickle.dumps(message)
    return HEAD.pack(len(data), has_file) + data


def say(raw: socket.socket, message: Any) -> None:
    """Send a message, and wait until it is gone. Raises `OSError` when the other end is."""
    raw.sendall(packed(message, has_file=False))


def hear(raw: socket.socket, seconds: float | None) -> Any:
    """Return the next message. Raises `TimeoutError` when none begins in so many seconds, `EOFError` at the end."""
    raw.settimeout(seconds)
    first = raw.recv(1)
    raw.settimeout(None)
    size, _ = HEAD.unpack(first + _exactly(raw, HEAD.size - len(first)))
    return pickle.loads(_exactly(raw, size))


def _exactly(raw: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = raw.recv(min(size - len(data), READ_BYTES))
        if not more:
            raise EOFError
        data += more
    return bytes(data)
