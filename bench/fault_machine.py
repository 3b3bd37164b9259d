"""Faults of the whole process and of its machine, while five calls are in five phases: what becomes of each of them."""

import errno
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, evolve, field, frozen

import bridge.calls.intake
from bench.disturbances import _holder
from bench.fault_calls import ASKS, GOODBYE, PHASES
from bench.fault_cells import Outcome, Records, words_after
from bench.process import Launch, Running, a_process
from bench.stage import AGENT, PROMPT, WEBHOOK, Place, Stage, open_stage, words
from bridge.store.database import Store
from bridge.tapes.files import append_to
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tools import Tool, tool
from replay.model.script import CallTool, Script
from replay.model.server import ModelServer
from replay.phone.ring import Caller, CallReport, ring
from replay.phone.script import HangUp, Step, Wait, WaitForAgent, WaitForEnd

LIMITS: Final = {"quiet_seconds": 20}
WORK_SECONDS: Final = 6.0
TOOL: Final = f"""
import time
from bridge.tools import tool

@tool(timeout_ms=20_000)
def work() -> str:
    \"\"\"Work for a while.\"\"\"
    time.sleep({WORK_SECONDS})
    return "done"
"""
GREETING: Final = PHASES["listening"].script
STAYS_SECONDS: Final = 6
QUICK: Final = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
Ring = Callable[..., Awaitable[CallReport]]
Hits = Callable[[], Awaitable[None]]


def _script(*turn: Any) -> Script:
    return evolve(GREETING, turns=(turn,) if turn else (), answers=((words("caller_no"),),))


SCRIPTS: Final = {
    "speaking": Script(opening=(words("agent_story"),), delivery=PROMPT),
    "listening": GREETING,
    "tool": _script(CallTool("work")),
    "closing": _script(*GOODBYE),
    "waiting": GREETING,
}


@define(eq=False)
class Company:
    """Five calls, each in a phase of its own when `hit` is called; then their callers wait a little and hang up."""

    ring: Ring
    model: ModelServer
    stays_seconds: float = STAYS_SECONDS
    reports: dict[str, CallReport] = field(factory=dict)
    _heard: dict[str, int] = field(factory=dict)
    _is_closing: trio.Event = field(factory=trio.Event)

    def steps(self, phase: str) -> tuple[Step, ...]:
        """Return what the caller of a phase does."""
        lead = ASKS if phase in ("tool", "closing") else (WaitForAgent(),)
        return (*lead, WaitForEnd(round(self.stays_seconds * 1000)), HangUp())

    async def meet(self, hit: Hits) -> None:
        """Begin the calls, let the fault hit all of them at the same moment, and return when they are over."""
        async with trio.open_nursery() as calls:
            for phase in SCRIPTS:
                calls.start_soon(self._call, phase)
                await self.model.wait_session(self._first + len(self._heard) + 1)
                self._heard[phase] = 0
            await self._is_closing.wait()
            await trio.sleep(0.3)
            await hit()

    _first: int = 0

    def number_from(self, sessions: int) -> None:
        """Say how many sessions the model has had before."""
        self._first = sessions

    async def _call(self, phase: str) -> None:
        delay = 8000 if phase == "waiting" else 0
        caller = Caller(steps=self.steps(phase), answer_delay_ms=delay, patience_ms=2000)
        self.reports[phase] = await self.ring(
            caller,
            webhook=WEBHOOK,
            call_sid=sid_of(phase),
            on_event=partial(self._see, phase),
            total_ms=60_000,
        )

    def _see(self, phase: str, kind: str, *_: Any) -> None:
        if kind == "agent_heard":
            self._heard[phase] = self._heard.get(phase, 0) + 1
            if phase == "closing" and self._heard[phase] == 2:
                self._is_closing.set()


def sid_of(phase: str) -> str:
    """Return the CallSid of a phase's call."""
    return f"CA{blake2b(phase.encode(), digest_size=16).hexdigest()}"


def players(first: int = 0) -> Callable[[str, int], Script]:
    """Return who plays: one script for each phase, in their order; a short greeting before and after."""
    scripts = dict(enumerate(SCRIPTS.values(), start=first + 1))
    return lambda model, number: scripts.get(number, GREETING)


# ---------------------------------------------------------------- in a process of its own


@frozen
class Kill:
    """A signal to the process, in the middle of five calls."""

    name: str
    expects: str
    number: int
    stops_seconds: float = 0.0
    measures_loss: bool = False

    async def run(self, folder: Path) -> list[Outcome]:
        """Send it, start the daemon again, and return what came of each call."""
        await trio.to_thread.run_sync(_with_tool, folder)
        limits = "\n".join(f"{key} = {value}" for key, value in LIMITS.items())
        agents = f'[agents.{AGENT}]\ntools = ["slow_tool:work"]\n[agents.{AGENT}.limits]\n{limits}\n'
        launch = Launch({"max_calls": 100, "calls_per_caller": 0}, agents=agents)
        async with a_process(folder, players(1), launch) as daemon:
            await ring(QUICK, webhook=WEBHOOK, via=daemon.via, call_sid=sid_of("before"))
            await trio.sleep(1)
            company = Company(partial(ring, via=daemon.via), daemon.model)
            company.number_from(1)
            await company.meet(partial(self._hit, daemon))
            if not self.stops_seconds:
                await daemon.process.wait()
            else:
                daemon.signal(signal.SIGTERM)
                await daemon.process.wait()
        async with a_process(folder, players(), launch) as daemon:
            await wait_rows(folder / "data", len(SCRIPTS) + 1)
            daemon.signal(signal.SIGTERM)
            await daemon.process.wait()
        return self._judge(folder / "data", company)

    async def _hit(self, daemon: Running) -> None:
        daemon.signal(self.number)
        if self.stops_seconds:
            await trio.sleep(self.stops_seconds)
            daemon.signal(signal.SIGCONT)

    def _judge(self, data: Path, company: Company) -> list[Outcome]:
        records = Records.of(data)
        before = records.look(Outcome(self.name, "over", "caller"), sid_of("before"))
        found = [evolve(before, heard="had hung up")]
        for phase, report in company.reports.items():
            outcome = records.look(Outcome(self.name, phase, self.expects), sid_of(phase))
            lost = lost_ms(data, report) if self.measures_loss else None
            found.append(evolve(outcome, heard=words_after(report), lost_ms=lost))
        return found


def _with_tool(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "slow_tool.py").write_text(TOOL)


def lost_ms(data: Path, report: CallReport) -> int:
    """Return how much of what the phone has sent is not on the tape; it noticed the end a frame or two late."""
    path = next(path for path in tapes_under(data / "tapes") if report.call_sid in path.name)
    taped = sum(b'"event":"media"' in line for line in read_tape(path).lines)
    return max(0, report.frames_sent - taped) * 20


async def wait_rows(data: Path, count: int, seconds: float = 10) -> None:
    """Return when the daemon has indexed so many calls, or hasn't for so many seconds."""
    with trio.move_on_after(seconds):
        while len(await trio.to_thread.run_sync(_rows, data)) < count:  # noqa: ASYNC110 - a database tells nobody
            await trio.sleep(0.2)


def _rows(data: Path) -> list[dict[str, Any]]:
    try:
        return Store(data / "calls.duckdb").query("select call_id from calls")
    except Exception:  # held by the daemon at this moment
        return []


KILLS: Final = (
    Kill("kill -9", "bridge", signal.SIGKILL, measures_loss=True),
    Kill("SIGTERM", "operator|tool", signal.SIGTERM),
    Kill("SIGSTOP for 5 s", "caller|tool", signal.SIGSTOP, stops_seconds=5),
)


# ---------------------------------------------------------------- of its machine


@define(eq=False)
class Disk:
    """A disk that can be full, or slow."""

    is_full: bool = False
    seconds: float = 0.0

    def write(self, path: Path, data: bytes) -> None:
        """Append, if there is room, in its own time."""
        time.sleep(self.seconds)
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        append_to(path, data)


Machine = Callable[[Stage, Disk], Any]
"""An asynchronous context: inside, something of the machine is broken; leaving it, it is whole again."""


@asynccontextmanager
async def full_disk(stage: Stage, disk: Disk) -> AsyncIterator[None]:
    """Let the disk be full."""
    disk.is_full = True
    yield
    disk.is_full = False


@asynccontextmanager
async def slow_disk(stage: Stage, disk: Disk) -> AsyncIterator[None]:
    """Let each write take a second."""
    disk.seconds = 1.0
    yield
    disk.seconds = 0.0


def _database(stage: Stage) -> Path:
    return stage.daemon.current.setup.settings.data_folder / "calls.duckdb"


@asynccontextmanager
async def locked_database(stage: Stage, disk: Disk) -> AsyncIterator[None]:
    """Let another process hold the database."""
    holder = _holder(_database(stage))
    await trio.to_thread.run_sync(holder.__enter__)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(holder.__exit__, None, None, None)


@asynccontextmanager
async def corrupted_database(stage: Stage, disk: Disk) -> AsyncIterator[None]:
    """Let the database be something else; `bridge reindex` makes it anew afterwards."""
    _database(stage).write_bytes(b"not a database" * 1000)
    yield


@asynccontextmanager
async def jumping_clock(stage: Stage, disk: Disk, *, by: timedelta) -> AsyncIterator[None]:
    """Let the wall clock be off."""
    real = datetime

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Jumped":
            """Return a time that is not."""
            return cls.fromtimestamp((real.now(tz) + by).timestamp(), tz)

    vars(bridge.calls.intake)["datetime"] = Jumped
    try:
        yield
    finally:
        vars(bridge.calls.intake)["datetime"] = real


class Nowhere(trio.abc.HostnameResolver):
    """Names that lead nowhere."""

    async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
        """Find nothing."""
        raise OSError(-3, "Temporary failure in name resolution")

    async def getnameinfo(self, *_: Any, **__: Any) -> Any:
        """Find nothing."""
        raise OSError(-3, "Temporary failure in name resolution")


@asynccontextmanager
async def no_names(stage: Stage, disk: Disk) -> AsyncIterator[None]:
    """Let no name be found."""
    trio.socket.set_custom_hostname_resolver(Nowhere())
    try:
        yield
    finally:
        trio.socket.set_custom_hostname_resolver(None)


@frozen
class Named(Place):
    """A place whose model has a name and not an address."""

    def tables(self, model_url: str) -> dict[str, Any]:
        """Return the configuration as its file would hold it."""
        return super().tables(model_url.replace("127.0.0.1", "localhost"))


@frozen
class Broken:
    """Something of the machine that breaks in the middle of five calls; a sixth call begins meanwhile."""

    name: str
    machine: Machine
    new_expects: str = "caller"
    reindexes: bool = False

    async def run(self, folder: Path) -> list[Outcome]:
        """Break it, mend it, and return what came of each call."""
        disk = Disk()
        setup = Named(
            folder,
            script=players(1),  # type: ignore[arg-type]
            limits=LIMITS,
            tools={"work": work_tool()},
            write=disk.write,
            server={"max_calls": 100},
        )
        async with open_stage(setup) as stage:
            await stage.ring(QUICK)  # makes the database, loads modules
            await stage.wait_recorded()
            company = Company(stage.ring, stage.model)
            company.number_from(1)
            await company.meet(partial(self._hit, stage, disk, company))
            if not self.reindexes:
                await stage.wait_recorded()
        if self.reindexes:
            setup.store.rebuild(setup.tapes, lambda: None)
        return self._judge(folder / "data", company)

    async def _hit(self, stage: Stage, disk: Disk, company: Company) -> None:
        async with self.machine(stage, disk):
            new = Caller(steps=(WaitForAgent(), Wait(500), HangUp()), answer_delay_ms=0, patience_ms=3000)
            company.reports["new"] = await stage.ring(new, call_sid=sid_of("new"), total_ms=20_000)
            while len(company.reports) < len(SCRIPTS) + 1:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.1)
            await trio.sleep(0.5)

    def _judge(self, data: Path, company: Company) -> list[Outcome]:
        records = Records.of(data)
        found = []
        for phase, report in company.reports.items():
            expects = {"new": self.new_expects, "closing": "tool|caller"}.get(phase, "caller")
            outcome = records.look(Outcome(self.name, phase, expects), sid_of(phase))
            is_fine = phase == "new" or report.error is None
            gap = max(report.gaps_ms, default=0)
            others = "" if is_fine and gap <= 40 else f"{report.error or ''} a hole of {gap} ms"
            note = "after `bridge reindex`" if self.reindexes else ""
            found.append(evolve(outcome, heard=words_after(report), others=others, note=note))
        return found


def work_tool() -> Tool:
    """Return a tool that works for a while."""

    @tool(timeout_ms=20_000)
    def work() -> str:
        """Work for a while."""
        time.sleep(WORK_SECONDS)
        return "done"

    return work


BROKEN: Final = (
    Broken("disk full", full_disk),
    Broken("disk slow: 1 s a write", slow_disk),
    Broken("DuckDB locked by another process", locked_database),
    Broken("DuckDB corrupted", corrupted_database, reindexes=True),
    Broken("clock jumps a day ahead", partial(jumping_clock, by=timedelta(days=1))),
    Broken("clock jumps a day back", partial(jumping_clock, by=-timedelta(days=1))),
    Broken("DNS gone", no_names, new_expects="model"),
)
