"""Runs of the lab beside the daemon: one at a time, each a process of its own whose lines are kept and told."""

import os
import signal
import subprocess
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
import trio
from attrs import define, field

from bridge.console.app import Begin
from bridge.console.lab.jobs import Job
from bridge.errors import in_words
from bridge.machine import child

MOST_LINES: Final = 400
MOST_CHARACTERS: Final = 500
"""Of a line; of more lines the last ones are kept."""

MOST_RUNS: Final = 20
"""That are remembered; what they wrote is in the reports' folder."""

LEAVE_SECONDS: Final = 5.0
"""What a run may take to hang up its calls when it is stopped; then it is killed."""

MEANING: Final = {0: "done", 1: "done: something differs, or got worse"}
log = structlog.get_logger(__name__)


@define(eq=False)
class Run:
    """One run, and what it said."""

    number: int
    job: Job
    who: str
    begun: datetime
    lines: deque[str] = field(factory=lambda: deque(maxlen=MOST_LINES))
    status: str = "running"
    is_over: trio.Event = field(factory=trio.Event)
    version: int = 0
    """Grows with whatever becomes of it."""
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _rest: str = ""

    def heard(self, data: bytes | bytearray) -> None:
        """Take in what it wrote."""
        *lines, rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        self._rest = rest[-MOST_CHARACTERS:]
        self.lines.extend(line[:MOST_CHARACTERS] for line in lines)
        self.version += bool(lines)

    def stop(self) -> None:
        """Have it end: it says when it has."""
        if not self.is_over.is_set():
            self.status = "stopped"
            self._scope.cancel()

    async def carry(self, folder: Path) -> None:
        """Run it to its end."""
        try:
            with self._scope:
                self.status = await self._carried(folder)
        except OSError as error:
            self.status = f"it can't be started: {in_words(error)}"
        finally:
            self.status = "stopped" if self.status == "running" else self.status
            self.version += 1
            self.is_over.set()
            log.info("a run of the lab is over", run=self.job.title, status=self.status)

    async def _carried(self, folder: Path) -> str:
        command = child("bridge.console.lab.aside", *self.job.arguments)
        process = await trio.lowlevel.open_process(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async for data in process.stdout:
                self.heard(data)
            self.heard(b"\n" if self._rest else b"")
            code = await process.wait()
        finally:
            await _ended(process)
        return MEANING.get(code, f"ended with status {code}")


async def _ended(process: trio.Process) -> None:
    """Have a process and its children leave as if somebody had pressed Ctrl-C, or kill them."""
    with trio.CancelScope(shield=True):  # whoever rings for a comparison hangs up first
        if process.returncode is None:
            _signal(process, signal.SIGINT)
            with trio.move_on_after(LEAVE_SECONDS):
                await process.wait()
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: trio.Process, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@define(eq=False)
class Runs:
    """All runs since the daemon began: one at a time."""

    folder: Path
    """Where they are run: paths in plans, and `config.toml`, are looked for here."""
    begin: Begin
    _runs: dict[int, Run] = field(factory=dict)
    _count: int = 0

    @property
    def all(self) -> list[Run]:
        """Return them, the last one first."""
        return list(reversed(self._runs.values()))

    @property
    def current(self) -> Run | None:
        """Return the one that goes on."""
        return next((one for one in self._runs.values() if not one.is_over.is_set()), None)

    def get(self, number: int) -> Run | None:
        """Return the run of a number."""
        return self._runs.get(number)

    def start(self, job: Job, who: str) -> Run | None:
        """Begin a run; None while another goes on."""
        if self.current is not None:
            return None
        self._count += 1
        run = self._runs[self._count] = Run(self._count, job, who, datetime.now(UTC))
        if len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        log.info("a run of the lab begins", run=job.title, who=who)
        self.begin(run.carry, self.folder)
        return run
