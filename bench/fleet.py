"""Three hosts behind a balancer, calls through it, and hosts that are killed in between: who hears what, what is kept.

The balancer is Debian's haproxy with the file of `deploy/`, each host a daemon in a process of its own, the phone and
the model are the stand-ins. A host is killed with SIGKILL, is away for a while, and is started anew in the same folder.
Afterwards every call that had a stream must have one row with a stream and one tape, over all hosts; every caller must
have heard something within 5 s, after the ring and after the kill (words by TwiML count); and each call that no kill
met must have the rows, words included, that the same story has on one host alone. Where there is a lake, it must have
each call once, with those rows.

    uv run python -m bench.fleet                       300 calls, six kills: about four minutes
    uv run python -m bench.fleet --calls 60 --kills 2
    uv run python -m bench.fleet --lake 'postgres://bridge@/lake?host=/run/postgresql'   an empty database
"""

import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import click
import trio
from attrs import define, field, frozen
from rich.console import Console
from rich.table import Table

from bench.fleet_hosts import Host, balancing, hosts_in
from bench.fleet_records import Found, Shape, unlike
from bench.stage import QUICK_TOWN, WEBHOOK, speech
from bridge.lake.opening import LakePlace
from replay.phone.instructions.verbs import Redirect
from replay.phone.report import CallReport
from replay.phone.ring import Caller, ring
from replay.phone.script import HangUp, Wait, WaitForAgent, WaitForQuiet

NAMES: Final = ("one", "two", "three")
HEARD_SECONDS: Final = 5.0

SETTLE_SECONDS: Final = 90.0
"""How long hosts may take, after the last call, to close tapes that were cut off and to index everything."""

STORY: Final = (WaitForQuiet(), speech("caller_no"), WaitForAgent())

LISTENS_MS: Final = (1600, 2900)
"""How long a caller listens to the answer, which takes 1340: all of it is heard."""


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
class Trial:
    """The calls of one run, and the hosts that it goes over."""

    plan: Plan
    hosts: list[Host]
    balancer: int
    heard: list[Heard] = field(factory=list)
    killed: list[str] = field(factory=list)
    settled_seconds: float = 0.0
    """How long the hosts took until everything was on record, after the last call."""

    async def run(self) -> None:
        """Ring all calls, so many at once, and kill hosts evenly in between."""
        places, done = trio.CapacityLimiter(self.plan.at_once), 0
        kills = {self.plan.calls * n // (self.plan.kills + 1) for n in range(1, self.plan.kills + 1)}
        random = Random(self.plan.seed)
        async with trio.open_nursery() as nursery:
            for number in range(self.plan.calls):
                await places.acquire_on_behalf_of(number)
                nursery.start_soon(self._one, number, random.randrange(*LISTENS_MS), places)
                done += 1
                if done in kills:
                    nursery.start_soon(self._kill, self.hosts[len(self.killed) % len(self.hosts)])

    async def settle(self) -> None:
        """Wait until every host is there again and has all its calls on record, as long as they may take."""
        began = trio.current_time()
        for host in self.hosts:
            with trio.move_on_at(began + SETTLE_SECONDS):
                await host.wait_up()
                await host.wait_settled()
        self.settled_seconds = trio.current_time() - began
        for call in self.heard:
            call.was_killed |= any(call.report.call_sid in host.cut_off for host in self.hosts)

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
        caller = Caller(steps=(*STORY, Wait(stays_ms), HangUp()), answer_delay_ms=0, patience_ms=8000)
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


def faults_of(trial: Trial, found: Found, alone: set[Shape]) -> list[str]:
    """Return a sentence for each thing that is not as it should be; `alone` is what one host's tables say."""
    faults = list[str]()
    for call in trial.heard:
        name = f"{call.report.call_sid}: {'a call that a kill met' if call.was_killed else 'a call'}"
        faults += [f"{name} {fault}" for fault in (*unheard(call), *unkept(call, found, alone))]
    strangers = (found.in_lake or found.rows).keys() - {call.report.call_sid for call in trial.heard}
    return faults + [f"{call_id}: nobody rang" for call_id in sorted(strangers)]


def unheard(call: Heard) -> list[str]:
    """Return when its caller heard nothing for too long."""
    faults = list[str]()
    if call.began is None or call.began > HEARD_SECONDS:
        faults.append(f"whose caller heard nothing in {HEARD_SECONDS:g} s: {call.report.error}")
    if call.longest_silence > HEARD_SECONDS or call.silent_since is not None:
        faults.append("whose caller heard nothing any more when the stream was gone")
    return faults


def unkept(call: Heard, found: Found, alone: set[Shape]) -> list[str]:
    """Return what is wrong with the rows and tapes of a call."""
    sid, faults = call.report.call_sid, list[str]()
    if call.report.stream_sids:
        streams, rows, tapes = found.streams[sid], found.rows[sid], found.tapes[sid]
        # A kill takes what was not on the disk yet: that may be the stream of a call that has just begun.
        if tapes == 0 or rows != tapes or streams > 1 or (streams == 0 and not call.was_killed):
            faults.append(f"with {streams} rows of a stream, {rows} rows and {tapes} tapes")
        if found.lake is not None and found.in_lake[sid] != 1:
            faults.append(f"that the lake has {found.in_lake[sid]} times")
        elif found.lake is not None and sid in found.shapes and found.lake[sid] != found.shapes[sid]:
            faults.append(
                f"whose rows in the lake are others: {unlike(found.lake[sid], [found.shapes[sid]])[:600]}"
            )
    if not call.was_killed and (shape := found.shapes.get(sid)) and (others := unlike(shape, alone)):
        faults.append(f"whose rows no call on one host has: it {others[:600]}")
    return faults


def was_led_on(report: CallReport) -> bool:
    """Say whether the host that was asked first led the call to another."""
    return any(isinstance(verb, Redirect) for verb in report.verbs_before)


def report(trial: Trial, found: Found, faults: list[str]) -> Table:
    """Return what is told at the end."""
    met = [call for call in trial.heard if call.was_killed]
    passed_on = sum(was_led_on(call.report) for call in trial.heard)
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
        "calls in the lake": "no lake" if found.lake is None else found.in_lake.total(),
        "all on record after the last call": f"{trial.settled_seconds:.1f} s",
        "faults": len(faults),
    }  # fmt: skip
    for name, value in said.items():
        table.add_row(name, str(value))
    return table


# ---------------------------------------------------------------- running it


async def go_over(folder: Path, plan: Plan, names: tuple[str, ...], lake: str = "") -> tuple[Trial, Found]:
    """Run the calls over these hosts; one alone needs no balancer."""
    place = LakePlace(lake, str(folder / "lake"), "", {}) if lake else None
    hosts = hosts_in(folder, names, place)
    async with AsyncExitStack() as around, trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(host.live, name=f"host {host.name}")
        for host in hosts:
            await host.wait_up()
        # After them: a balancer that has found a host away takes a second to find it there.
        balancer = hosts[0].port if len(hosts) == 1 else await around.enter_async_context(balancing(hosts))
        trial = Trial(plan, hosts, balancer)
        await trial.run()
        await trial.settle()
        for host in hosts:
            host.end(for_good=True)
    return trial, await trio.to_thread.run_sync(Found.of, hosts, place)


@click.command()
@click.option("--calls", default=300, show_default=True)
@click.option("--at-once", default=8, show_default=True)
@click.option("--kills", default=6, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--lake", default="", help="The catalogue of an empty lake that the fleet sends to.")
def main(calls: int, at_once: int, kills: int, seed: int, lake: str) -> None:
    """Ring calls over three hosts, and kill some meanwhile. Exit 1 when anybody heard nothing, or a record is wrong."""
    if shutil.which("haproxy") is None:
        raise click.ClickException("haproxy is not here: apt-get install haproxy")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        for part in ("alone", "fleet"):
            (Path(name) / part).mkdir()
        few = Plan(max(10, calls // 10), at_once, 0, seed + 1)
        _, on_one = trio.run(go_over, Path(name) / "alone", few, NAMES[:1])
        trial, found = trio.run(go_over, Path(name) / "fleet", Plan(calls, at_once, kills, seed), NAMES, lake)
    faults = faults_of(trial, found, set(on_one.shapes.values()))
    Console().print(report(trial, found, faults))
    for fault in faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
