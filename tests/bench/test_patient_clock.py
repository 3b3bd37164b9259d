"""The clock of the wire tests: time that passes while there is nothing to do, and waits for what is done."""

import time
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from bench import patient_clock
from bench.patient_clock import LONGEST_SLEEP, LONGEST_WORK, RATE, PatientClock


class Real:
    """Real time, as the test wants it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Real:
    it = Real()
    monkeypatch.setattr(patient_clock.time, "perf_counter", it)
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
    real.seconds += LONGEST_WORK - 0.1
    assert clock.current_time() == woke


def test_whoever_wakes_late_has_missed_nothing(clock: PatientClock, real: Real) -> None:
    clock.deadline_to_sleep_time(0.02)
    real.seconds += 30
    assert clock.current_time() == 0.02
    assert clock.deadline_to_sleep_time(0.02) == 0


def test_time_goes_on_for_a_loop_that_never_sleeps(clock: PatientClock, real: Real) -> None:
    real.seconds += LONGEST_WORK + 1
    assert clock.current_time() == pytest.approx(1)
    real.seconds += 1
    assert clock.current_time() == pytest.approx(2)


def test_time_is_real_while_something_works_elsewhere(clock: PatientClock, real: Real) -> None:
    is_working = True
    clock.others.append(lambda: is_working)
    clock.deadline_to_sleep_time(9.0)
    real.seconds += 0.02
    assert clock.current_time() == pytest.approx(0.02)
    is_working = False
    clock.deadline_to_sleep_time(9.0)
    real.seconds += 0.02
    assert clock.current_time() == pytest.approx(0.02 + 0.02 * RATE)


def test_time_is_real_while_a_thread_works() -> None:
    async def wait_for_a_thread() -> tuple[float, float]:
        began, really = trio.current_time(), time.perf_counter()
        await trio.to_thread.run_sync(time.sleep, 0.05)
        return trio.current_time() - began, time.perf_counter() - really

    plain = trio.to_thread.run_sync
    passed, really = patient_clock.run(wait_for_a_thread)
    assert 0 < passed <= really
    assert trio.to_thread.run_sync is plain


def test_seconds_take_a_fraction_and_another_clock_is_left_alone() -> None:
    began = time.perf_counter()
    patient_clock.run(partial(trio.sleep, 8))
    assert time.perf_counter() - began < 8
    patient_clock.run(partial(trio.sleep, 3600), clock=MockClock(autojump_threshold=0))
