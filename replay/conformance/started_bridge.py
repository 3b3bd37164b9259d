"""A bridge that is started for the card, and ended with everything that it has started."""

import contextlib
import os
import shlex
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import PIPE, STDOUT
from typing import Final

import attrs
import trio

from bridge.errors import BridgeError

KEPT_LINES: Final = 200
"""Of what it prints, the last; told when it dies."""
LONGEST_LINE: Final = 500
START_SECONDS: Final = 60
"""Until it listens; a bridge that loads a network for voices takes 20 s on a busy machine."""
LOOK_SECONDS: Final = 0.1
GOODBYE_SECONDS: Final = 3


class BridgeNotStartedError(BridgeError):
    """The command can't be run, ended, or never listened; `printed` has its last lines."""

    def __init__(self, message: str, printed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.printed = tuple(printed)


@attrs.define(eq=False)
class StartedBridge:
    """A bridge's process, with the last lines that it printed."""

    process: trio.Process
    printed: deque[str] = attrs.field(factory=lambda: deque(maxlen=KEPT_LINES), repr=False)

    _is_silent: trio.Event = attrs.field(factory=trio.Event, repr=False)

    @property
    def death(self) -> str:
        """How it ended by itself; empty while it runs."""
        code = self.process.poll()
        if code is None:
            return ""
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"the bridge ended {how}"

    async def read(self) -> None:
        """Keep what it prints, until it closes its output."""
        assert self.process.stdout is not None
        rest = b""
        async for piece in self.process.stdout:
            *lines, rest = (rest + piece).split(b"\n")
            self.printed.extend(line[:LONGEST_LINE].decode(errors="replace") for line in lines)
            rest = rest[:LONGEST_LINE]
        self._is_silent.set()

    async def wait_listens(self, host: str, port: int) -> None:
        """Until somebody answers at this port. Raises `BridgeNotStartedError`."""
        with trio.move_on_after(START_SECONDS):
            while True:
                if self.death:
                    with trio.move_on_after(GOODBYE_SECONDS):  # its last words may not have been read yet
                        await self._is_silent.wait()
                    raise BridgeNotStartedError(self.death, self.printed)
                with contextlib.suppress(OSError):
                    await (await trio.open_tcp_stream(host, port)).aclose()
                    return
                await trio.sleep(LOOK_SECONDS)
        raise BridgeNotStartedError(
            f"nobody listens on port {port} after {START_SECONDS} s: have it listen on the one in PORT, "
            "or give its port: --to http://127.0.0.1:PORT/path",
            self.printed,
        )


@asynccontextmanager
async def start_bridge(
    command: str, environment: Mapping[str, str], *, host: str, port: int
) -> AsyncIterator[StartedBridge]:
    """Run a command in a process group of its own until it listens; the whole group is ended with the block."""
    try:
        process = await trio.lowlevel.open_process(
            shlex.split(command), stdout=PIPE, stderr=STDOUT, env={**os.environ, **environment},
            start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise BridgeNotStartedError(f"{command}: can't be run: {error}") from error
    bridge = StartedBridge(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.read)
            await bridge.wait_listens(host, port)
            yield bridge
            nursery.cancel_scope.cancel(reason="the card is done")
    finally:
        with trio.CancelScope(shield=True):  # what was started is ended, whatever happened meanwhile
            await _end(process)


async def _end(process: trio.Process) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with trio.move_on_after(GOODBYE_SECONDS):
            await process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
