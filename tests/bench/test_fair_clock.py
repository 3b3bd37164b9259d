"""The clock of what measures lateness: it counts what the loop did, and not what others did to the machine."""

import os
import subprocess
import sys
import time

import pytest

from bench.fair_clock import FairClock

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells for how long a thread has waited")


def work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize("block", [time.sleep, work])
def test_what_blocks_the_loop_is_late(block: object) -> None:
    clock = FairClock()
    began = clock.current_time()
    block(0.2)  # type: ignore[operator]
    assert clock.current_time() - began >= 0.19


@linux
def test_what_others_do_is_not_its_lateness() -> None:
    cpus = os.sched_getaffinity(0)
    clock, spin = FairClock(), [sys.executable, "-c", "while True: pass"]
    os.sched_setaffinity(0, {min(cpus)})
    others = [subprocess.Popen(spin) for _ in range(2)]
    try:
        began, really = clock.current_time(), time.perf_counter()
        work(0.3)
        passed, took = clock.current_time() - began, time.perf_counter() - really
    finally:
        os.sched_setaffinity(0, cpus)
        for other in others:
            other.kill()
            other.wait()
    assert passed == pytest.approx(0.3, abs=0.05)
    assert took > passed + 0.1
