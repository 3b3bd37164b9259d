"""What every wire test starts from: time that waits for work, a data folder of its own, a daemon and stand-ins."""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench import patient_clock
from bench.stage import MakePlace, Place, Stage, open_stage


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run a test on a patient clock, unless it is marked `real_time` with the reason why it can't."""
    is_async = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
    if is_async and item.get_closest_marker("real_time") is None:
        item.add_marker(pytest.mark.trio(run=patient_clock.run), append=False)


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
