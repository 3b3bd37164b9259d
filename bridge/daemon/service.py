"""The daemon as a service: what signals do, what the service manager is told, and how draining is reported."""

import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, TypeAlias

import structlog
import trio
from attrs import define, field, frozen

from bridge import __version__
from bridge.calls.setup import Setup, make_setup, make_setup_afresh
from bridge.config import Secrets, Settings
from bridge.daemon.notify import Notifier
from bridge.daemon.outcome import Outcome, write_outcome
from bridge.daemon.server import Daemon, open_daemon
from bridge.errors import ConfigError, fault_of
from bridge.machine import raise_file_limit
from bridge.outbound.rest import load_client

HANGUP: Final = getattr(signal, "SIGHUP", None)  # Windows has none
NEW_CODE: Final = getattr(signal, "SIGUSR2", None)
RELOADS: Final = tuple(one for one in (HANGUP, NEW_CODE) if one is not None)
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, *RELOADS)

STATUS_SECONDS: Final = 1.0
"""How often the status is looked at; it is told when it has changed."""

REPORT_SECONDS: Final = 5.0
"""How often a draining daemon says what it waits for, and asks its manager for more time."""

EXTENSION_USEC: Final = 15_000_000
"""What it asks for: a few reports, so that one that comes late costs nothing."""

MOST_NAMED: Final = 20
"""Calls that one log line names."""

MOST_OF_A_FAULT: Final = 200
Read: TypeAlias = Callable[[], tuple[Settings, Secrets]]
"""Reads the configuration and the secrets again. Raises `ConfigError`."""

log = structlog.get_logger(__name__)


@frozen
class Surroundings:
    """Who started the daemon, what it passed on, and where the configuration comes from."""

    notifier: Notifier
    passed: socket.socket | None
    read: Read
    status_seconds: float = STATUS_SECONDS


async def serve(
    settings: Settings,
    secrets: Secrets,
    around: Surroundings,
    *,
    task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends at once. Raises `BridgeError`.

    The service manager hears READY=1 when webhooks can be answered, and the watchdog is fed from before that until
    the last tape is written.
    """
    raise_file_limit()
    with trio.open_signal_receiver(*SIGNALS) as signals, trio.CancelScope() as scope:
        async with trio.open_nursery() as watched:
            watched.start_soon(around.notifier.feed_watchdog, name="watchdog")
            async with open_daemon(settings, secrets, passed=around.passed) as daemon:
                service = Service(daemon, around.notifier, around.read, around.status_seconds)
                daemon.host.garbage.own_process()
                async with trio.open_nursery() as telling:
                    await service.tell_ready()
                    telling.start_soon(service.tell_status, name="status")
                    task_status.started(daemon)
                    await service.wait_told_to_end(signals)
                    await service.drain(signals, scope)
                    telling.cancel_scope.cancel(reason="drained")
            watched.cancel_scope.cancel(reason="the daemon has ended")


@define(eq=False)
class Service:
    """A running daemon, seen from its service manager."""

    daemon: Daemon
    notifier: Notifier
    read: Read
    status_seconds: float = STATUS_SECONDS
    _refused: str = ""
    _told: str = ""
    _reading: trio.Lock = field(factory=trio.Lock)
    _asked: set[int] = field(factory=set)
    """Signals whose reload waits for the one before it."""
    _has_terminal: bool = field(factory=lambda: _on_a_terminal())

    # ------------------------------------------------------------ what the manager is told

    @property
    def status(self) -> str:
        """Return what the daemon does at this moment, in a line."""
        board = self.daemon.switchboard
        waiting = max(0, self.daemon.host.backlog - len(board.calls)) + self.daemon.indexer.lag
        what = "draining" if board.is_closing else "answering"
        text = f"{what}, {board.live} live, {waiting} finished and not in the database yet"
        if fault := self.daemon.indexer.fault:
            text += f"; {fault[:MOST_OF_A_FAULT]}"
        if calls := self.daemon.vitals().retiring_calls:
            text += f"; {calls} calls with older code"
        return f"{text}; reload refused: {self._refused}" if self._refused else text

    async def tell_ready(self) -> None:
        """Say that webhooks can be answered."""
        live = self.daemon.current.setup.settings
        names = ",".join(sorted(live.agents))
        admin = self.daemon.monitoring.address
        places = {"admin": admin, "console": live.console.address(admin)}
        found = {name: place for name, place in places.items() if place}
        log.info("bridge is up", version=__version__, port=self.daemon.port, agents=names, **found)
        await self.notifier.tell(READY=1, MAINPID=os.getpid(), STATUS=self._tell())

    async def tell_status(self) -> None:
        """Say what changed, once a second at most, until cancelled."""
        while True:
            await trio.sleep(self.status_seconds)
            if self.status != self._told:
                await self.notifier.tell(STATUS=self._tell())

    def _tell(self) -> str:
        self._told = self.status
        return self._told

    # ------------------------------------------------------------ reading the configuration again

    async def wait_told_to_end(self, signals: AsyncIterator[int]) -> None:
        """Return at the first signal that ends the daemon; SIGHUP and SIGUSR2 have it reload meanwhile."""
        async with trio.open_nursery() as reloads:
            while not self._is_the_end(number := await anext(signals)):
                if number not in self._asked:  # one that waits will read what is newest
                    self._asked.add(number)
                    reloads.start_soon(self.reload, number, name="reload")
            reloads.cancel_scope.cancel(reason="told to end")

    def _is_the_end(self, number: int) -> bool:
        """Say whether a signal ends the daemon: SIGHUP does when it tells of a terminal that is gone."""
        is_alone = number == HANGUP and self._has_terminal and not _on_a_terminal()
        if is_alone:
            _log_nowhere()
        return is_alone or number not in RELOADS

    async def reload(self, number: int | None = HANGUP) -> None:
        """Use what the file, the secrets and the tools are now for calls from now on; if it is bad, nothing changes.

        With SIGUSR2 the code as well, in workers of their own.
        """
        async with self._reading:
            self._asked.discard(number or 0)
            is_code, began_ns = number == NEW_CODE, time.time_ns()
            await self.notifier.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
            waiting: list[str] = []
            try:
                read = await trio.to_thread.run_sync(self._read_afresh, abandon_on_cancel=True)
                setup, waiting = self.daemon.current.as_it_can_be(read)
                await (self.daemon.host.roll(setup) if is_code else self.daemon.host.prepare(setup))
            except Exception as error:  # whatever a file says: no reason to end calls
                self._refuse(error)
            else:
                self._accept(setup, waiting)
            await self._leave_outcome(began_ns, is_code, waiting)
            await self.notifier.tell(READY=1, STATUS=self._tell())

    def _read_afresh(self) -> Setup:
        settings, secrets = self.read()
        load_client(settings)
        if self.daemon.current.setup.settings.server.workers > 1:
            return make_setup(settings, secrets, {})
        return make_setup_afresh(settings, secrets)

    def _accept(self, setup: Setup, waiting: list[str]) -> None:
        self._refused = ""
        self.daemon.change(setup)
        for sentence in waiting:
            log.warning("needs a restart", setting=sentence)
        log.info("configuration is read again", agents=",".join(sorted(setup.settings.agents)))

    def _refuse(self, error: Exception) -> None:
        faults = error.faults if isinstance(error, ConfigError) else [fault_of(error)]
        for fault in faults:
            log.error("configuration refused, the old one stays", fault=fault)
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        self._refused = faults[0][:MOST_OF_A_FAULT] + more

    async def _leave_outcome(self, began_ns: int, is_code: bool, waiting: list[str]) -> None:
        """Tell whoever asked by `bridge reload`; on a full disk nobody."""
        seen = self.daemon.vitals()
        outcome = Outcome(began_ns, is_code, self._refused, waiting, seen.generation, seen.retiring_calls)
        folder = self.daemon.current.setup.settings.data_folder
        with suppress(OSError):
            await trio.to_thread.run_sync(write_outcome, folder, outcome)

    # ------------------------------------------------------------ draining

    async def drain(self, signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        """Take no more calls and let the live ones end; say every five seconds which are left."""
        self.daemon.switchboard.refuse_calls()
        until = trio.current_time() + self.daemon.current.setup.settings.server.drain_seconds
        await self._report(until)
        async with trio.open_nursery() as watching:
            watching.start_soon(_end_at_second_signal, signals, scope)
            watching.start_soon(self._keep_reporting, until, name="draining")
            await self.daemon.drain()
            watching.cancel_scope.cancel(reason="drained")
        log.info("drained", live=self.daemon.switchboard.live)

    async def _keep_reporting(self, until: float) -> None:
        while True:
            await trio.sleep(REPORT_SECONDS)
            await self._report(until)

    async def _report(self, until: float) -> None:
        ages = self.daemon.switchboard.ages
        left = max(0, round(until - trio.current_time()))
        log.info("draining", live=len(ages), seconds_left=left, calls=named(ages))
        await self.notifier.tell(STOPPING=1, STATUS=self._tell(), EXTEND_TIMEOUT_USEC=EXTENSION_USEC)


def named(ages: list[tuple[str, int]]) -> str:
    """Return calls and how old they are, the first of them by name."""
    words = [f"{call_id} ({seconds} s)" for call_id, seconds in ages[:MOST_NAMED]]
    if len(ages) > MOST_NAMED:
        words.append(f"and {len(ages) - MOST_NAMED} more")
    return ", ".join(words)


async def _end_at_second_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    while await anext(signals) in RELOADS:
        log.warning("draining: nothing is read again")
    log.warning("second signal: ending at once")
    scope.cancel(reason="second signal")


def _on_a_terminal() -> bool:
    """Say whether somebody can see our log; false again once their terminal is gone."""
    return sys.stderr.isatty()


def _log_nowhere() -> None:
    """Let the log go where nobody reads it: writing to a terminal that is gone would fail, and that end the calls."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
