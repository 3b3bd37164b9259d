"""The loop's lag: its clock blames no peer for our own lateness, and only lateness that goes on refuses calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.links.lag import TICK_SECONDS, TICKS_TO_ADMIT, TICKS_TO_REFUSE, LoopLag

MOST_MS = 200


@asynccontextmanager
async def feeling(clock: MockClock) -> AsyncIterator[LoopLag]:
    """Feel the loop under a clock that stands still unless it is moved."""
    lag = LoopLag(MOST_MS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lag.run)
        await wait_all_tasks_blocked()
        yield lag
        nursery.cancel_scope.cancel()


async def tick(clock: MockClock, late_seconds: float, times: int = 1) -> None:
    """Let the loop wake up so late, so many times."""
    for _ in range(times):
        clock.jump(TICK_SECONDS + late_seconds)
        await wait_all_tasks_blocked()


async def test_the_clock_of_a_loop_in_time_is_the_clock(mock_clock: MockClock) -> None:
    async with feeling(mock_clock) as lag:
        await tick(mock_clock, 0.0, 10)
        assert lag.awake() == pytest.approx(trio.current_time())


async def test_the_clock_stands_still_while_the_loop_is_held_up(mock_clock: MockClock) -> None:
    async with feeling(mock_clock) as lag:
        before = lag.awake()
        mock_clock.jump(60)  # what runs first after a pause sees it already
        assert lag.awake() - before == pytest.approx(TICK_SECONDS)
        await wait_all_tasks_blocked()
        assert lag.awake() - before == pytest.approx(TICK_SECONDS)
        await tick(mock_clock, 0.0)
        assert lag.awake() - before == pytest.approx(2 * TICK_SECONDS)


async def test_without_anybody_who_feels_the_loop_nothing_counts_as_late(mock_clock: MockClock) -> None:
    lag = LoopLag(MOST_MS)
    mock_clock.jump(60)
    assert (lag.awake(), lag.is_late) == (trio.current_time(), False)


async def test_one_long_step_is_no_overload(mock_clock: MockClock) -> None:
    async with feeling(mock_clock) as lag:
        for _ in range(3 * TICKS_TO_REFUSE):
            await tick(mock_clock, 30.0)
            await tick(mock_clock, 0.0)
        assert not lag.is_late


async def test_a_loop_that_is_late_again_and_again_is_late_until_it_was_in_time_for_a_while(
    mock_clock: MockClock,
) -> None:
    late, between, fine = 0.25, 0.15, 0.05
    with structlog.testing.capture_logs() as logs:
        async with feeling(mock_clock) as lag:
            await tick(mock_clock, late, TICKS_TO_REFUSE - 1)
            assert not lag.is_late
            await tick(mock_clock, late)
            assert lag.is_late
            await tick(mock_clock, between, 2 * TICKS_TO_ADMIT)
            await tick(mock_clock, fine, TICKS_TO_ADMIT - 1)
            assert lag.is_late
            await tick(mock_clock, fine)
            assert not lag.is_late
    assert [entry["event"] for entry in logs] == [
        "event loop is late: no new calls",
        "event loop is in time again: new calls are taken",
    ]
    assert (logs[0]["late_ms"], logs[0]["max_lag_ms"]) == (250, MOST_MS)


async def test_with_a_limit_of_0_no_loop_is_late(mock_clock: MockClock) -> None:
    async with feeling(mock_clock) as lag:
        lag.most_ms = 0
        await tick(mock_clock, 5.0, 3 * TICKS_TO_REFUSE)
        assert not lag.is_late


async def test_every_look_is_told(mock_clock: MockClock) -> None:
    told: list[float] = []
    async with feeling(mock_clock) as lag:
        lag.felt = told.append
        await tick(mock_clock, 0.0)
        await tick(mock_clock, 0.5)
    assert told == pytest.approx([0.0, 0.5])
