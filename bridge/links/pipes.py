"""Bytes in and out of one connection: what can leave at once leaves at once, and what the socket does not take waits.

Nothing here asks what the bytes say. A send through trio's streams costs a checkpoint and a lock, a read a system call
that finds nothing; per frame that is more than all the rest of a link.
"""

import os
from contextlib import suppress
from typing import Final, Protocol

import trio
from attrs import define, field

READ_BYTES: Final = 64 * 2**10


class Pipe(Protocol):
    """A connection. A peer that has left takes everything, and says nothing more."""

    @property
    def is_ready(self) -> bool:
        """Say whether nothing waits."""

    def write(self, data: bytes) -> None:
        """Send at once what the socket takes; the rest waits, in order, for `drain`."""

    async def drain(self) -> None:
        """Return when nothing waits. Whoever is cancelled here loses nothing: it goes on waiting."""

    async def read(self) -> bytes:
        """Wait for bytes and return them; none when the peer has left, or the connection broke."""

    @property
    def number(self) -> int:
        """Return the socket's number. Raises `OSError` once it is closed."""

    def read_now(self) -> bytes | None:
        """Return the same without waiting; None when nothing has come."""


@define(eq=False)
class TcpPipe:
    """A plain TCP connection; the stream is closed by whoever opened it."""

    _socket: trio.socket.SocketType
    is_ready: bool = True
    _waiting: bytearray = field(factory=bytearray)
    _draining: trio.Lock = field(factory=trio.Lock)

    def write(self, data: bytes) -> None:
        """Send at once what the socket takes; the rest waits, in order, for `drain`."""
        if not self.is_ready:
            self._waiting += data
            return
        sent = self._send(data)
        if sent < len(data):
            self._waiting += memoryview(data)[sent:]
            self.is_ready = False

    def _send(self, data: bytes | bytearray) -> int:
        """Return how many bytes the socket has taken; all, when nobody is there any more: reading tells the end."""
        try:
            return os.write(self._socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def cut_off(self) -> None:
        """End the connection in both directions, so that whoever reads sees it."""
        with suppress(OSError):
            self._socket.shutdown(trio.socket.SHUT_RDWR)

    async def drain(self) -> None:
        """Return when nothing waits."""
        async with self._draining:
            while self._waiting:
                try:
                    await trio.lowlevel.wait_writable(self.number)
                except (OSError, trio.ClosedResourceError):
                    self._waiting.clear()
                del self._waiting[: self._send(self._waiting)]
            self.is_ready = True

    async def read(self) -> bytes:
        """Wait for bytes and return them; none when the peer has left, or the connection broke."""
        while True:
            try:
                await trio.lowlevel.wait_readable(self.number)  # first: mostly nothing has come yet
            except (OSError, trio.ClosedResourceError):
                return b""
            if (data := self.read_now()) is not None:
                return data

    def read_now(self) -> bytes | None:
        """Return the same without waiting; None when nothing has come."""
        try:
            return os.read(self._socket.fileno(), READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    @property
    def number(self) -> int:
        """Return the socket's number. Raises `OSError` once it is closed: trio can't be asked to wait for it then."""
        if (number := self._socket.fileno()) < 0:
            raise OSError("closed here")
        return number
