"""What the daemon costs before and beside the talking: how soon it answers, its memory at rest, and each call's.

The daemon is a process of its own, started as its users start it; it finds its modules compiled, as from the second
start on of an installation that can write beside them. Prints a table and exits 1 when something is beyond what is
asked of it: 0.4 s until the first healthy answer (the median of five), 45 MB at rest, 150 kB a call,
no garbage collection above 5 ms.

    uv run python -m bench.rest             starts, rest, and 50 calls of three minutes: about five minutes
    uv run python -m bench.rest --calls 0   without the calls: some seconds
"""

import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import httpx2
import msgspec
import trio
from attrs import asdict, define, field
from rich.console import Console
from rich.table import Table

from bench.process import ENVIRONMENT, Launch, Running, a_process
from bench.soak import Players, long_caller
from bench.stage import AGENT, WEBHOOK
from replay.phone.ring import CallReport, ring

MOST_START_SECONDS: Final = 0.4
MOST_AT_REST_MB: Final = 45.0
MOST_A_CALL_KB: Final = 150.0
REST_SECONDS: Final = 3
"""What a daemon may still do after its first answer: nothing, but a machine may be busy."""

LOOKS: Final = 5
"""At the end of the calls, a second apart: the median counts."""

PATIENCE_SECONDS: Final = 60


@define(eq=False)
class Figures:
    """What was measured; `memory` is in kilobytes: all that is resident, the proportional share, what no file backs."""

    start_seconds: list[float] = field(factory=list)
    start_cpu_seconds: list[float] = field(factory=list)
    at_rest: dict[str, int] = field(factory=dict)
    before_calls: dict[str, int] = field(factory=dict)
    with_calls: dict[str, int] = field(factory=dict)
    calls: int = 0
    pauses: dict[str, int] = field(factory=dict)
    """Garbage collections, with the calls and after them: all, and those longer than 5 ms."""
    odd: list[str] = field(factory=list)

    @property
    def start(self) -> float:
        """Return how long a start takes."""
        return statistics.median(self.start_seconds)

    @property
    def a_call_kb(self) -> float:
        """Return what a live call takes."""
        return (self.with_calls["Rss"] - self.before_calls["Rss"]) / self.calls if self.calls else 0.0


def memory_of(pid: int) -> dict[str, int]:
    """Return a process' memory in kilobytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return {name: found[name] for name in ("Rss", "Pss", "Anonymous")}


# ---------------------------------------------------------------- starts


def start_once(folder: Path, compiled: Mapping[str, str], figures: Figures) -> None:
    """Start a daemon, keep when it first answered and what it is then, and end it."""
    port = _free_port()
    config = folder / "config.toml"
    launch = Launch({"bind": f"127.0.0.1:{port}"})
    config.write_text(launch.configuration("wss://api.openai.com/v1/realtime"))
    began = time.perf_counter()
    process = subprocess.Popen(
        launch.command(config),
        env={**os.environ, **ENVIRONMENT, **compiled},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _is_healthy(port):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE_SECONDS:
                raise SystemExit("the daemon did not start")
            time.sleep(0.002)
        figures.start_seconds.append(time.perf_counter() - began)
        figures.start_cpu_seconds.append(_cpu_seconds(process.pid))
        if not figures.at_rest:
            time.sleep(REST_SECONDS)
            figures.at_rest = memory_of(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _cpu_seconds(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


# ---------------------------------------------------------------- calls


async def with_calls(
    folder: Path, compiled: Mapping[str, str], count: int, seconds: float, figures: Figures
) -> None:
    """Let so many callers talk for so long, each with questions, interruptions and tools; then look."""
    admin = folder / "admin.sock"
    tables = f'[admin]\nbind = "unix:{admin}"\n[agents.{AGENT}]\ntools = ["replay.callers.restaurant:check_table"]\n'
    launch = Launch(
        {"max_calls": 1000, "waiting_calls": 1000, "calls_per_caller": 0, "max_lag_ms": 0}, tables, compiled
    )
    async with a_process(folder, Players([True]), launch) as running:
        await _one_call(running, figures)
        await trio.sleep(REST_SECONDS)
        figures.before_calls, figures.calls = memory_of(running.process.pid), count
        async with trio.open_nursery() as callers:
            for number in range(count):
                callers.start_soon(_keep_calling, running, number / count, figures)
            await trio.sleep(seconds)
            looks = []
            for _ in range(LOOKS):
                await trio.sleep(1)
                looks.append(memory_of(running.process.pid))
            figures.with_calls = sorted(looks, key=lambda look: look["Rss"])[LOOKS // 2]
            figures.pauses = await _pauses(admin)
            callers.cancel_scope.cancel(reason="it is measured")


async def _pauses(admin: Path) -> dict[str, int]:
    transport = httpx2.AsyncHTTPTransport(uds=str(admin))
    async with httpx2.AsyncClient(transport=transport, timeout=60, trust_env=False) as client:
        lines = (await client.get("http://bridge/metrics")).text.splitlines()
    buckets = [line.split() for line in lines if line.startswith("bridge_gc_pause_seconds_bucket")]
    below = next(int(float(count)) for name, count in buckets if 'le="0.005"' in name)
    total = int(float(buckets[-1][1]))
    return {"all": total, "longer": total - below}


async def _one_call(running: Running, figures: Figures) -> None:
    """Make one short call, so that what the first one loads is no other's."""
    with trio.move_on_after(PATIENCE_SECONDS):
        _look_at(await ring(long_caller(), webhook=WEBHOOK, via=running.via, total_ms=5000), figures)


async def _keep_calling(running: Running, after: float, figures: Figures) -> None:
    await trio.sleep(after)
    while True:
        _look_at(await ring(long_caller(), webhook=WEBHOOK, via=running.via, total_ms=600_000), figures)


def _look_at(report: CallReport, figures: Figures) -> None:
    if report.error is not None:
        figures.odd.append(report.error)


# ---------------------------------------------------------------- the verdict


def judge(figures: Figures) -> list[str]:
    """Return one sentence for each figure that is beyond what is asked."""
    rest = figures.at_rest["Rss"] / 1024
    faults = [
        (
            f"the first healthy answer took {figures.start:.2f} s, and may take {MOST_START_SECONDS}",
            figures.start > MOST_START_SECONDS,
        ),
        (f"{rest:.1f} MB at rest, where {MOST_AT_REST_MB:.0f} may be", rest > MOST_AT_REST_MB),
        (
            f"{figures.a_call_kb:.0f} kB a call, where {MOST_A_CALL_KB:.0f} may be",
            figures.a_call_kb > MOST_A_CALL_KB,
        ),
        (
            f"{figures.pauses.get('longer')} garbage collections above 5 ms",
            bool(figures.pauses.get("longer")),
        ),
        *((f"a call was odd: {what}", True) for what in figures.odd),
    ]
    return [sentence for sentence, is_so in faults if is_so]


def report(figures: Figures) -> Table:
    """Return the figures as a table."""
    table = Table("", "figure", "at most", box=None)
    starts = ", ".join(f"{one:.2f}" for one in sorted(figures.start_seconds))
    table.add_row(
        "until the first healthy answer", f"{figures.start:.2f} s ({starts})", f"{MOST_START_SECONDS} s"
    )
    table.add_row("of a core, until then", f"{statistics.median(figures.start_cpu_seconds):.2f} s", "")
    table.add_row("at rest", _in_words(figures.at_rest), f"{MOST_AT_REST_MB:.0f} MB")
    if figures.calls:
        table.add_row(f"with {figures.calls} calls", _in_words(figures.with_calls), "")
        table.add_row("collections above 5 ms", f"{figures.pauses['longer']} of {figures.pauses['all']}", "0")
        table.add_row("a call", f"{figures.a_call_kb:.0f} kB", f"{MOST_A_CALL_KB:.0f} kB")
    return table


def _in_words(memory: dict[str, int]) -> str:
    rss, pss, anonymous = (memory[name] / 1024 for name in ("Rss", "Pss", "Anonymous"))
    return f"{rss:.1f} MB (its share {pss:.1f}, no file's {anonymous:.1f})"


@click.command()
@click.option("--calls", default=50, show_default=True, help="Calls at once; 0: none.")
@click.option("--seconds", default=180.0, show_default=True, help="How long they talk before it is measured.")
@click.option("--starts", default=5, show_default=True, help="How often it is started.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(calls: int, seconds: float, starts: int, as_json: bool) -> None:
    """Measure how soon a daemon answers, its memory at rest, and that of a call. Exit 1 when it is too much."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        compiled = {"PYTHONPYCACHEPREFIX": f"{folder}/compiled", "PYTHONDONTWRITEBYTECODE": ""}
        start_once(Path(folder), compiled, Figures())  # it compiles
        for _ in range(starts):
            start_once(Path(folder), compiled, figures)
        if calls:
            trio.run(partial(with_calls, Path(folder), compiled, calls, seconds, figures))
    faults = judge(figures)
    if as_json:
        found: dict[str, Any] = {**asdict(figures), "start": figures.start, "a_call_kb": figures.a_call_kb}
        print(msgspec.json.format(msgspec.json.encode({**found, "faults": faults})).decode())
    else:
        Console(width=140).print(report(figures))
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
