"""Messages between two processes of ours, each perhaps with an open file, over one socket pair. When either end dies
the other hears the end of the stream. How a message is written, `packets` knows.
"""

import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import trio
from attrs import define, field

from bridge.links.packets import HEAD, READ_BYTES, packed

MOST_FILES_AT_ONCE: Final = 64
MOST_WAITING: Final = 10_000
"""Messages for a process that does not read; with that many it counts as stuck."""


@define(eq=False)
class Channel:
    """One end. `send` never waits; `run` carries messages both ways until the other end is gone, then returns."""

    _socket: trio.socket.SocketType
    is_gone: bool = False
    _waiting: deque[tuple[bytes, int | None]] = field(factory=deque)
    _news: trio.Event = field(factory=trio.Event)
    _read: bytearray = field(factory=bytearray)
    _files: deque[int] = field(factory=deque)

    @classmethod
    def on(cls, raw: socket.socket) -> "Channel":
        """Return the end that a socket of a pair is."""
        raw.setblocking(False)
        return cls(trio.socket.from_stdlib_socket(raw))

    @property
    def waiting(self) -> int:
        """Return how many messages the other end has not taken yet."""
        return len(self._waiting)

    def send(self, message: Any, file: int | None = None) -> None:
        """Queue a message; the file is ours to close. Whoever is gone, or `MOST_WAITING` behind, gets nothing more."""
        if self.is_gone or len(self._waiting) >= MOST_WAITING:
            self.is_gone = True
            _close([file])
        else:
            self._waiting.append((packed(message, has_file=file is not None), file))
        self._news.set()

    async def run(self, take: Callable[[Any, int | None], None]) -> None:
        """Send what is queued and let `take` have each message, with its file, until the other end is gone."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_all, nursery.cancel_scope)
                nursery.start_soon(self._receive_all, take, nursery.cancel_scope)
        finally:
            self.is_gone = True
            _close([*(file for _, file in self._waiting), *self._files])
            self._waiting.clear()
            self._socket.close()

    async def flush(self) -> None:
        """Return when the other end has been sent everything, or is gone."""
        while self._waiting and not self.is_gone:  # noqa: ASYNC110 - once, when a process ends
            await trio.sleep(0.005)

    async def _send_all(self, scope: trio.CancelScope) -> None:
        with suppress(OSError):
            while not self.is_gone:
                self._news = trio.Event()
                while self._waiting:
                    await self._send_one(*self._waiting[0])
                    _close([self._waiting.popleft()[1]])
                await self._news.wait()
        scope.cancel(reason="the other process is gone")

    async def _send_one(self, data: bytes, file: int | None) -> None:
        """Send a message; the file goes with its first byte, once."""
        rest = memoryview(data)
        if file is not None:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", file))]
            rest = rest[await self._socket.sendmsg([rest], rights) :]
        while rest:
            rest = rest[await self._socket.send(rest) :]

    async def _receive_all(self, take: Callable[[Any, int | None], None], scope: trio.CancelScope) -> None:
        with suppress(OSError):
            while await self._receive():
                while (found := self._unpacked()) is not None:
                    take(*found)
        scope.cancel(reason="the other process is gone")

    async def _receive(self) -> bool:
        room = socket.CMSG_SPACE(MOST_FILES_AT_ONCE * struct.calcsize("i"))
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        data, extras, _, _ = await self._socket.recvmsg(READ_BYTES, room, flags)
        for level, kind, content in extras:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._files += [number for (number,) in struct.iter_unpack("i", content)]
        self._read += data
        return bool(data)

    def _unpacked(self) -> tuple[Any, int | None] | None:
        """Return the next whole message, with its file."""
        if len(self._read) < HEAD.size:
            return None
        size, has_file = HEAD.unpack_from(self._read)
        if len(self._read) < HEAD.size + size:
            return None
        message = pickle.loads(self._read[HEAD.size : HEAD.size + size])
        del self._read[: HEAD.size + size]
        return message, self._files.popleft() if has_file else None


def _close(files: list[int | None]) -> None:
    for file in files:
        if file is not None:
            with suppress(OSError):
                os.close(file)
