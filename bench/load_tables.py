"""How the load bench prints what it measured, and where the tables are kept. It measures nothing."""

import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from bench.load_figures import MOST_MS, Level, by_side, median_of, most_carried, ratios

REPORT: Final = Path(__file__).with_name("load.md")
HEAD: Final = "# Load\n\nWritten by `python -m bench.load --write`; what its columns mean is said there.\n"
COLUMNS: Final = (
    "calls", "side", "CPU ms a call-second", "of a core", "caller → model ms", "model → caller ms", "start → sound ms",
    "speech → clear ms", "RSS MB", "kB a call", "load late ms", "",
)  # fmt: skip


def machine() -> str:
    """Return where and when this is measured, and what else the machine does."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    load = Path("/proc/loadavg").read_text().split()[:3]
    return (
        f"{model[1] if model else platform.machine()}, {cores} cores, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average {' '.join(load)}"
    )


def table(levels: Sequence[Level]) -> str:
    """Return medians as a table, a line for each number of calls at each side."""
    grouped = by_side(levels)
    rows = [_cells(median_of(grouped[key])) for key in sorted(grouped, key=lambda pair: pair[1])]
    return "\n".join(_row(row) for row in (COLUMNS, ["---"] * len(COLUMNS), *rows))


def _cells(one: Level) -> list[str]:
    parts = " + ".join(f"{part:.0f}" for part in one.by_process)
    return [
        str(one.calls),
        one.side,
        f"{one.cpu_ms:.2f}",
        f"{one.core_percent:.0f} %" + (f" ({parts})" if len(one.by_process) > 1 else ""),
        str(one.to_model),
        str(one.to_phone),
        str(one.first_audio),
        str(one.clears),
        f"{one.rss_idle_mb:.0f} → {one.rss_mb:.0f}",
        f"{one.rss_kb_a_call:.0f}",
        f"{one.late.p50:.2f} / {one.late.p99:.1f} / {one.late.most:.0f}",
        one.faults,
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def ratio_lines(levels: Sequence[Level], side: str, other: str) -> str:
    """Return how much CPU one side takes by what another takes: the median, and each pair."""
    return "\n".join(
        f"- {side} / {other} at {calls} calls: **{median(found):.2f}** ({', '.join(f'{one:.2f}' for one in found)})"
        for calls, found in ratios(levels, side, other).items()
    )


def carried_lines(levels: Sequence[Level]) -> str:
    """Return how many calls each side carried at most, of the numbers that were tried."""
    most = most_carried(levels)
    return "\n".join(
        f"- {side}: {calls} calls at most with p99 ≤ {MOST_MS:.0f} ms and nothing lost, of those tried"
        for side, calls in most.items()
    )


def write(title: str, text: str, path: Path = REPORT) -> None:
    """Put a section into the report, in place of the one with the same title."""
    old = path.read_text(encoding="utf-8") if path.exists() else HEAD
    head, *sections = re.split(r"^(?=## )", old, flags=re.MULTILINE)
    kept = {one.splitlines()[0]: one.rstrip() + "\n" for one in sections}
    kept[f"## {title}"] = f"## {title}\n\n{text.rstrip()}\n"
    path.write_text("\n".join([head.rstrip() + "\n", *kept.values()]), encoding="utf-8")
