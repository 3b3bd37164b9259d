"""Calls that end in every way there is, in a row and at once: nothing of them may stay but one record each.

Prints a table and exits 1 when something stayed: a task, a file descriptor, a call, or a record too many or too few.

    python bench/endings.py --calls 300 --at-once 50
"""

import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import structlog
import trio
from attrs import define, evolve, field, frozen
from rich.console import Console
from rich.table import Table

from bench.stage import (
    GREETING,
    PROMPT,
    MakePlace,
    Place,
    Stage,
    living_tasks,
    open_files,
    open_stage,
    speech,
    words,
)
from replay.model.script import CallTool, Faults, Script
from replay.phone.ring import Caller
from replay.phone.script import (
    DropSocket,
    GoSilent,
    HangUp,
    Step,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
)

GONE_MS = 2000
"""How long after the end of its stream a call may still be there."""

SETTLE_SECONDS = 6
"""What the last connections, flushes and transactions may take."""

CALM_LOOKS = 15
"""At tasks and files, 20 ms apart: then nothing of the first call is still being closed."""

LIMITS = {
    "quiet_seconds": 2,
    "still_there_seconds": 0,  # the model of these calls says one word and no more
    "lost_media_ms": 600,
    "waiting_seconds": 1,
    "model_ready_ms": 600,
    "answer_timeout_ms": 500,
    "reconnects": 0,  # what follows a session or a stream that is lost would be no ending
    "stream_returns": 0,
}


@frozen
class Way:
    """One way to end a call: what the caller does, what goes wrong, and whom the record must name."""

    name: str
    by: str
    steps: tuple[Step, ...] = (WaitForAgent(), WaitForEnd())
    faults: Faults = Faults()
    setup: Callable[[Caller], Caller] = lambda caller: caller

    def caller(self) -> Caller:
        """Return a caller who ends a call this way."""
        return self.setup(Caller(steps=self.steps, answer_delay_ms=0, patience_ms=2000))


WAYS = (
    Way("caller hangs up", "caller", (WaitForAgent(), HangUp())),
    Way("caller hangs up at once", "caller", (HangUp(),)),
    Way("media socket is reset", "caller", (WaitForAgent(), DropSocket())),
    Way("media stops coming", "caller", (WaitForAgent(), GoSilent(), WaitForEnd())),
    Way("phone reads nothing", "caller", (WaitForAgent(), StopReading(), Wait(200), HangUp())),
    Way("agent hangs up", "tool", (WaitForAgent(), speech("caller_yes"), WaitForEnd())),
    Way("nobody speaks", "limit"),
    Way("stream has a wrong token", "caller", setup=lambda one: evolve(one, token_override="wrong")),
    Way("stream comes too late", "limit", setup=lambda one: evolve(one, answer_delay_ms=1300)),
    Way("model refuses the key", "model", faults=Faults(refuse="http_401")),
    Way("model refuses the session", "model", faults=Faults(refuse="model_not_found")),
    Way("model is never ready", "model", faults=Faults(never_update=True)),
    Way("model never answers", "model", faults=Faults(never_answer=True)),
    Way("model closes", "model", faults=Faults(close_after_ms=500)),
    Way("model is reset", "model", faults=Faults(drop_after_ms=500)),
)


@frozen
class Varied(Script):
    """A script whose faults go through all ways, one session after the other."""

    def faults_of(self, number: int) -> Faults:
        """Return the faults of session `number`, counted from 1."""
        return WAYS[(number - 1) % len(WAYS)].faults


SCRIPT = Varied(
    opening=GREETING.opening,
    turns=((words("caller_no"), CallTool("hang_up", {"reason": "all said"})),),
    delivery=PROMPT,
)


@define
class Result:
    """What came of a run; `faults` has one sentence for each thing that is not as it should be."""

    calls: int = 0
    rows: int = 0
    longest_gone_ms: dict[str, int] = field(factory=dict)
    endings: dict[str, Counter[str]] = field(factory=dict)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    ways: dict[str, Way] = field(factory=dict)
    faults: list[str] = field(factory=list)


async def check_many(place: MakePlace, *, in_a_row: int, at_once: int) -> Result:
    """Make so many calls, one after the other and then together, and look for what they left behind."""
    result = Result()
    setup = place(script=SCRIPT, limits=LIMITS, server={"max_calls": 1000})
    async with open_stage(setup) as stage:
        await _one(stage, result, WAYS[0])  # the first call also loads modules and starts threads
        result.before = await _settled(stage)
        for number in range(1, in_a_row):
            await _one(stage, result, WAYS[number % len(WAYS)])
        async with trio.open_nursery() as nursery:
            for number in range(at_once):
                nursery.start_soon(_ring, stage, result, WAYS[(in_a_row + number) % len(WAYS)])
        result.after = await _settled(stage, result.before)
    result.calls = in_a_row + at_once
    _judge(result, setup, in_a_row)
    return result


async def _one(stage: Stage, result: Result, way: Way) -> None:
    """Make one call and wait until it is gone."""
    closed_at = await _ring(stage, result, way)
    await stage.wait_no_calls()
    gone_ms = round((trio.current_time() - closed_at) * 1000)
    result.longest_gone_ms[way.name] = max(gone_ms, result.longest_gone_ms.get(way.name, 0))


async def _ring(stage: Stage, result: Result, way: Way) -> float:
    """Make one call; return when its stream ended, on trio's clock."""
    began = trio.current_time()
    report = await stage.ring(way.caller())
    result.ways[report.call_sid] = way
    return began + (report.closed_ms or report.now_ms()) / 1000


async def _settled(stage: Stage, wanted: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return how many tasks and files there are once they are as few as `wanted` or change no more."""
    calm, seen = 0, (living_tasks(), open_files())

    def is_busy() -> bool:
        return stage.open_sessions > 0 or (calm < CALM_LOOKS if wanted is None else is_more(seen, wanted))

    with trio.move_on_after(SETTLE_SECONDS):
        await stage.wait_recorded()
        while is_busy():
            await trio.sleep(0.02)
            before, seen = seen, (living_tasks(), open_files())
            calm = calm + 1 if seen == before else 0
    return living_tasks(), open_files()


def is_more(seen: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Say whether there are more tasks or more files than there should be."""
    return any(one > most for one, most in zip(seen, wanted, strict=True))


def _judge(result: Result, setup: Place, in_a_row: int) -> None:
    rows = setup.calls()
    result.rows = len(rows)
    for row in rows:
        way = result.ways.get(row["call_id"])
        name = way.name if way else "not one of ours"
        result.endings.setdefault(name, Counter())[f"{row['ended_by']}: {row['why']}"] += 1
    result.faults += [text for text in _complaints(result, setup) if text]
    for row in rows[:in_a_row]:  # those at once met the model in no order, so its faults hit others
        way = result.ways[row["call_id"]]
        if row["ended_by"] != way.by:
            result.faults.append(f"{way.name}: ended by {row['ended_by']} ({row['why']})")


def _complaints(result: Result, setup: Place) -> Sequence[str]:
    slow = [f"{name}: gone after {ms} ms" for name, ms in result.longest_gone_ms.items() if ms > GONE_MS]
    torn = [path.name for path in setup.tapes if not path.name.endswith(".jsonl.gz")]
    crashed = [text for counts in result.endings.values() for text in counts if "crashed" in text]
    return [
        *slow,
        *crashed,
        *(f"tape not complete: {name}" for name in torn),
        f"{result.rows} records of {result.calls} calls" if result.rows != result.calls else "",
        f"(tasks, files) were {result.before}, are {result.after}"
        if is_more(result.after, result.before)
        else "",
    ]


def show(result: Result, seconds: float) -> None:
    """Print what came of a run."""
    table = Table("way", "calls", "as recorded", "gone within (ms)", box=None)
    for way in WAYS:
        counts = result.endings.get(way.name, Counter())
        told = "; ".join(f"{text} x{count}" for text, count in counts.most_common(3))
        gone = str(result.longest_gone_ms.get(way.name, "-"))
        table.add_row(way.name, str(sum(counts.values())), told, gone)
    out = Console(width=150)
    out.print(table)
    out.print(
        f"{result.calls} calls, {result.rows} records, {seconds:.0f} s; "
        f"tasks {result.before[0]} -> {result.after[0]}, files {result.before[1]} -> {result.after[1]}"
    )
    for fault in result.faults:
        out.print(f"FAULT {fault}", style="red")


@click.command()
@click.option("--calls", default=300, show_default=True, help="Calls in a row.")
@click.option("--at-once", default=50, show_default=True, help="Calls at once, after those.")
def main(calls: int, at_once: int) -> None:
    """Make calls that end in every way, and exit 1 when anything of them stayed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    async def run() -> tuple[Result, float]:
        began = trio.current_time()
        with tempfile.TemporaryDirectory() as folder:

            def place(**setup: object) -> Place:
                return Place(Path(folder), **setup)  # type: ignore[arg-type]

            result = await check_many(place, in_a_row=calls, at_once=at_once)
        return result, trio.current_time() - began

    result, seconds = trio.run(run)
    show(result, seconds)
    sys.exit(1 if result.faults else 0)


if __name__ == "__main__":
    main()
