"""The loop's lag: its clock blames no peer for our own lateness, and only lateness that goes on refuses calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.links.lag import (
    FREE_AGAIN_PERCENT,
    LOOKS_AT_WORK,
    TICK_SECONDS,
    TICKS_TO_ADMIT,
    TICKS_TO_REFUSE,
    LoopLag,
    LoopWork,
)
from bridge.settings.server import Server

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


# ---------------------------------------------------------------- how busy it is


class Thread:
    """A thread that is at work for so much of the time."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0

    def live(self, work: LoopWork, percent: float, looks: int = 1) -> None:
        for _ in range(looks):
            self.now += TICK_SECONDS
            self.worked += TICK_SECONDS * percent / 100
            work.look()


def test_a_loop_that_works_for_a_second_as_much_as_it_may_is_full_until_it_has_room_again() -> None:
    thread = Thread()
    work = LoopWork(80, clock=lambda: thread.now, worked=lambda: thread.worked)
    with structlog.testing.capture_logs() as logs:
        thread.live(work, 100, LOOKS_AT_WORK)
        assert not work.is_full  # less than a second is known of it
        thread.live(work, 100)
        assert work.is_full
        thread.live(work, 80 - FREE_AGAIN_PERCENT + 1, 3 * LOOKS_AT_WORK)
        assert work.is_full
        thread.live(work, 80 - FREE_AGAIN_PERCENT - 1, LOOKS_AT_WORK)
        assert not work.is_full
    assert [entry["event"] for entry in logs] == [
        "event loop is full: no new calls",
        "event loop has room again: new calls are taken",
    ]
    assert (logs[0]["busy_percent"], logs[0]["max_busy_percent"]) == (100, 80)


def test_a_step_that_takes_half_a_second_fills_no_loop() -> None:
    thread = Thread()
    work = LoopWork(80, clock=lambda: thread.now, worked=lambda: thread.worked)
    for _ in range(3):
        thread.live(work, 20, LOOKS_AT_WORK // 2)
        thread.live(work, 100, LOOKS_AT_WORK // 2)
        assert not work.is_full


def test_with_a_limit_of_0_no_loop_is_full_and_one_that_was_has_room() -> None:
    thread = Thread()
    work = LoopWork(0, clock=lambda: thread.now, worked=lambda: thread.worked)
    thread.live(work, 100, 3 * LOOKS_AT_WORK)
    assert not work.is_full
    work.is_full = True
    thread.live(work, 100)
    assert not work.is_full


def test_both_limits_follow_the_settings() -> None:
    lag = LoopLag()
    lag.follow(Server(max_lag_ms=300, max_busy_percent=70))
    assert (lag.most_ms, lag.work.most_percent) == (300, 70)


async def test_the_thread_that_is_looked_at_is_the_loops_own() -> None:
    work = LoopWork(1)
    for _ in range(LOOKS_AT_WORK + 1):
        sum(range(20_000))
        work.look()
    assert work.is_full
