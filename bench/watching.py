"""What being watched costs: nothing while audio moves, some microseconds elsewhere. Prints a table.

python bench/watching.py --calls 20
"""

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import structlog
import trio
from attrs import define
from prometheus_client import generate_latest
from rich.console import Console
from rich.table import Table

from bench.stage import Place, open_stage
from bridge.calls.legs.leg import Leg
from bridge.calls.live_call import LiveCall
from bridge.observe.metrics import Metrics
from bridge.observe.snapshot import Peaks, Snapshot
from bridge.observe.tracing import finished_spans
from bridge.store.records import Records, records_of
from bridge.tapes.reader import read_tape
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import decode
from replay.phone.ring import Caller
from replay.phone.script import WaitForAgent, WaitForEnd

TAPE = Path(__file__).parents[1] / "tests" / "tapes" / "interrupted.jsonl.gz"
LISTENER = Caller(steps=(WaitForAgent(), WaitForEnd()), answer_delay_ms=0)


def microseconds(work: Callable[[], object], times: int) -> float:
    """Return how long one go takes, the best of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - began) / times)
    return min(rounds) * 1e6


def ended_call() -> Records:
    """Return the records of a call of 4 s with two turns and two tools."""
    tape = read_tape(TAPE)
    return records_of(tape.header, map(decode, tape.lines))


WATCHERS = frozenset({"admin.py", "house.py", "metrics.py", "spans.py", "tracing.py", "watching.py"})
PATH = frozenset(
    {LiveCall.feed.__code__, LiveCall.record.__code__, Leg.say_goodbye.__code__, Recorder.flush.__code__}
)


@define
class Census:
    """Counts messages of calls, and what of the watching was called while one was handled."""

    messages: int = 0
    watched: int = 0

    def __call__(self, frame: Any, event: str, _: object) -> None:
        """Look at a function that begins, as sys.setprofile wants it."""
        if event != "call":
            return
        self.messages += frame.f_code is LiveCall.feed.__code__
        if frame.f_code.co_filename.rpartition("/")[2] in WATCHERS and _is_within(frame):
            self.watched += 1


def _is_within(frame: Any) -> bool:
    while frame is not None and frame.f_code not in PATH:
        frame = frame.f_back
    return frame is not None


async def count(folder: Path, calls: int, seconds: float) -> Census:
    """Let calls go on with everything watching, and count for a while."""
    census = Census()
    place = Place(folder, server={"max_calls": 1000}, admin={"bind": "127.0.0.1:0"})
    async with open_stage(place) as stage, trio.open_nursery() as ringing:
        for _ in range(calls):
            ringing.start_soon(stage.ring, LISTENER)
        sys.setprofile(census)
        await trio.sleep(seconds)
        sys.setprofile(None)
        ringing.cancel_scope.cancel()
    return census


async def measure(folder: Path, calls: int) -> list[tuple[str, str]]:
    """Measure with so many calls going on."""
    ended, metrics, peaks = ended_call(), Metrics(("front-desk",)), Peaks()
    async with open_stage(Place(folder, server={"max_calls": 1000})) as stage, trio.open_nursery() as ringing:
        for _ in range(calls):
            ringing.start_soon(stage.ring, LISTENER)
        while stage.daemon.switchboard.live < calls:  # noqa: ASYNC110 - nobody tells when
            await trio.sleep(0.05)
        house = Snapshot(stage.daemon.switchboard, stage.daemon.host, stage.daemon.indexer)
        look = microseconds(lambda: peaks.look_at(house, 0.0), 200)
        ask = microseconds(lambda: metrics._look_at(house, peaks), 200)
        began = time.perf_counter()
        page = await metrics.page(house, peaks)
        paged = (time.perf_counter() - began) * 1e3
        ringing.cancel_scope.cancel()
    census = await count(folder / "counted", calls=5, seconds=5)
    text = microseconds(lambda: generate_latest(metrics.registry), 20)
    return [
        ("per message of a call", f"nothing: {census.watched} calls into it in {census.messages} messages"),
        ("per ended call, metrics", f"{microseconds(lambda: metrics.add(ended), 500):.0f} µs"),
        (
            "per ended call, trace (in its thread)",
            f"{microseconds(lambda: finished_spans(ended), 50):.0f} µs",
        ),
        ("ten times a second, loop lag", f"{microseconds(lambda: metrics.lagged(0.001), 2000):.1f} µs"),
        (f"once a second, buffers of {calls} calls", f"{look:.0f} µs"),
        ("per scrape, on the loop", f"{ask:.0f} µs"),
        ("per scrape, in a thread: work", f"{text / 1e3:.1f} ms for {len(page) // 1024} KiB"),
        ("per scrape, in a thread: until it is there", f"{paged:.1f} ms"),
    ]


@click.command()
@click.option("--calls", default=20, show_default=True, help="Calls that go on meanwhile.")
def main(calls: int) -> None:
    """Measure, and print a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        rows = trio.run(measure, Path(folder), calls)
    table = Table("what", "cost")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
