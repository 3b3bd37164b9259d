"""What a slow tool, a database in somebody else's hands and a slow disk do to a caller: nothing they could hear.

Prints a table and exits 1 when a reply had a hole, an interruption came late, or a record is missing.

    python bench/disturbances.py
"""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import click
import structlog
import trio
from attrs import frozen
from rich.console import Console
from rich.table import Table

from bench.stage import PROMPT, MakePlace, Place, Stage, open_stage, speech, words
from bridge.tapes.files import Write, append_to
from bridge.tools import Tool, tool
from replay.model.script import CallTool, Script
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, InterruptAfter, WaitForAgent, WaitForEnd

MOST_GAP_MS = 40
MOST_CLEAR_MS = 200
"""From the caller's first sound to the silence of the agent; most of it is the model's ear making up its mind."""

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
END = CallTool("hang_up", {"reason": "all said"})
HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@frozen
class Lengths:
    """How long the disturbances and the replies are; the short ones are for tests."""

    tool_seconds: float = 30
    hold_seconds: float = 20
    write_seconds: float = 2
    story: str = "agent_story"
    interrupt_ms: int = 6000
    second: str = "agent_hours"


SHORT = Lengths(6, 2, 0.5, story="agent_greeting", interrupt_ms=800, second="caller_no")
"""The tool answers well after the second reply: close behind it, its words would be a reply with a hole in it."""


@frozen
class Measured:
    """What one caller noticed, in ms, and how many calls of how many are on record."""

    name: str
    heard_ms: int
    largest_gap_ms: int
    clear_ms: int | None
    why: str
    rows: int
    calls: int

    @property
    def is_good(self) -> bool:
        """Say whether nobody could have noticed anything."""
        is_quick = self.clear_ms is not None and self.clear_ms <= MOST_CLEAR_MS
        return is_quick and self.largest_gap_ms <= MOST_GAP_MS and self.rows == self.calls


# ---------------------------------------------------------------- the disturbances


def slow_tool(seconds: float) -> Tool:
    """Return a tool that blocks its thread."""

    @tool(timeout_ms=round(seconds * 1000) + 10_000)
    def slow() -> str:
        """Look something up, slowly."""
        time.sleep(seconds)
        return "found"

    return slow


def slow_disk(seconds: float) -> Write:
    """Return a disk that takes so long for each write."""

    def write(path: Path, data: bytes) -> None:
        time.sleep(seconds)
        append_to(path, data)

    return write


@contextmanager
def _holder(database: Path) -> Iterator[None]:
    """Hold a database in another process."""
    command = [sys.executable, "-c", HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.communicate()


@asynccontextmanager
async def held_database(stage: Stage, database: Path, seconds: float) -> AsyncIterator[None]:
    """Hold the database while a call ends, for so long at least; what is inside happens meanwhile."""
    until = trio.current_time() + seconds
    holder = _holder(database)
    await trio.to_thread.run_sync(holder.__enter__)
    try:
        await stage.ring(QUICK)
        yield
        await trio.sleep_until(until)
    finally:
        with trio.CancelScope(shield=True):  # the other process must not outlive us
            await trio.to_thread.run_sync(holder.__exit__, None, None, None)


@asynccontextmanager
async def undisturbed(stage: Stage) -> AsyncIterator[None]:
    """Do nothing beside the call."""
    yield


# ---------------------------------------------------------------- the call

Beside = Callable[[Stage], AbstractAsyncContextManager[None]]


def script(lengths: Lengths, *, with_tool: bool) -> Script:
    """Return a conversation with a long reply to interrupt; the slow tool runs through most of it."""
    story, second = words(lengths.story), words(lengths.second)
    return Script(
        opening=(words("caller_yes"),),
        turns=((CallTool("slow"), story), (second,)) if with_tool else ((story,), (second, END)),
        answers=((words("caller_no"), END),),
        delivery=PROMPT,
    )


def caller(lengths: Lengths) -> Caller:
    """Return a caller who asks, interrupts the reply, and listens to the rest."""
    steps = (
        WaitForAgent(),
        speech("caller_yes"),
        InterruptAfter(lengths.interrupt_ms),
        speech("caller_stop"),
        WaitForEnd(90_000),
    )
    return Caller(steps=steps, answer_delay_ms=0)


async def measure(name: str, setup: Place, lengths: Lengths, beside: Beside = undisturbed) -> Measured:
    """Make one call while something is slow."""
    async with open_stage(setup) as stage:
        await stage.ring(QUICK)  # loads modules, starts threads
        await stage.wait_recorded()
        async with beside(stage):
            report = await stage.ring(caller(lengths))
        await stage.wait_recorded()
        calls = stage.model.connections
    rows = setup.calls()
    row = next(row for row in rows if row["call_id"] == report.call_sid)
    why = f"{row['ended_by']}: {row['why']}"
    gap = max(report.gaps_ms, default=0)
    return Measured(name, heard_ms(report), gap, clear_ms(report), why, len(rows), calls)


def heard_ms(report: CallReport) -> int:
    """Return how much of the agent the caller heard."""
    begun = [one.t_ms for one in report.events if one.kind == "agent_heard"]
    ended = [one.t_ms for one in report.events if one.kind in ("agent_quiet", "closed")]
    return sum(end - begin for begin, end in zip(begun, ended, strict=False))


def clear_ms(report: CallReport) -> int | None:
    """Return the time from the interruption's first word to the agent's silence."""
    said = [one.t_ms for one in report.events if one.kind == "caller_says"]
    cleared = [one.t_ms for one in report.events if one.kind == "clear"]
    return cleared[-1] - said[-1] if cleared and len(said) == 2 else None


async def measure_all(place: MakePlace, lengths: Lengths, *, at_once: bool = False) -> list[Measured]:
    """Measure a call without and with each disturbance; `place` makes a folder of its own for each."""
    plain = partial(place, script=script(lengths, with_tool=False))
    tooled = place(script=script(lengths, with_tool=True), tools={"slow": slow_tool(lengths.tool_seconds)})
    held = plain()
    hold = partial(held_database, database=held.store.path, seconds=lengths.hold_seconds)
    disk = plain(write=slow_disk(lengths.write_seconds))
    runs = [
        partial(measure, "nothing", plain(), lengths),
        partial(measure, f"a tool that blocks for {lengths.tool_seconds:g} s", tooled, lengths),
        partial(measure, f"the database held for {lengths.hold_seconds:g} s", held, lengths, hold),
        partial(measure, f"a disk with {lengths.write_seconds:g} s per write", disk, lengths),
    ]
    results: dict[int, Measured] = {}

    async def keep(number: int) -> None:
        results[number] = await runs[number]()

    async with trio.open_nursery() as nursery:
        for number in range(len(runs)):
            if at_once:
                nursery.start_soon(keep, number)
            else:
                await keep(number)
    return [results[number] for number in range(len(runs))]


def show(results: list[Measured]) -> None:
    """Print what the callers noticed."""
    heads = ("disturbance", "agent heard (ms)", "largest gap (ms)", "word to clear (ms)", "ended", "records")
    table = Table(*heads, box=None)
    for one in results:
        numbers = (str(one.heard_ms), str(one.largest_gap_ms), str(one.clear_ms))
        table.add_row(one.name, *numbers, one.why, f"{one.rows} of {one.calls}")
    Console(width=140).print(table)


@click.command()
@click.option("--short", is_flag=True, help="Short disturbances, as in the tests.")
def main(short: bool) -> None:
    """Disturb calls, and exit 1 when a caller could have noticed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:

        def place(**setup: object) -> Place:
            return Place(Path(tempfile.mkdtemp(dir=folder)), **setup)  # type: ignore[arg-type]

        results = trio.run(measure_all, place, SHORT if short else Lengths())
    show(results)
    sys.exit(0 if all(one.is_good for one in results) else 1)


if __name__ == "__main__":
    main()
