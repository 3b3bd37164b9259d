"""What every wire test starts from: a data folder of its own, a daemon and stand-ins."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.fair_clock import FairClock
from bench.stage import MakePlace, Place, Stage, open_stage


@pytest.fixture
def fair_clock() -> FairClock:
    """Return the clock of a test that measures lateness."""
    return FairClock()


@pytest.fixture
def place(tmp_path: Path) -> MakePlace:
    """Return a maker of places to run a daemon in; all of one test share a folder."""

    def make(**setup: Any) -> Place:
        return Place(tmp_path, **setup)

    return make


@pytest.fixture
async def stage(place: MakePlace) -> AsyncIterator[Stage]:
    """Run a daemon with the shortest conversation there is."""
    async with open_stage(place()) as running:
        yield running
