"""Months in an afternoon: thousands of short calls, then hours of long ones, twenty at once, in compressed time.

The daemon is a process of its own, with a clock that it shares with the stand-ins (`bench/shared_clock.py`); what goes
between them goes over real sockets. Prints a table and exits 1 when something grew or was lost: memory, tasks, files,
threads, a record, the end of a tape, a line that was shed, a call that ended otherwise than it should.

    uv run python bench/soak.py                          2 000 calls, then 8 hours: two hours on two quiet cores
    uv run python bench/soak.py --short                  the 2 000 calls alone
    uv run python bench/soak.py --calls 200 --hours 0.1  a look at it, in some minutes

What is measured goes into `figures.jsonl` of --out as it comes. Ctrl-C ends the hours early and judges what there is.
"""

import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import httpx2
import msgspec
import trio
from attrs import asdict, define, field, frozen
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import replay.model.server
from bench.endings import LIMITS, WAYS
from bench.endings import SCRIPT as SHORT
from bench.process import Launch, Running, a_process
from bench.shared_clock import SharedClock, in_real_time
from bench.stage import AGENT, PUBLIC, WEBHOOK
from bridge.errors import TapeError
from bridge.store.database import Store
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.model import script as model_script
from replay.model.script import CallTool, Script
from replay.phone.ring import Caller, CallReport, ring
from replay.phone.script import InterruptAfter, Say, Wait, WaitForQuiet
from replay.sound.clips import clip

WARM_UP: Final = 60
"""Short calls before anything is measured: four of each way to end. They load modules and start threads."""

GROWTH_PERCENT: Final = 2.0
SAMPLE_SECONDS: Final = 300
SETTLE_SECONDS: Final = 40
"""Simulated: what the last connections, flushes, transactions and goodbyes may take."""

REST_SECONDS: Final = 45
"""In real time: an idle thread of trio's goes after ten seconds, and the daemon's own rounds are thirty apart."""

ROUNDS: Final = 8
"""Of question, interruption, tool call and answer in one long call: about three minutes."""

MOST_GAP_MS: Final = 250
"""A hole in an answer that a caller may hear: twelve times compressed, 20 ms without a core."""

LONG_WAY: Final = "a long call"
LONG_AGENT: Final = "long"
RUN: Final = """
import functools, trio
from pathlib import Path
from bench.shared_clock import SharedClock
trio.run = functools.partial(trio.run, clock=SharedClock(Path({path!r}), slot=1, slots=2, rate={rate}))
from bridge.cli import main
main()
"""


# ---------------------------------------------------------------- what is said


def _agent(name: str) -> model_script.Say:
    return model_script.Say(clip(name).audio, clip(name).text)


def _caller(name: str) -> Say:
    return Say(clip(name).audio, clip(name).text)


def long_script() -> Script:
    """Return an agent that answers at length, is interrupted, calls a tool, and in the end hangs up."""
    table = {"day": "Friday", "people": 4, "time": "19:00"}
    turns = ((_agent("agent_hours"),), (_agent("agent_checking"), CallTool("check_table", table)))
    goodbye = (_agent("agent_goodbye"), CallTool("hang_up", {"reason": "all said"}))
    return Script(
        opening=(_agent("agent_greeting"),),
        turns=(*(turns * ROUNDS), goodbye),
        answers=((_agent("agent_table"),),) * ROUNDS,
        fallback=goodbye,
    )


def long_caller() -> Caller:
    """Return a caller who asks, interrupts, asks for a table, listens, and begins anew."""
    round_ = (
        _caller("caller_hours"),
        InterruptAfter(2000),
        _caller("caller_table"),
        WaitForQuiet(900),
        Wait(4000),
    )
    steps = (WaitForQuiet(400), *(round_ * ROUNDS), _caller("caller_thanks"))
    return Caller(steps=steps, answer_delay_ms=250, patience_ms=20_000)


@frozen
class Players:
    """Who plays: for the long calls one script, before them the short one that goes through all ways to end."""

    is_long: list[bool] = field(factory=lambda: [False])
    _long: Script = field(factory=long_script)

    def __call__(self, model: str, number: int) -> Script:
        """Return the script of the next session."""
        return self._long if self.is_long[0] else SHORT


# ---------------------------------------------------------------- what is measured


@frozen
class Sample:
    """The daemon at a moment: simulated seconds, calls made until then, kilobytes, and counts."""

    at: float
    calls: int
    live: int
    rss_kb: int
    pss_kb: int
    files: int
    threads: int
    tasks: int
    shed: int
    cpu_seconds: float
    indexer_kb: int = 0
    """Of the process with DuckDB, which goes by itself when there is nothing to index."""
    anonymous_kb: int = 0
    """Of the daemon's memory what no file backs: pages of files come and go with what else the machine does."""


def _kilobytes(text: str, name: str) -> int:
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:")))


async def _metrics(admin: Path) -> dict[str, float]:
    transport = httpx2.AsyncHTTPTransport(uds=str(admin))
    async with httpx2.AsyncClient(transport=transport, timeout=600, trust_env=False) as client:
        text = (await client.get("http://bridge/metrics")).text
    return {one.name: one.value for family in text_string_to_metric_families(text) for one in family.samples}


async def take_sample(pid: int, admin: Path, calls: int) -> Sample:
    """Look at the daemon from outside, and ask it for what only it knows."""
    seen, process = await _metrics(admin), Path(f"/proc/{pid}")
    rollup = (process / "smaps_rollup").read_text()
    times = (process / "stat").read_text().rpartition(") ")[2].split()
    return Sample(
        at=round(trio.current_time(), 1),
        calls=calls,
        live=int(seen["bridge_calls_live"]),
        rss_kb=_kilobytes(rollup, "Rss"),
        pss_kb=_kilobytes(rollup, "Pss"),
        files=len(list((process / "fd").iterdir())),
        threads=int(times[17]),
        tasks=int(seen["bridge_tasks"]),
        shed=int(seen["bridge_tape_lines_shed_total"]),
        cpu_seconds=(int(times[11]) + int(times[12])) / 100,
        indexer_kb=round(seen["bridge_indexer_memory_bytes"] / 1024),
        anonymous_kb=_kilobytes(rollup, "Anonymous"),
    )


# ---------------------------------------------------------------- the run


@frozen
class Plan:
    """How much of it."""

    calls: int = 2000
    in_a_row: int = 4
    hours: float = 8.0
    at_once: int = 20
    rate: float = 12.0


@define(eq=False)
class Soak:
    """A run, and what was seen of it."""

    plan: Plan
    out: Path
    samples: dict[str, list[Sample]] = field(factory=dict)
    endings: Counter[str] = field(factory=Counter)
    faults: list[str] = field(factory=list)
    odd: Counter[str] = field(factory=Counter)
    calls: int = 0
    long_calls: int = 0
    hours: float = 0.0
    real_seconds: float = 0.0
    gaps_ms: Counter[int] = field(factory=Counter)
    is_told_to_end: bool = False
    tell: Callable[[str, float, float], None] = field(default=lambda what, done, total: None)

    async def sample(self, running: Running, part: str) -> Sample:
        """Take a sample, and keep it."""
        return self.keep(part, await self.look(running))

    async def look(self, running: Running) -> Sample:
        """Take a sample."""
        return await take_sample(running.process.pid, self.out / "admin.sock", self.calls)

    def keep(self, part: str, sample: Sample) -> Sample:
        """Keep a sample, and write it down."""
        self.samples.setdefault(part, []).append(sample)
        with (self.out / "figures.jsonl").open("ab") as file:
            file.write(msgspec.json.encode({"part": part, **asdict(sample)}) + b"\n")
        return sample

    async def rest(self, running: Running, part: str) -> Sample:
        """Wait until nothing of the calls is left, and keep the sample with the fewest threads of a while."""
        await trio.sleep(SETTLE_SECONDS)
        while (await _metrics(self.out / "admin.sock"))["bridge_store_waiting_tapes"]:  # noqa: ASYNC110
            await trio.sleep(SETTLE_SECONDS)
        with in_real_time():
            looks = [await self.look(running)]
            until = time.perf_counter() + REST_SECONDS
            while not self._is_at_base(part, looks[-1]) and time.perf_counter() < until:
                await trio.sleep(3)
                looks.append(await self.look(running))
        return self.keep(part, min(looks, key=lambda look: (look.threads, look.files)))

    def _is_at_base(self, part: str, look: Sample) -> bool:
        base = self.samples.get(part)
        return base is not None and look.threads <= base[0].threads and look.files <= base[0].files

    def note(self, report: CallReport, way: str, expected: str) -> None:
        """Take account of a call that is over."""
        self.calls += 1
        self.endings[way] += 1
        gap = max(report.gaps_ms, default=0)
        self.gaps_ms[gap] += 1
        if report.error is not None:
            self.odd[f"{way}: {report.error}"] += 1
        if way == LONG_WAY and (report.closed_by != expected or report.missed or gap > MOST_GAP_MS):
            self.odd[f"{way}: closed by {report.closed_by}, missed {report.missed}, a hole of {gap} ms"] += 1


async def in_a_row(soak: Soak, running: Running, count: int, what: str) -> None:
    """Make so many short calls, in every way there is to end one, a few at a time."""
    numbers, done = iter(range(count)), [0]

    async def some() -> None:
        for number in numbers:
            way = WAYS[number % len(WAYS)]
            report = await ring(way.caller(), webhook=WEBHOOK, via=running.via, total_ms=60_000)
            soak.note(report, way.name, "")
            done[0] += 1
            soak.tell(what, done[0], count)

    async with trio.open_nursery() as nursery:
        for _ in range(soak.plan.in_a_row):
            nursery.start_soon(some)


async def for_hours(soak: Soak, running: Running) -> None:
    """Keep so many long calls going for so many simulated hours; each begins when another has ended."""
    plan, caller, began = soak.plan, long_caller(), trio.current_time()
    until, real = began + plan.hours * 3600, time.perf_counter()

    async def keep_calling(number: int) -> None:
        await trio.sleep(number * 173 / plan.at_once)  # callers don't come all at once
        while trio.current_time() < until and not soak.is_told_to_end:
            report = await ring(
                caller, webhook=f"{PUBLIC}/voice/{LONG_AGENT}", via=running.via, total_ms=600_000
            )
            soak.note(report, LONG_WAY, "bridge")
            soak.long_calls += 1

    async def keep_looking() -> None:
        while True:
            await trio.sleep(SAMPLE_SECONDS)
            await soak.sample(running, "hours")
            soak.tell("hours of long calls", trio.current_time() - began, plan.hours * 3600)

    async with trio.open_nursery() as looking:
        looking.start_soon(keep_looking)
        async with trio.open_nursery() as calling:
            for number in range(plan.at_once):
                calling.start_soon(keep_calling, number)
        looking.cancel_scope.cancel(reason="the hours are over")
    soak.real_seconds = time.perf_counter() - real
    soak.hours = (trio.current_time() - began) / 3600


async def run(soak: Soak, cast: Players, launch: Launch) -> None:
    """Run it all; on leaving the daemon has ended, and its records are judged."""
    replay.model.server.KEPT_SESSIONS = 2 * soak.plan.at_once + 10
    async with a_daemon(soak, cast, launch) as running:
        await in_a_row(soak, running, WARM_UP, "warming up")
        await soak.rest(running, "idle")
        half = soak.plan.calls // 2
        await in_a_row(soak, running, half, "first half of the short calls")
        await soak.rest(running, "idle")
        await in_a_row(soak, running, soak.plan.calls - half, "second half")
        await soak.rest(running, "idle")
        if soak.plan.hours:
            cast.is_long[0] = True
            await for_hours(soak, running)
            await soak.rest(running, "idle")
        running.signal()
        await running.process.wait()


@asynccontextmanager
async def a_daemon(soak: Soak, cast: Players, launch: Launch) -> AsyncIterator[Running]:
    """Run the daemon, and end the hours early at Ctrl-C."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as listening, a_process(soak.out, cast, launch) as running:

            async def listen() -> None:
                async for _ in signals:
                    soak.is_told_to_end = True

            listening.start_soon(listen)
            yield running
            listening.cancel_scope.cancel(reason="it is over")


def launch_of(plan: Plan, out: Path, clock: Path) -> Launch:
    """Return how the daemon is started."""
    limits = "\n".join(f"{key} = {value}" for key, value in LIMITS.items())
    return Launch(
        server={
            "max_calls": 1000,
            "waiting_calls": 1000,
            "calls_per_caller": 0,
            "max_lag_ms": 0,
            "max_busy_percent": 0,
        },
        agents=f"""
[admin]
bind = "unix:{out / "admin.sock"}"
[agents.{AGENT}.limits]
{limits}
[agents.{LONG_AGENT}]
tools = ["replay.callers.restaurant:check_table"]
""",
        run=RUN.format(path=str(clock), rate=plan.rate),
    )


# ---------------------------------------------------------------- the verdict


def growth_percent(before: int, after: int) -> float:
    """Return by how much something grew."""
    return (after / before - 1) * 100


def judge(soak: Soak) -> list[str]:
    """Return one sentence for each thing that is not as it should be."""
    idle = soak.samples["idle"]
    base, after_half, after_all = idle[0], idle[1], idle[2]
    grew = growth_percent(after_half.rss_kb, after_all.rss_kb)
    faults = [
        (f"memory grew by {grew:.1f} % over the second half of the calls", grew > GROWTH_PERCENT),
        (f"{idle[-1].shed} tape lines were shed", idle[-1].shed > 0),
    ]
    for name in ("tasks", "files", "threads"):
        counts = [getattr(sample, name) for sample in idle]
        faults.append((f"{name} at rest: {counts}", max(counts[1:]) > getattr(base, name)))
    faults += [(f"{times} x {what}", True) for what, times in soak.odd.items()]
    hours = soak.samples.get("hours", [])
    if len(hours) > 8:
        early, late = (
            _median_rss(hours[len(hours) // 4 : len(hours) // 2]),
            _median_rss(hours[-len(hours) // 4 :]),
        )
        grew = growth_percent(early, late)
        faults.append((f"memory grew by {grew:.1f} % over the later hours", grew > GROWTH_PERCENT))
    return [text for text, is_so in faults if is_so]


def _median_rss(samples: list[Sample]) -> int:
    return sorted(sample.rss_kb for sample in samples)[len(samples) // 2]


def judge_records(folder: Path, calls: int, tell: Callable[[str, float, float], None]) -> list[str]:
    """Read every record: one row and one tape for each call, each tape whole and ended once."""
    rows = Store(folder / "data" / "calls.duckdb").query("select call_id, why from calls")
    paths = tapes_under(folder / "data" / "tapes")
    faults = [
        (f"{len(rows)} rows of {calls} calls", len(rows) != calls),
        (f"{len(paths)} tapes of {calls} calls", len(paths) != calls),
    ]
    broken: Counter[str] = Counter()
    for number, path in enumerate(paths, start=1):
        if problem := _broken(path):
            broken[problem] += 1
        tell("reading every tape", number, len(paths))
    return [text for text, is_so in faults if is_so] + [f"{n} tapes: {what}" for what, n in broken.items()]


def _broken(path: Path) -> str:
    try:
        tape = read_tape(path)
        ends = sum(decode(line).end is not None for line in tape.lines if b'"end"' in line)
    except TapeError as error:
        return str(error)
    return "torn" if tape.is_torn else "" if ends == 1 else f"{ends} ends"


# ---------------------------------------------------------------- the report


def report(soak: Soak) -> Table:
    """Return the figures as a table."""
    table = Table(
        "",
        "calls",
        "RSS",
        "PSS",
        "indexer",
        "tasks",
        "files",
        "threads",
        "shed",
        title="the daemon, over time",
    )
    idle = soak.samples["idle"]
    names = ("warmed up", "after half of the short calls", "after all of them", "after the hours")
    for name, sample in zip(names, idle, strict=False):
        table.add_row(f"at rest, {name}", *_cells(sample))
    hours = soak.samples.get("hours", [])
    for sample in hours[:: max(1, len(hours) // 8)]:
        table.add_row(f"at {sample.at / 3600:.1f} h, {sample.live} calls live", *_cells(sample))
    return table


def _cells(sample: Sample) -> list[str]:
    sizes = [f"{kilobytes / 1024:.1f} MB" for kilobytes in (sample.rss_kb, sample.pss_kb, sample.indexer_kb)]
    return [str(sample.calls), *sizes, *map(str, (sample.tasks, sample.files, sample.threads, sample.shed))]


def figures(soak: Soak) -> dict[str, Any]:
    """Return the figures for machines."""
    hours, idle = soak.samples.get("hours", []), soak.samples["idle"]
    full = [sample for sample in hours if sample.live >= soak.plan.at_once]
    found: dict[str, Any] = {
        "short_calls": soak.calls - soak.long_calls,
        "long_calls": soak.long_calls,
        "simulated_hours": round(soak.hours, 2),
        "real_seconds": round(soak.real_seconds),
        "compression": round(soak.hours * 3600 / soak.real_seconds, 2) if soak.real_seconds else None,
        "growth_percent_of_the_second_half": round(growth_percent(idle[1].rss_kb, idle[2].rss_kb), 2),
        "daemon_mb": round(idle[0].rss_kb / 1024, 1),
        "indexer_mb": [round(sample.indexer_kb / 1024, 1) for sample in idle],
        "gaps_ms": dict(sorted(soak.gaps_ms.items())),
        "samples": {part: [asdict(sample) for sample in samples] for part, samples in soak.samples.items()},
        "faults": soak.faults,
    }
    if len(hours) > 1 and full:
        more = _median_rss(full) - idle[2].rss_kb
        first, last = hours[0], hours[-1]
        busy = (last.cpu_seconds - first.cpu_seconds) / (last.at - first.at) / soak.plan.at_once
        found |= {
            "mb_a_call": round(more / 1024 / soak.plan.at_once, 2),
            "cpu_percent_a_call": round(busy * 100, 2),
        }
    return found


@click.command()
@click.option("--calls", default=2000, show_default=True, help="Short calls, after 60 to warm up.")
@click.option("--in-a-row", default=4, show_default=True, help="How many of them at once.")
@click.option("--hours", default=8.0, show_default=True, help="Simulated hours of long calls.")
@click.option("--short", is_flag=True, help="No hours: the short calls alone.")
@click.option("--at-once", default=20, show_default=True, help="Long calls at once.")
@click.option("--rate", default=12.0, show_default=True, help="Simulated seconds in a real one, at most.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the daemon's data and the figures stay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(
    calls: int,
    in_a_row: int,
    hours: float,
    short: bool,
    at_once: int,
    rate: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Soak a daemon: short calls, then hours of long ones. Exit 1 when anything grew or was lost."""
    plan = Plan(calls, in_a_row, 0.0 if short else hours, at_once, rate)
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True)) as progress:
        soak = Soak(plan, out or Path(folder))
        soak.tell = _teller(progress)
        _soak(soak)
        soak.faults += judge(soak) + judge_records(soak.out, soak.calls, soak.tell)
    found = figures(soak)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        Console(width=140).print(report(soak))
        for name, value in found.items():
            if name not in ("samples", "faults"):
                print(f"{name.replace('_', ' ')}: {value}")
    for fault in soak.faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    sys.exit(1 if soak.faults else 0)


def _soak(soak: Soak) -> None:
    soak.out.mkdir(parents=True, exist_ok=True)
    path, cast = soak.out / "clock", Players()
    SharedClock.make(path, slots=2)
    clock = SharedClock(path, slot=0, slots=2, rate=soak.plan.rate)
    trio.run(partial(run, soak, cast, launch_of(soak.plan, soak.out, path)), clock=clock)


def _teller(progress: Progress) -> Callable[[str, float, float], None]:
    tasks: dict[str, Any] = {}

    def tell(what: str, done: float, total: float) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done)

    return tell


if __name__ == "__main__":
    main()
