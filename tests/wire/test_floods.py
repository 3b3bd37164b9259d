"""A flood of connections beside a live call: the short version of `bench/floods.py`."""

from pathlib import Path
from typing import Any

import pytest

from bench.disturbances import MOST_GAP_MS
from bench.fair_clock import FairClock
from bench.floods import flood_of, measure, wide_place
from bench.stage import Place

pytestmark = pytest.mark.real_time("measures how late the bridge is")


@pytest.mark.parametrize(("starts", "halves"), [(True, False), (False, True)])
async def test_a_flood_is_not_heard_and_nothing_of_it_stays(
    tmp_path: Path, fair_clock: FairClock, starts: bool, halves: bool
) -> None:
    def place(**setup: Any) -> Place:
        return Place(tmp_path, **setup)

    flood = flood_of(100, starts=starts, halves=halves)
    measured = await measure("flood", wide_place(place, "agent_greeting", handshake_seconds=1), flood)
    assert measured.largest_gap_ms <= MOST_GAP_MS
    assert (measured.strangers, measured.left) == (100, 0)
    assert measured.files_left <= 0  # fewer: something from before the flood is closed as well
    assert measured.ended_by == "caller"
