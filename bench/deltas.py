"""Many calls whose model speaks in pieces of 20 ms, each of them in one daemon: who ended them, and what it costs.

uv run python -m bench.deltas                          50 calls of 20 s
uv run python -m bench.deltas --than ../bridge-before  and the same with another checkout, in turns
"""

import logging
import os
import statistics
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

import click
import structlog
import trio
from attrs import evolve, field, frozen

from bench.fault_cells import Outcome, Records
from bench.fault_machine import wait_rows
from bench.process import Launch, Running, a_process
from bench.stage import AGENT, WEBHOOK, words
from bridge.machine import raise_file_limit
from replay.model.script import Delivery, Script
from replay.phone.ring import Caller, CallReport, ring
from replay.phone.script import HangUp, Wait, WaitForAgent

NAME: Final = "50 calls in 20 ms deltas"
CALLS: Final = 50
SPACING_SECONDS: Final = 0.1
SPEED: Final = 1.1
"""Times as fast as speech, which makes it the most messages a second that there can be."""

SERVER: Final = {"calls_per_caller": 0, "max_lag_ms": 0, "max_busy_percent": 0}
"""All calls shall be there, however late the loop is."""


@frozen
class Run:
    """What came of one run: the calls, and the CPU seconds that the daemon took for them."""

    reports: list[CallReport] = field(factory=list)
    cpu_seconds: float = 0.0

    @property
    def ms_a_second(self) -> float:
        """Return the CPU ms for a second of one call, by the frames that came: on a busy machine they come slower."""
        return 1000 * self.cpu_seconds / sum(report.frames_sent / 50 for report in self.reports)


async def run_calls(folder: Path, calls: int, seconds: float, launch: Launch, speed: float = SPEED) -> Run:
    """Let so many callers listen at once, each for so many seconds once all are there."""
    await trio.Path(folder).mkdir(parents=True, exist_ok=True)
    delivery = Delivery(mode="frames", speed=speed, response_delay_ms=0)
    script = Script(opening=(words("agent_story"),) * 20, delivery=delivery)
    stays = calls * SPACING_SECONDS + seconds
    reports: list[CallReport] = []
    async with a_process(folder, script, launch) as daemon:
        before = _cpu_seconds(daemon)
        async with trio.open_nursery() as ringing:
            for number in range(calls):
                caller = Caller(
                    steps=(WaitForAgent(), Wait(round(1000 * stays)), HangUp()), answer_delay_ms=0
                )
                ringing.start_soon(_ring, daemon, caller, f"CA{number:032x}", reports)
                stays -= SPACING_SECONDS
                await trio.sleep(SPACING_SECONDS)
        used = _cpu_seconds(daemon) - before
        await wait_rows(folder / "data", calls, 30)
        daemon.signal()
        await daemon.process.wait()
    return Run(reports, used)


async def _ring(daemon: Running, caller: Caller, call_sid: str, reports: list[CallReport]) -> None:
    reports.append(await ring(caller, webhook=WEBHOOK, via=daemon.via, call_sid=call_sid, total_ms=120_000))


def _cpu_seconds(daemon: Running) -> float:
    user, system = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def launch_of(base: Path | None = None) -> Launch:
    """Return how the daemon is started: as it is here, or as it is in another checkout."""
    server = dict(SERVER)
    if base is not None:
        known = (base / "config.toml").read_text()
        server = {key: value for key, value in server.items() if key in known}
    return Launch(
        server,
        agents=f"[agents.{AGENT}]\n",
        # Without the second it would find the code of the folder that this is run from, before the other's.
        environment={"PYTHONPATH": str(base), "PYTHONSAFEPATH": "1"} if base is not None else {},
    )


# ---------------------------------------------------------------- as a row of the fault matrix


async def run(folder: Path) -> list[Outcome]:
    """Return what came of the first call; of the others it says what was wrong with any."""
    done = await run_calls(folder, CALLS, 15, launch_of())
    records = Records.of(folder / "data")
    found = [
        evolve(records.look(Outcome(NAME, "speaking", "caller"), report.call_sid), heard="had hung up")
        for report in done.reports
    ]
    wrong = Counter(problem for one in found for problem in one.problems)
    others = "; ".join(f"{count} calls {problem}" for problem, count in wrong.items())
    note = f"{len(found)} calls, {done.ms_a_second:.1f} ms of CPU for a second of each"
    return [evolve(found[0], others=others, note=note)]


# ---------------------------------------------------------------- the command


def ended(folder: Path, reports: list[CallReport]) -> str:
    """Return who ended the calls that a daemon recorded; of those it hasn't, what their callers saw."""
    rows = {row["call_id"]: f"{row['ended_by']}: {row['why']}" for row in Records.of(folder / "data").rows}
    ends = Counter(rows.get(one.call_sid, f"no record: {one.error or one.closed_by}") for one in reports)
    return ", ".join(f"{count} {end}" for end, count in ends.most_common())


@click.command()
@click.option("--calls", default=CALLS, show_default=True)
@click.option("--seconds", default=20, show_default=True)
@click.option("--speed", default=SPEED, show_default=True, help="Of the model, in times of speech.")
@click.option("--than", type=click.Path(path_type=Path), help="Another checkout to compare with.")
@click.option("--pairs", default=1, show_default=True, help="How often, with another checkout.")
def main(calls: int, seconds: int, speed: float, than: Path | None, pairs: int) -> None:
    """Print who ended the calls, and how much CPU they took. Exit 1 when any was not ended by its caller."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    raise_file_limit()
    bases = [None] if than is None else [than.resolve(), None] * pairs
    used: dict[Path | None, list[float]] = {base: [] for base in bases}
    is_good = True
    with tempfile.TemporaryDirectory() as folder:
        for number, base in enumerate(bases):
            place = Path(folder) / str(number)
            done = trio.run(partial(run_calls, place, calls, seconds, launch_of(base), speed))
            used[base].append(done.ms_a_second)
            ends = ended(place, done.reports)
            is_good = is_good and (base is not None or ends == f"{calls} caller: hung up")
            print(
                f"{base or 'here'}: {done.ms_a_second:.2f} ms of CPU for a second of a call; {ends}",
                flush=True,
            )
    for base, figures in used.items():
        print(f"{base or 'here'}: median {statistics.median(figures):.2f} ms of CPU for a second of a call")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
