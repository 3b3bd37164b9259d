"""The soak: one time for several processes, and how what was measured is judged."""

from pathlib import Path

import pytest
from attrs import evolve

from bench import shared_clock, soak
from bench.shared_clock import LEAD_SECONDS, SharedClock
from bench.soak import Plan, Sample, Soak


class Real:
    """Real time, as the test wants it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Real:
    clock = Real()
    monkeypatch.setattr(shared_clock.time, "perf_counter", clock)
    return clock


def two_clocks(folder: Path) -> tuple[SharedClock, SharedClock]:
    path = folder / "clock"
    SharedClock.make(path, slots=2)
    clocks = SharedClock(path, 0, 2, rate=10.0), SharedClock(path, 1, 2, rate=10.0)
    for clock in clocks:
        clock.start_clock()
    return clocks


def test_time_is_faster_and_the_same_for_all_who_sleep(tmp_path: Path, real: Real) -> None:
    one, other = two_clocks(tmp_path)
    assert one.deadline_to_sleep_time(0.4) == pytest.approx(0.04)
    assert other.deadline_to_sleep_time(0.4) == pytest.approx(0.04)
    real.seconds += 0.03
    assert one.current_time() == pytest.approx(0.3)
    assert other.current_time() == pytest.approx(0.3)


def test_time_stands_still_for_whoever_works_and_waits_for_them(tmp_path: Path, real: Real) -> None:
    one, other = two_clocks(tmp_path)
    one.deadline_to_sleep_time(0.02)
    other.deadline_to_sleep_time(0.02)
    real.seconds += 0.002
    began = other.current_time()
    real.seconds += 5
    assert other.current_time() == began  # at work for five seconds
    assert one.current_time() == pytest.approx(began + LEAD_SECONDS)  # and the other one waits
    one.deadline_to_sleep_time(9.0)
    assert one.current_time() == pytest.approx(began + LEAD_SECONDS)
    other.deadline_to_sleep_time(9.0)
    one.deadline_to_sleep_time(9.0)
    real.seconds += 0.1
    assert one.current_time() > began + LEAD_SECONDS


def test_time_never_goes_back(tmp_path: Path, real: Real) -> None:
    one, other = two_clocks(tmp_path)
    seen = []
    for step in (0.01, 0.0, 0.05, 0.001):
        for clock in (one, other):
            clock.deadline_to_sleep_time(1e9)
            real.seconds += step
            seen.append(clock.current_time())
    assert seen[::2] == sorted(seen[::2])
    assert seen[1::2] == sorted(seen[1::2])


REST = Sample(0.0, 60, 0, 100_000, 80_000, 12, 2, 20, 0, 1.0, indexer_kb=85_000)


def soaked(folder: Path, *idle: Sample) -> Soak:
    return Soak(Plan(), folder, samples={"idle": list(idle)})


def test_what_grew_or_was_shed_is_a_fault(tmp_path: Path) -> None:
    more = evolve(REST, rss_kb=110_000)
    assert soak.judge(soaked(tmp_path, REST, more, evolve(more, rss_kb=112_100))) == []
    for change, said in (
        ({"rss_kb": 112_300}, "memory grew by 2.1 %"),
        ({"tasks": 21}, "tasks at rest: [20, 20, 21]"),
        ({"files": 13}, "files at rest: [12, 12, 13]"),
        ({"threads": 3}, "threads at rest: [2, 2, 3]"),
        ({"shed": 1}, "1 tape lines were shed"),
    ):
        (fault,) = soak.judge(soaked(tmp_path, REST, more, evolve(more, **change)))
        assert fault.startswith(said)


def test_hours_in_which_memory_grows_are_a_fault(tmp_path: Path) -> None:
    for step, count in ((0, 0), (500, 1)):
        one = soaked(tmp_path, REST, REST, REST)
        one.samples["hours"] = [evolve(REST, live=20, rss_kb=150_000 + step * hour) for hour in range(24)]
        assert len(soak.judge(one)) == count


def test_calls_without_a_row_or_a_tape_are_told(tmp_path: Path) -> None:
    (tmp_path / "data" / "tapes").mkdir(parents=True)
    from bridge.store.database import Store

    Store(tmp_path / "data" / "calls.duckdb").rebuild([], lambda: None)
    assert soak.judge_records(tmp_path, 2, lambda *_: None) == ["0 rows of 2 calls", "0 tapes of 2 calls"]
