"""What it costs calls that somebody looks at them: with pages of the console open, and with none, in turns.

uv run --group load python -m bench.console_live                         50 calls, 5 pages, 10 pairs: in six minutes
uv run --group load python -m bench.console_live --pairs 2 --seconds 5   to see that it works

The daemon has a core of its own, and its indexer, which makes the pages, is on the same one; callers, model and whoever
reads the pages are on another. Both halves of a pair are of the same calls in the same daemon, who comes first changes
from pair to pair. Two pages are lists of all calls, the others show one call each, all with their streams of events;
at some of these, by default all three, somebody listens in.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import click
import uvloop
from attrs import evolve, frozen

from bench.load_figures import Level, Spread, median_of
from bench.load_run import Load, Plan, a_load
from bench.load_sides import ADMIN_SOCKET, Side
from bench.load_tables import machine, table, write
from bridge.machine import raise_file_limit

REPORT: Final = Path(__file__).with_name("console_live.md")
WITHOUT, WITH = "no page", "pages open"
OPEN_SECONDS: Final = 30
"""In which every page has to be there: the first asks for a process that has to be started."""

SETTLE_SECONDS: Final = 2.0
NOTHING: Final = (0, 0, 0, 0)
Looking: TypeAlias = tuple[int, int]
"""How many pages are open, and at how many of them somebody listens in."""


@frozen
class Half:
    """One half of a pair: what the calls came to, and what the indexer and the pages did meanwhile."""

    level: Level
    indexer_percent: float
    """Of a core."""
    events: int = 0
    kilobytes: float = 0.0
    heard_kilobytes: float = 0.0


@frozen
class Reader:
    """A process that has pages open."""

    process: "subprocess.Popen[str]"

    def told(self) -> tuple[int, ...]:
        """Wait for what it says next; return how many pages and ears are open, and the events, their bytes, and the
        bytes of sound that came until now."""
        assert self.process.stdout is not None
        numbers = self.process.stdout.readline().split()
        if len(numbers) != len(NOTHING):
            raise SystemExit("the pages can't be read")
        return tuple(map(int, numbers))


@asynccontextmanager
async def reading(load: Load, pages: int, listeners: int) -> AsyncIterator[Reader]:
    """Have so many pages open, and so many listen in, for as long as the context lasts."""
    command = [
        sys.executable,
        "-m",
        "bench.console_reader",
        str(load.loaded.folder / ADMIN_SOCKET),
        str(pages),
        str(listeners),
    ]
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    reader = Reader(process)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            while (await asyncio.to_thread(reader.told))[0] < pages + listeners:
                pass
        yield reader
    finally:
        process.kill()
        process.wait()


async def half(load: Load, name: str, seconds: float, reader: Reader | None = None) -> Half:
    """Watch the calls for some seconds."""
    await asyncio.sleep(SETTLE_SECONDS)
    before, told = load.loaded.usage(), await asyncio.to_thread(reader.told) if reader else NOTHING
    level = await load.watch(seconds)
    after, now = load.loaded.usage(), await asyncio.to_thread(reader.told) if reader else NOTHING
    indexer = 100 * (after.indexer_seconds - before.indexer_seconds) / level.seconds
    return Half(
        evolve(level, side=name), indexer, now[1] - told[1], *((now[n] - told[n]) / 1000 for n in (2, 3))
    )


async def pair(load: Load, looking: Looking, seconds: float, *, is_first: bool) -> tuple[Half, Half]:
    """Return both halves, without pages and with them; the pages come first or last."""
    if is_first:
        without = await half(load, WITHOUT, seconds)
    async with reading(load, *looking) as reader:
        seen = await half(load, WITH, seconds, reader)
    if not is_first:
        without = await half(load, WITHOUT, seconds)
    return without, seen


async def measured(
    calls: int, looking: Looking, pairs: int, plan: Plan, folder: Path
) -> list[tuple[Half, Half]]:
    """Return so many pairs of one daemon with so many calls; frames that never came are the last pair's."""
    async with a_load(Side("bridge", has_console=True), plan, folder) as load:
        await load.grow(calls)
        found = []
        for number in range(pairs):
            found.append(await pair(load, looking, plan.seconds, is_first=number % 2 == 0))
            print(said(found[-1:]), file=sys.stderr, flush=True)
        missing, _ = await load.end()
    without, last = found[-1]
    return [*found[:-1], (without, evolve(last, level=evolve(last.level, lost=last.level.lost + missing)))]


def said(pairs: list[tuple[Half, Half]]) -> str:
    """Return what the pages changed: each difference is of the two halves of a pair, and the median of all pairs'."""
    rows = {
        "CPU of the daemon, ms a call-second": [(a.level.cpu_ms, b.level.cpu_ms) for a, b in pairs],
        "speech → clear ms, p50": [(a.level.clears.p50, b.level.clears.p50) for a, b in pairs],
        "speech → clear ms, p99": [(a.level.clears.p99, b.level.clears.p99) for a, b in pairs],
        **_ways(pairs, "caller → model", "to_model"),
        **_ways(pairs, "model → caller", "to_phone"),
        "the indexer, % of a core": [(a.indexer_percent, b.indexer_percent) for a, b in pairs],
    }
    lines = [f"| | {WITHOUT} | {WITH} | difference, of pairs | of |", "|---|---:|---:|---:|---|"]
    for name, values in rows.items():
        apart = [seen - without for without, seen in values]
        first, second = (median(side) for side in zip(*values, strict=True))
        each = ", ".join(f"{one:+.2f}" for one in apart)
        lines.append(f"| {name} | {first:.2f} | {second:.2f} | **{median(apart):+.2f}** | {each} |")
    events = sum(seen.events for _, seen in pairs) / sum(seen.level.seconds for _, seen in pairs)
    kilobytes = sum(seen.kilobytes for _, seen in pairs) / sum(seen.level.seconds for _, seen in pairs)
    heard = sum(seen.heard_kilobytes for _, seen in pairs) / sum(seen.level.seconds for _, seen in pairs)
    told = f"All pages together were told {events:.1f} times a second, {kilobytes:.0f} kB, and heard {heard:.0f} kB."
    return "\n".join([*lines, "", told])


def _ways(pairs: list[tuple[Half, Half]], name: str, way: str) -> dict[str, list[tuple[float, float]]]:
    spreads: list[tuple[Spread, Spread]] = [(getattr(a.level, way), getattr(b.level, way)) for a, b in pairs]
    return {
        f"{name} ms, p99": [(a.p99, b.p99) for a, b in spreads],
        f"{name} ms, most": [(a.most, b.most) for a, b in spreads],
    }


@click.command()
@click.option("--calls", default=50, show_default=True)
@click.option("--pages", default=5, show_default=True)
@click.option("--listeners", default=3, show_default=True, help="Of those who look at one call.")
@click.option("--pairs", default=10, show_default=True)
@click.option("--seconds", default=15.0, show_default=True, help="Of each half of a pair.")
@click.option("--load-core", default=0, show_default=True, help="Of callers, model and pages.")
@click.option("--write", "writes", is_flag=True, help="Keep the table in bench/console_live.md.")
def main(
    calls: int, pages: int, listeners: int, pairs: int, seconds: float, load_core: int, writes: bool
) -> None:
    """Have calls carried with pages open and without, and say what differs. Exit 1 when a frame was lost."""
    raise_file_limit()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {load_core})
    plan, where = Plan((calls,), seconds, cores=str(cores[-1])), machine()
    with tempfile.TemporaryDirectory(prefix="bridge-console-") as folder:
        found = uvloop.run(measured(calls, (pages, listeners), pairs, plan, Path(folder)))
    halves = [side for one in found for side in one]
    medians = [median_of([one.level for one in halves if one.level.side == name]) for name in (WITHOUT, WITH)]
    text = f"{said(found)}\n\n{table(medians)}"
    title = f"{calls} calls, {pages} pages, {listeners} listeners, {pairs} pairs"
    print(f"\n{title}\n\n{text}")
    if writes:
        write(title, f"{where}.\n\n{text}", REPORT)
    sys.exit(0 if all(one.level.is_whole for one in halves) else 1)


if __name__ == "__main__":
    main()
