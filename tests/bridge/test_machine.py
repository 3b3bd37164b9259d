"""What a process finds out about its machine."""

import os
import sys

import pytest

from bridge.machine import quota_in, usable_cores


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("200000 100000\n", 2), ("150000 100000", 2), ("10000 100000", 1), ("6400000 100000", 64),
        ("max 100000\n", 0), ("", 0), ("200000", 0), ("200000 0", 0), ("two three", 0), ("-1 100000", 0),
    ],
)  # fmt: skip
def test_a_quota_is_so_many_cores_rounded_up(text: str, cores: int) -> None:
    assert quota_in(text) == cores


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells which cores a process may run on")
def test_cores_that_a_process_may_not_run_on_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= usable_cores() <= len(before)
