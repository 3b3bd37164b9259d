"""A whole daemon with its console in a thread, for tests that block: a browser looks at it, and somebody rings."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any

import trio
from attrs import frozen

from bench.stage import Place, Stage, open_stage
from bridge.console.auth import LINK_SECONDS, login_link
from replay.phone.report import CallReport
from replay.phone.script import Caller

TOKEN = "let-me-in"
CONSOLE: dict[str, Any] = {"admin": {"bind": "127.0.0.1:0"}, "admin_token": TOKEN, "console": {"on": True}}
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}


@frozen
class RunningConsole:
    """A daemon that runs in another thread."""

    stage: Stage
    loop: trio.lowlevel.TrioToken

    @property
    def address(self) -> str:
        """Where its console is."""
        return f"http://{self.stage.daemon.monitoring.address}/console"

    def link(self) -> str:
        """Return an address that signs somebody in, once."""
        return login_link(TOKEN, self.address, "anna", time.time() + LINK_SECONDS)

    def ring(self, caller: Caller) -> CallReport:
        """Make a call, and return when it is over and in the database."""
        return trio.from_thread.run(self._ring, caller, trio_token=self.loop)

    def ring_meanwhile(self, caller: Caller) -> "Future[CallReport]":
        """Make a call while the test goes on."""
        told: Future[CallReport] = Future()
        Thread(target=lambda: told.set_result(self.ring(caller)), daemon=True).start()
        return told

    async def _ring(self, caller: Caller) -> CallReport:
        report = await self.stage.ring(caller)
        await self.stage.wait_recorded()
        return report


@contextmanager
def running_console(place: Place) -> Iterator[RunningConsole]:
    """Run a daemon in a thread of its own until the block is left."""
    ready: Future[tuple[RunningConsole, trio.Event]] = Future()

    async def run() -> None:
        async with open_stage(place) as stage:
            leave = trio.Event()
            ready.set_result((RunningConsole(stage, trio.lowlevel.current_trio_token()), leave))
            await leave.wait()

    def in_thread() -> None:
        try:
            trio.run(run)
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = Thread(target=in_thread)
    thread.start()
    running, leave = ready.result()
    try:
        yield running
    finally:
        running.loop.run_sync_soon(leave.set)
        thread.join()
