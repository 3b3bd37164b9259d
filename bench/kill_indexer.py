"""The indexer's process killed at random moments while calls come and go: no row may be missing afterwards.

Prints what it did and exits 1 when a call has no row, or two.

    uv run python -m bench.kill_indexer --kills 50
"""

import logging
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

import click
import structlog
import trio
from attrs import define, field

from bench.stage import Place, Stage, open_stage
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
EVERY_SECONDS = 0.4
MOST_SECONDS = 180
"""What the last rows may take: a tape that was set aside is tried again after a minute."""


@define
class Kills:
    """What was done, and what is left of it."""

    wanted: int
    seed: int
    within_seconds: float
    calls: list[str] = field(factory=list)
    kills: int = 0
    deaths: int = 0
    set_aside: int = 0
    rows: list[str] = field(factory=list)

    @property
    def faults(self) -> list[str]:
        """Return what is not as it should be."""
        missing, extra = set(self.calls) - set(self.rows), len(self.rows) - len(set(self.rows))
        found = [f"{len(missing)} calls without a row: {sorted(missing)[:5]}"] if missing else []
        return found + ([f"{extra} rows twice"] if extra else [])

    async def run(self, folder: Path) -> None:
        """Kill the process so many times, then let it finish."""
        place = Place(folder)
        async with open_stage(place) as stage:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_calling, stage)
                await self._keep_killing(stage)
                nursery.cancel_scope.cancel(reason="enough")
            await stage.wait_no_calls()
            with trio.move_on_after(MOST_SECONDS):
                await stage.wait_recorded()
                while stage.daemon.indexer.set_aside or stage.daemon.indexer.is_busy:  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(0.1)
            self.deaths = stage.daemon.indexer.deaths
            self.rows = [row["call_id"] for row in await trio.to_thread.run_sync(place.calls)]

    async def _keep_calling(self, stage: Stage) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._call, stage)
                await trio.sleep(EVERY_SECONDS)

    async def _call(self, stage: Stage) -> None:
        with trio.CancelScope(shield=True):
            self.calls.append((await stage.ring(QUICK)).call_sid)

    async def _keep_killing(self, stage: Stage) -> None:
        choose, indexer = random.Random(self.seed), stage.daemon.indexer
        while self.kills < self.wanted:
            while (pid := indexer.pid) is None:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
            await trio.sleep(choose.uniform(0, self.within_seconds))
            if indexer.pid == pid:
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
            self.set_aside = max(self.set_aside, indexer.set_aside)
            while indexer.pid == pid:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--within", default=3.0, show_default=True, help="Seconds after its start; it needs half of one to load."
)
def main(kills: int, seed: int, within: float) -> None:
    """Kill the indexer again and again, and count the rows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    it = Kills(kills, seed, within)
    with tempfile.TemporaryDirectory() as folder:
        trio.run(it.run, Path(folder))
    print(
        f"{it.kills} kills, {it.deaths} deaths noticed, up to {it.set_aside} tapes set aside meanwhile; "
        f"{len(it.calls)} calls, {len(it.rows)} rows"
    )
    for fault in it.faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if it.faults else 0)


if __name__ == "__main__":
    main()
