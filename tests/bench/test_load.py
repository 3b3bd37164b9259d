"""The load bench: what it counts, how it judges, and two calls of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from bench import load_tables
from bench.load_figures import Level, Spread, median_of, most_carried, ratios
from bench.load_frames import Seen, Sequence, frame_payload, frames_in, string_behind, voice_payload
from bench.load_shares import OTHER, shares_of

ROOT = Path(__file__).parents[2]
QUIET = Spread(0.2, 1.0, 3.0, 100)
LEVEL = Level(
    side="bridge", calls=50, seconds=10, cpu_ms=8, core_percent=40, waited_percent=0, to_model=QUIET, to_phone=QUIET,
    first_audio=QUIET, clears=QUIET, late=Spread(0.1, 0.3, 1.0, 100), load_percent=20, rss_mb=60, rss_idle_mb=45,
)  # fmt: skip


def test_a_frame_says_whose_it_is_and_which_one_wherever_it_is_cut() -> None:
    assert frames_in(frame_payload(7, 300)) == [(7, 300)]
    assert len(frame_payload(7, 300)) == 216
    assert frames_in(voice_payload(9, 12, 5)) == [(9, 12), (9, 13), (9, 14), (9, 15), (9, 16)]
    assert frames_in(voice_payload(9, 12, 1)[:-4]) == [(-1, -1)]
    for text in (b'{"media":{"payload":"abc"}}', b'{"media": {"payload": "abc"}}'):
        assert string_behind(text, b'"payload"') == b"abc"


def test_each_frame_that_never_comes_is_counted_and_each_that_should_not_be_there() -> None:
    seen = Seen()
    sequence = Sequence(7, seen)
    for owner, number in ((7, 0), (7, 1), (7, 4), (7, 3), (8, 5), (7, 5)):
        sequence.came(owner, number)
    assert (seen.lost, seen.strange, sequence.expected) == (2, 2, 6)
    late = Sequence(7, late_seen := Seen())
    late.came(7, 3)
    assert late_seen.lost == 3  # the first frames count


def test_a_level_is_carried_if_nothing_is_lost_and_the_worse_way_is_in_time() -> None:
    assert LEVEL.is_carried
    assert LEVEL.faults == ""
    for change in (
        {"lost": 1},
        {"strange": 1},
        {"dropped": 1},
        {"uncleared": 1},
        {"to_model": Spread(1, 20.1, 30, 9)},
        {"to_phone": Spread(1, 20.1, 30, 9)},
    ):
        assert not evolve(LEVEL, **change).is_carried
    assert "the load was late" in evolve(LEVEL, late=Spread(1, 2.1, 9, 9)).faults
    assert "others had its core for 4 %" in evolve(LEVEL, waited_percent=4).faults
    levels = [evolve(LEVEL, calls=calls, lost=int(calls == 75)) for calls in (25, 50, 75, 100)]
    assert most_carried(levels) == {"bridge": 50}
    assert most_carried([evolve(LEVEL, lost=1)]) == {"bridge": 0}


def test_sides_are_compared_pair_by_pair_and_medians_hide_no_loss() -> None:
    ours = [evolve(LEVEL, cpu_ms=cpu) for cpu in (8.0, 9.0, 30.0)]
    theirs = [evolve(LEVEL, side="sample", cpu_ms=cpu) for cpu in (10.0, 10.0, 15.0)]
    assert ratios([*ours, *theirs], "bridge", "sample") == {50: [0.8, 0.9, 2.0]}
    middle = median_of([*ours[:2], evolve(ours[2], lost=3, to_model=Spread(0.2, 9.0, 99.0, 1))])
    assert (middle.cpu_ms, middle.lost, middle.to_model.p99, middle.to_model.most) == (9.0, 3, 1.0, 99.0)


def test_samples_are_shared_out_by_the_innermost_frame() -> None:
    raw = "main (bridge/cli.py);send (trio/_socket.py:9) 3\nhandle (bridge/heart/call.py:1) 1\nx (json/decoder.py) 4\n"
    assert shares_of(raw) == {OTHER: 50.0, "trio: sockets, with their system calls": 37.5, "heart": 12.5}


def test_a_section_of_the_report_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "load.md"
    for title, text in (("one", "first"), ("two", load_tables.table([LEVEL])), ("one", "second")):
        load_tables.write(title, text, path)
    written = path.read_text()
    assert "first" not in written
    assert written.index("## one\n\nsecond") < written.index("## two\n\n| calls | side |")
    assert "| 50 | bridge | 8.00 | 40 % |" in written


def test_two_calls_lose_nothing_in_the_daemon_or_in_a_relay() -> None:
    for package in ("fastapi", "picows", "trustme", "uvicorn", "uvloop"):
        pytest.importorskip(package, reason="uv run --group load pytest tests/bench/test_load.py")
    command = [sys.executable, "-m", "bench.load", "--calls", "2", "--seconds", "1", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    levels = {one["side"]: one for one in json.loads(done.stdout)}
    assert set(levels) == {"bridge", "sample", "floor"}
    for one in levels.values():
        assert (one["lost"], one["strange"], one["dropped"], one["refused"]) == (0, 0, 0, 0)
        assert min(one["to_model"]["count"], one["first_audio"]["count"]) > 0
