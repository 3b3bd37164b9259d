"""The clock of the wire tests: time that passes while there is nothing to do, and waits for what is done."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from bench import patient_clock
from bench.patient_clock import (
    CAN_LOOK,
    LONGEST_HOLD,
    LONGEST_SLEEP,
    LONGEST_WORK,
    LOOK_SECONDS,
    RATE,
    Helper,
    PatientClock,
)

linux = pytest.mark.skipif(not CAN_LOOK, reason="looks into /proc")


class Real:
    """Real time and the processor's, as the test wants them."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.worked = 0.0


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Real:
    it = Real()
    monkeypatch.setattr(patient_clock.time, "perf_counter", lambda: it.seconds)
    monkeypatch.setattr(patient_clock.time, "thread_time", lambda: it.worked)
    return it


@pytest.fixture
def clock(real: Real) -> PatientClock:
    it = PatientClock()
    it.start_clock()
    return it


def test_time_passes_faster_while_there_is_nothing_to_do(clock: PatientClock, real: Real) -> None:
    assert clock.deadline_to_sleep_time(RATE) == LONGEST_SLEEP
    assert clock.deadline_to_sleep_time(RATE / 100) == pytest.approx(0.01)
    real.seconds += 0.005
    assert clock.current_time() == pytest.approx(RATE / 200)


def test_time_stands_still_while_there_is(clock: PatientClock, real: Real) -> None:
    clock.deadline_to_sleep_time(1.0)
    real.seconds += 0.01
    woke = clock.current_time()
    real.seconds += 60
    real.worked += LONGEST_WORK - 0.1
    assert clock.current_time() == woke


def test_whoever_wakes_late_has_missed_nothing(clock: PatientClock, real: Real) -> None:
    clock.deadline_to_sleep_time(0.02)
    real.seconds += 30
    assert clock.current_time() == 0.02
    assert clock.deadline_to_sleep_time(0.02) == 0


def test_what_was_slept_too_long_has_not_been(clock: PatientClock, real: Real) -> None:
    clock.deadline_to_sleep_time(3600)
    real.seconds += 30
    assert clock.current_time() == pytest.approx(LONGEST_SLEEP * RATE)


def test_time_goes_on_for_a_loop_that_never_sleeps(clock: PatientClock, real: Real) -> None:
    real.worked += LONGEST_WORK + 1
    assert clock.current_time() == pytest.approx(1)
    real.worked += 1
    assert clock.current_time() == pytest.approx(2)


@define
class Other:
    """A process, as the test wants it."""

    works: bool = True
    is_gone: bool = False

    def is_at_work(self) -> bool:
        return self.works


@linux
def test_time_waits_for_a_process_that_works_and_looks_often_when_it_may_go_on(
    clock: PatientClock, real: Real
) -> None:
    other = Other()
    clock.helpers.append(other)  # type: ignore[arg-type]
    for _ in range(2):
        clock.deadline_to_sleep_time(3600.0)
        real.seconds += 0.005
        assert clock.current_time() == 0
    assert clock.deadline_to_sleep_time(3600.0) == LOOK_SECONDS
    other.works = False
    real.seconds += LOOK_SECONDS
    assert clock.current_time() == pytest.approx(LOOK_SECONDS * RATE)
    other.is_gone = True
    clock.deadline_to_sleep_time(3600.0)
    clock.current_time()
    assert clock.helpers == []


@linux
def test_time_does_not_wait_for_ever(clock: PatientClock, real: Real) -> None:
    clock.helpers.append(Other())  # type: ignore[arg-type]
    for _ in range(round(LONGEST_HOLD / LOOK_SECONDS) + 100):
        clock.deadline_to_sleep_time(3600.0)
        real.seconds += LOOK_SECONDS
        clock.current_time()
    assert 0 < clock.current_time() < 1


@linux
@pytest.mark.parametrize("idle", [True, False])
async def test_a_process_is_at_work_until_it_waits(idle: bool) -> None:
    code = "input()" if idle else "while True: pass"
    async with trio.open_nursery() as nursery:
        command = [sys.executable, "-c", code]
        process = await nursery.start(partial(trio.run_process, command, stdin=subprocess.PIPE, check=False))
        helper = Helper(process.pid)
        assert helper.is_at_work()
        if idle:
            while helper.is_at_work():  # noqa: ASYNC110 - it says nothing
                await trio.sleep(0.05)
        else:
            for _ in range(10):
                await trio.sleep(0.02)
                assert helper.is_at_work()
        process.kill()
        while not helper.is_gone:
            helper.is_at_work()
            await trio.sleep(0.01)


def in_a_thread(work: Callable[[], object]) -> tuple[float, float]:
    """Return how many seconds a thread has really taken, and how many have passed for who waited for it."""

    async def wait_for_it() -> tuple[float, float]:
        began, really = trio.current_time(), time.perf_counter()
        await trio.to_thread.run_sync(work)
        return time.perf_counter() - really, trio.current_time() - began

    plain = trio.to_thread.run_sync
    taken: tuple[float, float] = patient_clock.run(wait_for_it)
    assert trio.to_thread.run_sync is plain
    return taken


def test_time_is_real_while_a_thread_waits() -> None:
    really, passed = in_a_thread(lambda: time.sleep(0.2))
    assert 0 < passed <= really


@linux
def test_time_stands_still_while_a_thread_works() -> None:
    def work() -> None:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            hashlib.sha256(bytes(2_000_000))  # without the interpreter, as what is done in threads mostly is

    really, passed = in_a_thread(work)
    assert really >= 0.2
    assert passed < really / 2


def test_what_brings_a_loop_of_its_own_has_it_on_this_clock_too() -> None:
    with patient_clock.in_all_runs():
        assert isinstance(trio.run(clock_of_this), PatientClock)
    assert not isinstance(trio.run(clock_of_this), PatientClock)


async def clock_of_this() -> trio.abc.Clock:
    return trio.lowlevel.current_clock()


def test_seconds_take_a_fraction_and_another_clock_is_left_alone() -> None:
    began = time.perf_counter()
    patient_clock.run(partial(trio.sleep, 8))
    assert time.perf_counter() - began < 8
    patient_clock.run(partial(trio.sleep, 3600), clock=MockClock(autojump_threshold=0))
