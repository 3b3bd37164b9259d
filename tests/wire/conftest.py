"""What every wire test starts from: a data folder of its own, and a daemon between two stand-ins."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.stage import MakePlace, Place, Stage, open_stage


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
