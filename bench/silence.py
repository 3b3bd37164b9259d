"""What `audio = false` costs: the CPU time of two daemons side by side, one that keeps sound and one that does not.

Both have the same calls at the same moments, so whatever else the machine does is done to both. Measured is the time of
the daemon's process for these calls: frames, tapes, compressing, indexing.

    uv run python -m bench.silence --rounds 5
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final

import click
import trio
from attrs import frozen
from rich.console import Console
from rich.table import Table

from bench.process import Launch, Running, a_process
from bench.stage import AGENT, PROMPT, WEBHOOK, words
from bridge.errors import BridgeError
from bridge.store import Store
from replay.model_script import Script
from replay.phone import Caller, ring
from replay.phone_script import HangUp, Wait, WaitForAgent

SCRIPT: Final = Script(opening=(words("agent_story"),), delivery=PROMPT)
TICKS: Final = os.sysconf("SC_CLK_TCK")


@frozen
class Pair:
    """Milliseconds of CPU time for a call, with its sound kept and without."""

    kept: float
    silent: float


def _launch(*, audio: bool) -> Launch:
    text = f"[agents.{AGENT}]\n[recording]\naudio = {str(audio).lower()}\n"
    return Launch({"max_calls": 100, "waiting_calls": 100, "calls_per_caller": 0}, agents=text)


async def measure(folder: Path, calls: int, seconds: float) -> Pair:
    """Let both daemons have their calls, and return what each took for one."""
    sounds = {"kept": True, "silent": False}
    async with AsyncExitStack() as both:
        daemons = {}
        for name, audio in sounds.items():
            (folder / name).mkdir(parents=True)
            daemons[name] = await both.enter_async_context(
                a_process(folder / name, SCRIPT, _launch(audio=audio))
            )
        async with trio.open_nursery() as first:  # loads modules, makes the database
            for daemon in daemons.values():
                first.start_soon(_call, daemon, 0.1)
        await _wait_rows(folder, 1)
        before = {name: _cpu_ms(daemon) for name, daemon in daemons.items()}
        async with trio.open_nursery() as ringing:
            for daemon in daemons.values():
                for _ in range(calls):
                    ringing.start_soon(_call, daemon, seconds)
        await _wait_rows(folder, calls + 1)
        return Pair(**{name: (_cpu_ms(daemon) - before[name]) / calls for name, daemon in daemons.items()})


async def _call(daemon: Running, seconds: float) -> None:
    steps = (WaitForAgent(), Wait(round(seconds * 1000)), HangUp())
    await ring(Caller(steps=steps, answer_delay_ms=0), webhook=WEBHOOK, via=daemon.via, total_ms=120_000)


def _cpu_ms(daemon: Running) -> float:
    """Return what a process has used so far, its threads included."""
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / TICKS


async def _wait_rows(folder: Path, count: int) -> None:
    with trio.fail_after(60):
        while min(_rows(folder / name) for name in ("kept", "silent")) < count:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.3)
    await trio.sleep(0.3)


def _rows(folder: Path) -> int:
    try:
        return len(Store(folder / "data" / "calls.duckdb").query("select call_id from calls"))
    except BridgeError:  # not there yet, or held by the daemon
        return 0


def _pairs(rounds: int, calls: int, seconds: float) -> Iterator[Pair]:
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield trio.run(measure, Path(folder), calls, seconds)


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--calls", default=8, show_default=True, help="Calls at once, of each daemon.")
@click.option("--seconds", default=20.0, show_default=True, help="Of each call, after its agent is heard.")
def main(rounds: int, calls: int, seconds: float) -> None:
    """Compare what a call costs with and without its sound. Exit 1 when silence costs more."""
    table = Table(
        "round", "sound kept", "audio = false", "difference", title="CPU time of the daemon for a call"
    )
    changes = []
    for number, pair in enumerate(_pairs(rounds, calls, seconds), 1):
        changes.append(pair.silent / pair.kept - 1)
        table.add_row(str(number), f"{pair.kept:.0f} ms", f"{pair.silent:.0f} ms", f"{changes[-1]:+.1%}")
    table.add_row("median", "", "", f"{median(changes):+.1%}")
    Console().print(table)
    sys.exit(1 if median(changes) > 0 else 0)


if __name__ == "__main__":
    main()
