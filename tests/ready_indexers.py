"""Indexers' processes that have everything loaded: each is forked off one that waits with it, in a tenth of the time.

They are processes as ever, with a number, a memory and an end of their own. Starting Python and loading DuckDB anew for
each test was much of what the whole run did.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, NoReturn

import trio
from attrs import define, field

from bridge.machine import child

INDEXER: Final = child("bridge.indexing.worker")
FORKS: Final = b"y"
WORD_BYTES: Final = 10
"""What is told of a process is one number, and then another."""


@define(eq=False)
class Forked:
    """What its daemon wants to know of a process; `_told` tells its number, and then how it ended."""

    _told: trio.SocketStream
    pid: int
    returncode: int | None = None
    _asking: trio.Lock = field(factory=trio.Lock)

    async def wait(self) -> int:
        """Return how it ended, once it has."""
        async with self._asking:
            if self.returncode is None:
                self.returncode = int(await self._told.receive_some(WORD_BYTES))
                await self._told.aclose()
        return self.returncode

    def kill(self) -> None:
        """End it."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@contextmanager
def ready_indexers() -> Iterator[None]:
    """Fork indexers instead of starting them; other processes are started as ever, and all of them but on Linux."""
    plain = trio.lowlevel.open_process

    async def open_process(command: list[str], **options: Any) -> Any:
        if command == INDEXER and _mother() is not None:
            return _fork(options["stdin"])
        return await plain(command, **options)

    if sys.platform == "linux":
        _mother()  # now: who counts files later counts its socket each time
        trio.lowlevel.open_process = open_process  # type: ignore[assignment]
    try:
        yield
    finally:
        trio.lowlevel.open_process = plain


def _fork(stdin: socket.socket) -> Forked:
    ours, theirs = socket.socketpair()
    with theirs:
        mother = _mother()
        assert mother is not None
        socket.send_fds(mother[0], [b"."], [stdin.fileno(), 2, theirs.fileno()])
    pid = int(
        ours.recv(WORD_BYTES)
    )  # no task runs meanwhile, so no time passes: who forks is nobody's helper
    return Forked(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), pid)


@cache
def _mother() -> tuple[socket.socket, subprocess.Popen[bytes]] | None:
    """Return the way to the process that forks; it ends when this one does.

    None where it can't be forked: old versions of DuckDB start threads when they are loaded.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, __file__], stdin=theirs)
    if ours.recv(1) == FORKS:
        return ours, process
    ours.close()
    process.wait()
    return None


def main() -> None:
    """Fork an indexer whenever asked to, until nobody can ask."""
    from bridge.indexing import worker

    asked = socket.socket(fileno=0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who stands between is waited for by nobody
    forks = len(os.listdir("/proc/self/task")) == 1  # one that has threads can't be forked
    asked.send(FORKS if forks else b"n")
    if not forks:
        return
    while files := socket.recv_fds(asked, 1, 3)[1]:
        if os.fork() == 0:
            _stand_between(worker.main, files)
        for file in files:
            os.close(file)


def _stand_between(run: Callable[[], None], files: list[int]) -> NoReturn:
    """Fork once more, and tell the number of that process, and then how it ended."""
    stdin, stderr, told = files
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        if (pid := os.fork()) == 0:
            os.dup2(stdin, 0)
            os.dup2(stderr, 2)
            os.closerange(3, max(files) + 1)
            run()
        os.dup2(told, 0)
        os.closerange(3, max(files) + 1)
        os.write(0, str(pid).rjust(WORD_BYTES).encode())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(0, str(status).rjust(WORD_BYTES).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
