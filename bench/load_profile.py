"""Samples of a loaded daemon's Python stack, by py-spy."""

import asyncio
from pathlib import Path
from typing import Final

from bench.load_run import Plan, a_load
from bench.load_sides import Side

RATE: Final = 250
"""Samples a second: a stack of this depth takes py-spy about a millisecond, which the load's core pays for."""


async def run_profile(side: Side, plan: Plan, folder: Path) -> str:
    """Return py-spy's samples of a side with so many calls, taken while it was loaded."""
    samples = folder / "samples"
    async with a_load(side, plan, folder) as load:
        await load.grow(max(plan.levels))
        spy = await asyncio.create_subprocess_exec(
            "py-spy", "record", "--pid", str(load.loaded.process.pid), "--duration", str(round(plan.seconds)),
            "--rate", str(RATE), "--format", "raw", "--nonblocking", "--output", str(samples),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await spy.wait()
        await load.end()
    return samples.read_text()
