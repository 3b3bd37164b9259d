"""Three hosts behind a balancer, calls through it, and hosts that are killed in between: who hears what, what is kept.

The balancer is Debian's haproxy with the file of `deploy/`, each host a daemon in a process of its own, the phone and
the model are the stand-ins. A host is killed with SIGKILL, is away for a while, and is started anew in the same folder.
Afterwards every call that had a stream must have one row with a stream and one tape, over all hosts; every caller must
have heard something within 5 s, after the ring and after the kill (words by TwiML count); and each call that no kill
met must have the rows that the same call has on one host alone.

    uv run python -m bench.fleet                       300 calls, six kills: about four minutes
    uv run python -m bench.fleet --calls 60 --kills 2
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import click
import trio
from attrs import define, field, frozen
from rich.console import Console
from rich.table import Table

from bench.process import Launch, Running, a_process
from bench.stage import AGENT, GREETING, QUICK_TOWN, WEBHOOK
from bridge.store.database import KEPT, Store
from replay.phone.report import CallReport
from replay.phone.ring import Caller, ring
from replay.phone.script import HangUp, Wait, WaitForAgent

NAMES: Final = ("one", "two", "three")
BALANCER: Final = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"
HEARD_SECONDS: Final = 5.0
AWAY_SECONDS: Final = 3.0
"""How long a host is gone: longer than the balancer needs to see it, shorter than another host does."""


@frozen
class Plan:
    """How many calls, how many of them at once, and how often a host is killed meanwhile."""

    calls: int = 300
    at_once: int = 8
    kills: int = 6
    seed: int = 1


@define
class Heard:
    """One call as its caller lived through it; times are seconds since the ring."""

    report: CallReport
    host: str = ""
    """Which host its last stream was on."""
    began: float | None = None
    """When there was something to hear for the first time."""
    silent_since: float | None = None
    """When its stream broke, and nothing was heard since."""
    longest_silence: float = 0.0
    was_killed: bool = False

    def hears(self, at: float) -> None:
        """Something is heard."""
        self.began = at if self.began is None else self.began
        if self.silent_since is not None:
            self.longest_silence = max(self.longest_silence, at - self.silent_since)
            self.silent_since = None


@define(eq=False)
class Host:
    """One host: where it is, and the daemon that runs there now, if one does."""

    name: str
    folder: Path
    port: int
    others: str
    running: Running | None = None
    is_over: bool = False
    lives: int = 0
    _up: trio.Event = field(factory=trio.Event)
    _ends: trio.Event = field(factory=trio.Event)

    @property
    def launch(self) -> Launch:
        """Return how its daemon is started."""
        server = {
            "bind": f"127.0.0.1:{self.port}", "host_url": f"https://{self.name}.example.com", "max_calls": 1000,
            "waiting_calls": 1000, "calls_per_caller": 0, "max_lag_ms": 0, "max_busy_percent": 0,
        }  # fmt: skip
        admin = f'[admin]\nbind = "unix:{self.folder}/admin.sock"\n'
        return Launch(server, agents=f"{admin}{self.others}[agents.{AGENT}]\n")

    async def live(self) -> None:
        """Run a daemon here, and another one some time after it was killed, until it is over."""
        while not self.is_over:
            async with a_process(self.folder, GREETING, self.launch) as self.running:
                self.lives += 1
                self._up.set()
                await self._ends.wait()
                self.running.signal(signal.SIGTERM if self.is_over else signal.SIGKILL)
                await self.running.process.wait()
            self.running, self._up, self._ends = None, trio.Event(), trio.Event()
            if not self.is_over:
                await trio.sleep(AWAY_SECONDS)

    async def wait_up(self) -> None:
        """Return when its daemon answers."""
        await self._up.wait()

    def end(self, *, for_good: bool) -> None:
        """End its daemon: kill it, or ask it."""
        self.is_over = for_good
        self._ends.set()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of one of its tables."""
        store = Store(self.folder / "data" / "calls.duckdb")
        return store.query(f"select * from {table}") if store.path.exists() else []

    @property
    def tapes(self) -> list[str]:
        """Return the call of every tape here."""
        return [path.name.partition(".")[0] for path in (self.folder / "data" / "tapes").rglob("*.jsonl*")]


@define(eq=False)
class Trial:
    """The calls of one run, and the hosts that it goes over."""

    plan: Plan
    hosts: list[Host]
    balancer: int
    heard: list[Heard] = field(factory=list)
    killed: list[str] = field(factory=list)

    async def run(self) -> None:
        """Ring all calls, so many at once, and kill hosts evenly in between."""
        places, done = trio.CapacityLimiter(self.plan.at_once), 0
        kills = {self.plan.calls * n // (self.plan.kills + 1) for n in range(1, self.plan.kills + 1)}
        random = Random(self.plan.seed)
        async with trio.open_nursery() as nursery:
            for number in range(self.plan.calls):
                await places.acquire_on_behalf_of(number)
                nursery.start_soon(self._one, number, random.randrange(1200, 2500), places)
                done += 1
                if done in kills:
                    nursery.start_soon(self._kill, self.hosts[len(self.killed) % len(self.hosts)])

    async def _kill(self, host: Host) -> None:
        """Kill a host when it has calls, and those that it has are known."""
        await host.wait_up()
        self.killed.append(host.name)
        for call in self.heard:
            call.was_killed |= call.host == host.name and call.report.ended_by is None
        host.end(for_good=False)

    async def _one(self, number: int, stays_ms: int, places: trio.CapacityLimiter) -> None:
        try:
            await self._ring(number, stays_ms)
        finally:
            places.release_on_behalf_of(number)

    async def _ring(self, number: int, stays_ms: int) -> None:
        rang, call = trio.current_time(), Heard(CallReport(call_sid=""))

        def tell(kind: str, detail: dict[str, Any], _: int) -> None:
            at = trio.current_time() - rang
            if kind == "upgrade":
                call.host = str(detail.get("url", "")).removeprefix("wss://").partition(".")[0]
            if kind in ("agent_heard", "twilio_says"):
                call.hears(at)
            elif kind in ("closed", "stream_lost") and call.silent_since is None:
                call.silent_since = at

        self.heard.append(call)
        caller = Caller(steps=(WaitForAgent(), Wait(stays_ms), HangUp()), answer_delay_ms=0, patience_ms=8000)
        call.report = await ring(
            caller,
            webhook=WEBHOOK,
            via=f"http://127.0.0.1:{self.balancer}",
            vias={f"{host.name}.example.com": f"http://127.0.0.1:{host.port}" for host in self.hosts},
            call_sid=f"CA{self.plan.seed:08x}{number:024x}",
            fallback=WEBHOOK,
            town=QUICK_TOWN,
            total_ms=30_000,
            on_event=tell,
        )
        if call.report.ended_by == "caller":
            call.silent_since = None  # nobody is there any more to hear anything


# ---------------------------------------------------------------- what came of it

VARIES: Final = ("_ms", "_id", "_sid", "_at", "tape", "position", "from_number", "data", "text", "counts")
"""How the names of columns end whose values are another call's, or another moment's."""


def shapes(hosts: list[Host]) -> dict[str, set[str]]:
    """Return what the tables say of each call, without what is never the same twice."""
    found = dict[str, set[str]]()
    for host in hosts:
        for table in KEPT:
            for row in host.rows(table):
                same = {name: value for name, value in row.items() if not name.endswith(VARIES)}
                found.setdefault(row["call_id"], set()).add(f"{table} {sorted(same.items())}")
    return found


@frozen
class Found:
    """What is kept of the calls of a run, over all its hosts."""

    streams: Counter[str]
    """Rows with a stream, by call."""
    rows: Counter[str]
    tapes: Counter[str]
    shapes: dict[str, set[str]]

    @classmethod
    def of(cls, hosts: list[Host]) -> "Found":
        """Look at every host's database and tapes."""
        rows = [row for host in hosts for row in host.rows("calls")]
        streams = Counter(row["call_id"] for row in rows if row["stream_started_ms"] is not None)
        tapes = Counter(call for host in hosts for call in host.tapes)
        return cls(streams, Counter(row["call_id"] for row in rows), tapes, shapes(hosts))


def faults_of(trial: Trial, found: Found, alone: set[str]) -> list[str]:
    """Return a sentence for each thing that is not as it should be; `alone` is what one host's tables say."""
    faults = list[str]()
    for call in trial.heard:
        sid, kind = call.report.call_sid, "a call that a kill met" if call.was_killed else "a call"
        if call.began is None or call.began > HEARD_SECONDS:
            faults.append(
                f"{sid}: {kind} whose caller heard nothing in {HEARD_SECONDS:g} s: {call.report.error}"
            )
        if call.longest_silence > HEARD_SECONDS or call.silent_since is not None:
            faults.append(f"{sid}: {kind} whose caller heard nothing any more when the stream was gone")
        if call.report.stream_sids and (found.streams[sid], found.tapes[sid]) != (1, found.rows[sid]):
            faults.append(
                f"{sid}: {kind} with {found.streams[sid]} rows of a stream, {found.tapes[sid]} tapes"
            )
        if not call.was_killed and (other := found.shapes.get(sid, set()) - alone):
            faults.append(f"{sid}: {kind} whose rows no call on one host has: {next(iter(other))[:300]}")
    return faults


def report(trial: Trial, found: Found, faults: list[str]) -> Table:
    """Return what is told at the end."""
    met = [call for call in trial.heard if call.was_killed]
    passed_on = sum(len(call.report.verbs_before) > 1 for call in trial.heard)
    began = sorted(float("inf") if call.began is None else call.began for call in trial.heard)
    broken = sorted(call.longest_silence for call in trial.heard if call.longest_silence)
    table = Table("", "found", title=f"{trial.plan.calls} calls over {len(trial.hosts)} hosts")
    said = {
        "hosts killed": ", ".join(trial.killed) or "none",
        "calls with a stream": sum(bool(call.report.stream_sids) for call in trial.heard),
        "calls that a kill met": len(met),
        "calls led to another host by a redirect": passed_on,
        "first sound after the ring, median and worst": f"{began[len(began) // 2]:.2f} s, {began[-1]:.2f} s",
        "silence after a stream broke, worst": f"{broken[-1]:.2f} s" if broken else "none broke",
        "rows with a stream": found.streams.total(),
        "rows of callers who never came": found.rows.total() - found.streams.total(),
        "tapes": found.tapes.total(),
        "faults": len(faults),
    }  # fmt: skip
    for name, value in said.items():
        table.add_row(name, str(value))
    return table


# ---------------------------------------------------------------- running it


def free_port() -> int:
    """Return a port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def hosts_in(folder: Path, names: tuple[str, ...]) -> list[Host]:
    """Return so many hosts that know each other."""
    hosts = "".join(f'{name} = "https://{name}.example.com"\n' for name in names)
    admin = "".join(f'{name} = "unix:{folder}/{name}/admin.sock"\n' for name in names)
    others = f"[fleet.hosts]\n{hosts}[fleet.admin]\n{admin}" if len(names) > 1 else ""
    for name in names:
        (folder / name).mkdir()
    return [Host(name, folder / name, free_port(), others) for name in names]


async def is_open(port: int) -> bool:
    """Say whether somebody listens there, after a moment."""
    await trio.sleep(0.05)
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port):
            return True
    except OSError:
        return False


@asynccontextmanager
async def balancing(hosts: list[Host]) -> AsyncIterator[int]:
    """Run haproxy before these hosts, and return its port."""
    port = free_port()
    known = {"BALANCER_BIND": f"127.0.0.1:{port}"}
    for host in hosts:
        known[f"BRIDGE_{host.name.upper()}"] = f"127.0.0.1:{host.port}"
        known[f"HOST_{host.name.upper()}"] = f"{host.name}.example.com"
    command = ["haproxy", "-db", "-f", str(BALANCER)]
    process = await trio.lowlevel.open_process(
        command, env={**os.environ, **known}, stderr=subprocess.DEVNULL
    )
    try:
        while not await is_open(port):
            assert process.returncode is None, "haproxy has ended: run it by hand, it says why"
        yield port
    finally:
        process.terminate()
        await process.wait()


async def go_over(folder: Path, plan: Plan, names: tuple[str, ...]) -> tuple[Trial, Found]:
    """Run the calls over these hosts; one alone needs no balancer."""
    hosts = hosts_in(folder, names)
    async with AsyncExitStack() as around, trio.open_nursery() as nursery:
        balancer = hosts[0].port if len(hosts) == 1 else await around.enter_async_context(balancing(hosts))
        for host in hosts:
            nursery.start_soon(host.live, name=f"host {host.name}")
        for host in hosts:
            await host.wait_up()
        trial = Trial(plan, hosts, balancer)
        await trial.run()
        for host in hosts:
            await host.wait_up()
            host.end(for_good=True)
    return trial, Found.of(hosts)


@click.command()
@click.option("--calls", default=300, show_default=True)
@click.option("--at-once", default=8, show_default=True)
@click.option("--kills", default=6, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(calls: int, at_once: int, kills: int, seed: int) -> None:
    """Ring calls over three hosts, and kill some meanwhile. Exit 1 when anybody heard nothing, or a record is wrong."""
    if shutil.which("haproxy") is None:
        raise click.ClickException("haproxy is not here: apt-get install haproxy")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        (alone := Path(folder) / "alone").mkdir()
        (fleet := Path(folder) / "fleet").mkdir()
        few = Plan(max(10, calls // 10), at_once, 0, seed + 1)
        _, on_one = trio.run(go_over, alone, few, NAMES[:1])
        trial, found = trio.run(go_over, fleet, Plan(calls, at_once, kills, seed), NAMES)
    faults = faults_of(trial, found, set[str]().union(*on_one.shapes.values()))
    Console().print(report(trial, found, faults))
    for fault in faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
