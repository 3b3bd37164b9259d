"""A thousand sockets without `start` and a thousand half-open handshakes at once, while a caller listens: no hole.

Prints a table and exits 1 when the reply had a hole, or a socket of the flood outlived its time. The strangers are in a
process of their own, as they would be; daemon, model and caller share the other core.

    uv run python bench/floods.py [--count 1000] [--workers 2]
"""

import logging
import sys
import tempfile
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import click
import msgspec
import structlog
import trio
from attrs import frozen
from rich.console import Console
from rich.table import Table

from bench.disturbances import MOST_GAP_MS
from bench.stage import AGENT, PROMPT, PUBLIC, MakePlace, Place, Stage, open_files, open_stage, words
from bridge.machine import raise_file_limit, settle_memory
from replay.model.script import Script
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, WaitForAgent, WaitForQuiet
from replay.phone.signing import sign

HANDSHAKE_SECONDS: Final = 10
LATE_SECONDS: Final = 4
"""Beside the handshake's own time: a socket that opened has so long again for its `start`, and a goodbye of 1 s."""

QUICK: Final = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
LISTENER: Final = Caller(steps=(WaitForQuiet(2000, timeout_ms=60_000), HangUp()), answer_delay_ms=0)
PATH: Final = f"/voice/ws/{AGENT}"
STRANGERS: Final = """
import json, resource, selectors, socket, sys, time
port, seconds, words = int(sys.argv[1]), float(sys.argv[2]), json.load(sys.stdin)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
waiting, longest, began = selectors.DefaultSelector(), 0.0, time.monotonic()

def hear(seconds):
    global longest
    for key, _ in waiting.select(seconds):
        try:
            said = key.fileobj.recv(65536)
        except OSError:
            said = b""
        if not said:
            waiting.unregister(key.fileobj)
            key.fileobj.close()
            longest = max(longest, time.monotonic() - key.data)

for word in words:
    one = socket.create_connection(("127.0.0.1", port))
    waiting.register(one, selectors.EVENT_READ, time.monotonic())
    try:
        one.sendall(word.encode())
    except OSError:
        pass
    hear(0)
opened = time.monotonic() - began
while waiting.get_map() and time.monotonic() - began < opened + seconds:
    hear(0.2)
print(json.dumps({"opened": round(opened, 2), "left": len(waiting.get_map()), "longest": round(longest, 2)}))
"""
"""Open a connection for each word, say it and nothing more, and wait to be shown the door."""


def no_start(workers: int = 1) -> str:
    """Return an upgrade with a signature that somebody recorded: it is the same for every call."""
    path = PATH if workers == 1 else f"{PATH}/1"
    signature = sign(f"{PUBLIC.replace('https', 'wss')}{path}", (), Place(Path()).tokens[0])
    return (
        f"GET {path} HTTP/1.1\r\nHost: bridge.example.com\r\nX-Twilio-Signature: {signature}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )


HALF_OPEN: Final = (
    "",
    "GET /voi",
    f"GET {PATH} HTTP/1.1\r\nHost: bridge.example.com\r\nUpgra",
    "POST /voice/x HTTP/1.1\r\nHost: a\r\n",
)


def flood_of(count: int, *, starts: bool, halves: bool, workers: int = 1) -> list[str]:
    """Return what the strangers say, one each: `count` of each kind asked for, mixed."""
    pairs = zip([no_start(workers)] * count, islice(cycle(HALF_OPEN), count), strict=True)
    return [
        word for pair in pairs for word, is_wanted in zip(pair, (starts, halves), strict=True) if is_wanted
    ]


@frozen
class Measured:
    """What a caller and a flood noticed of each other."""

    name: str
    strangers: int
    inside: int
    opened_seconds: float
    left: int
    longest_seconds: float
    files_left: int
    heard_ms: int
    largest_gap_ms: int
    ended_by: str

    @property
    def is_good(self) -> bool:
        """Say whether the caller heard no hole, and nothing of the flood is left."""
        is_gone = self.left == 0 and self.files_left <= 0
        in_time = self.longest_seconds <= 2 * HANDSHAKE_SECONDS + LATE_SECONDS
        return self.largest_gap_ms <= MOST_GAP_MS and self.ended_by == "caller" and is_gone and in_time


def conversation(story: str) -> Script:
    """Return an agent that tells a story."""
    return Script(opening=(words(story),), delivery=PROMPT)


async def measure(name: str, setup: Place, flood: list[str]) -> Measured:
    """Let the flood come while one caller listens."""
    async with open_stage(setup) as stage:
        await stage.ring(QUICK)  # loads modules, starts threads
        await stage.wait_recorded()
        with trio.move_on_after(5):
            while stage.open_sessions:  # noqa: ASYNC110 - nobody tells when its last socket is closed
                await trio.sleep(0.02)
        before = open_files()
        reports: list[CallReport] = []
        most_inside = [0]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, stage, reports)
            await trio.sleep(0.3)
            async with trio.open_nursery() as watching:
                watching.start_soon(_watch, most_inside)
                told = await _strangers(stage, flood)
                watching.cancel_scope.cancel(reason="the flood is over")
        await stage.wait_recorded()
        with trio.move_on_after(5):
            while open_files() > before:  # noqa: ASYNC110 - nobody tells when
                await trio.sleep(0.05)
        files_left = open_files() - before
    (report,) = reports
    gap = max(report.gaps_ms, default=0)
    heard = sum(byte != 0xFF for byte in report.heard) // 8
    return Measured(
        name, len(flood), max(0, most_inside[0] - before), told["opened"], int(told["left"]), told["longest"],
        files_left, heard, gap, report.closed_by or "",
    )  # fmt: skip


async def _listen(stage: Stage, reports: list[CallReport]) -> None:
    reports.append(await stage.ring(LISTENER))


async def _watch(most: list[int]) -> None:
    while True:
        most[0] = max(most[0], open_files())
        await trio.sleep(0.25)


async def _strangers(stage: Stage, flood: list[str]) -> dict[str, float]:
    seconds = 2 * HANDSHAKE_SECONDS + LATE_SECONDS + 5
    command = [sys.executable, "-c", STRANGERS, str(stage.daemon.port), str(seconds)]
    done = await trio.run_process(command, stdin=msgspec.json.encode(flood), capture_stdout=True)
    told: dict[str, float] = msgspec.json.decode(done.stdout)
    return told


def wide_place(
    place: MakePlace,
    story: str,
    *,
    most: int = 50_000,
    handshake_seconds: float = HANDSHAKE_SECONDS,
    workers: int = 1,
) -> Place:
    """Return a place whose agent tells a story, and whose door lets `most` connections in."""
    return place(
        script=conversation(story),
        handshake_seconds=handshake_seconds,
        server={"max_connections": most, "workers": workers},
    )


async def measure_all(
    place: MakePlace, count: int, *, story: str = "agent_story", workers: int = 1
) -> list[Measured]:
    """Measure each kind of flood, both at once, and both against a door that lets few in."""
    settle_memory()  # as the daemon does
    wide = partial(wide_place, place, story, workers=workers)
    flood = partial(flood_of, count, workers=workers)
    both = flood(starts=True, halves=True)
    return [
        await measure("nothing", wide(), []),
        await measure("sockets without start", wide(), flood(starts=True, halves=False)),
        await measure("half-open handshakes", wide(), flood(starts=False, halves=True)),
        await measure("both at once", wide(), both),
        await measure("both, at a door for 100", wide(most=100), both),
    ]


def show(results: list[Measured]) -> None:
    """Print what the caller and the flood noticed."""
    heads = ("flood", "strangers", "files", "opened in", "longest stay", "left", "heard", "largest gap")
    table = Table(*heads, box=None)
    for one in results:
        times = (f"{one.opened_seconds:.1f} s", f"{one.longest_seconds:.1f} s")
        rest = (str(one.left + max(0, one.files_left)), f"{one.heard_ms} ms", f"{one.largest_gap_ms} ms")
        table.add_row(one.name, str(one.strangers), f"+{one.inside}", *times, *rest)
    Console(width=140).print(table)


@click.command()
@click.option("--count", default=1000, show_default=True, help="Strangers of each kind.")
@click.option("--workers", default=1, show_default=True, help="Processes that carry the calls.")
def main(count: int, workers: int) -> None:
    """Flood a daemon with a live call, and exit 1 when the caller could have noticed."""
    raise_file_limit()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:

        def place(**setup: object) -> Place:
            return Place(Path(tempfile.mkdtemp(dir=folder)), **setup)  # type: ignore[arg-type]

        results = trio.run(partial(measure_all, place, count, workers=workers))
    show(results)
    sys.exit(0 if all(one.is_good for one in results) else 1)


if __name__ == "__main__":
    main()
