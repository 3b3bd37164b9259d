"""How soon after `start` the caller's line has the first of the agent's voice, when the model had time while it rang.

python bench/first_audio.py
"""

import logging
import statistics
import sys
import tempfile
from pathlib import Path

import click
import structlog
import trio

from bench.stage import GREETING, Place, open_stage
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent

ANSWER_DELAY_MS = 600
"""Between the webhook's answer and the media stream; the model connects and speaks in that time."""

MOST_MS = 60


async def measure(calls: int) -> list[int]:
    """Return the ms from `start` to the first audio of each call, one call after the other."""
    caller = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=ANSWER_DELAY_MS)
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        async with open_stage(Place(Path(folder), script=GREETING)) as stage:
            for _ in range(calls):
                report = await stage.ring(caller)
                assert report.first_audio_ms is not None, report
                measured.append(report.first_audio_ms)
    return measured


@click.command()
@click.option("--calls", default=20, show_default=True)
def main(calls: int) -> None:
    """Print median and maximum, and exit 1 when the maximum is more than 60 ms."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    measured = trio.run(measure, calls)
    print(
        f"first audio after start, {calls} calls: median {statistics.median(measured):.0f} ms, max {max(measured)} ms"
    )
    sys.exit(0 if max(measured) <= MOST_MS else 1)


if __name__ == "__main__":
    main()
