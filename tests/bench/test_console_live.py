"""The bench of pages beside calls: each difference is of one pair, and the median is of the differences."""

import pytest
from attrs import evolve

for package in ("picows", "uvloop"):
    pytest.importorskip(package, reason="uv run --group load pytest tests/bench/test_console_live.py")

from bench.console_live import WITH, WITHOUT, Half, said  # noqa: E402
from bench.load_figures import Level, Spread  # noqa: E402

QUIET = Spread(0.2, 1.0, 3.0, 100)
LEVEL = Level(
    side=WITHOUT, calls=50, seconds=10, cpu_ms=8, core_percent=40, waited_percent=0, to_model=QUIET, to_phone=QUIET,
    first_audio=QUIET, clears=QUIET, late=QUIET, load_percent=20, rss_mb=60, rss_idle_mb=45,
)  # fmt: skip


def test_a_difference_is_that_of_a_pair_and_not_of_medians() -> None:
    costs = [(4.0, 5.0), (8.0, 8.5), (2.0, 9.0)]
    pairs = [
        (
            Half(evolve(LEVEL, cpu_ms=a), 0),
            Half(evolve(LEVEL, side=WITH, cpu_ms=b), 3, events=20, kilobytes=100),
        )
        for a, b in costs
    ]
    (line,) = [line for line in said(pairs).splitlines() if "CPU" in line]
    assert line == "| CPU of the daemon, ms a call-second | 4.00 | 8.50 | **+1.00** | +1.00, +0.50, +7.00 |"
    assert said(pairs).endswith("told 2.0 times a second, 10 kB, and heard 0 kB.")
