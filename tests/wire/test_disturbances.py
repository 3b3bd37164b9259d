"""Whatever is slow beside a call, its caller hears no hole, and is let in as fast as ever."""

from pathlib import Path
from typing import Any

import pytest

from bench.disturbances import MOST_CLEAR_MS, MOST_GAP_MS, SHORT, Measured, measure_all
from bench.fair_clock import FairClock
from bench.stage import Place

pytestmark = pytest.mark.real_time("measures how late the bridge is")


@pytest.fixture
async def measured(tmp_path: Path) -> list[Measured]:
    """Measure a call beside each disturbance."""

    def place(**setup: Any) -> Place:
        folder = tmp_path / str(sum(1 for _ in tmp_path.iterdir()))
        folder.mkdir()
        return Place(folder, **setup)

    return await measure_all(place, SHORT, at_once=True)


async def test_slow_tools_databases_and_disks_are_not_heard(
    fair_clock: FairClock, measured: list[Measured]
) -> None:
    assert [(one.name, one.largest_gap_ms) for one in measured if one.largest_gap_ms > MOST_GAP_MS] == []
    assert [(one.name, one.clear_ms) for one in measured if (one.clear_ms or 9999) > MOST_CLEAR_MS] == []
    assert [one.why for one in measured] == ["tool: all said"] * 4
    assert [one.rows - one.calls for one in measured] == [0] * 4
