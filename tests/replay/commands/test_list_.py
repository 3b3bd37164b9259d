"""`replay list`: the calls on tape, read from the tapes themselves."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bridge.tapes.lock import held_alone
from replay.cli import main
from replay.commands.list_ import table_of
from replay.tapes.pages import entry_of

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.rglob("*.jsonl*"))


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def listed(*args: str | Path) -> list[dict[str, Any]]:
    result = replay("list", *args, "--json")
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.output)
    return found


def test_every_tape_is_listed_in_order_of_time() -> None:
    found = listed(TAPES)
    assert len(found) == len(NAMES)
    assert [entry["started_at"] for entry in found] == sorted(entry["started_at"] for entry in found)


def test_an_entry_says_how_a_call_ended() -> None:
    entry = entry_of(TAPES / "hung_up.jsonl.gz")
    assert (entry.ended_by, entry.why, entry.agent) == ("caller", "hung up", "front-desk")
    assert 500 < entry.length_ms < 2000


def test_a_call_without_an_end_crashed(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes((TAPES / "formats" / "format1.jsonl").read_bytes()[:9000])
    (entry,) = listed(tmp_path)
    assert (entry["ended_by"], entry["why"], entry["is_torn"]) == ("bridge", "crashed", True)


def test_a_call_that_a_daemon_records_now_goes_on(tmp_path: Path) -> None:
    day = tmp_path / "tapes" / "2026-11-23"
    day.mkdir(parents=True)
    (day / "x.jsonl").write_bytes((TAPES / "formats" / "format1.jsonl").read_bytes()[:9000])
    (day / "y.jsonl.gz").write_bytes((TAPES / "hung_up.jsonl.gz").read_bytes())
    with held_alone(tmp_path):
        live, over = sorted(listed(tmp_path), key=lambda entry: entry["path"])
        table = replay("list", tmp_path).output
    assert (live["ended_by"], live["why"]) == ("", "goes on")
    assert over["ended_by"] == "caller"
    assert "goes on" in table
    assert "torn" not in table
    left, _ = sorted(listed(tmp_path), key=lambda entry: entry["path"])
    assert (left["ended_by"], left["why"]) == ("bridge", "crashed")


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (["--ended-by", "caller"], 6),
        (["--ended-by", "operator"], 1),
        (["--agent", "front-desk"], len(NAMES)),
        (["--agent", "nobody"], 0),
        (["--since", "2026-11-23 07:00:01"], len([*TAPES.glob("*.jsonl.gz")]) + 3),
        (["--since", "2099-01-01"], 0),
    ],
)
def test_filters_leave_out_what_is_not_asked_for(filters: list[str], wanted: int) -> None:
    assert len(listed(TAPES, *filters)) == wanted


def test_the_table_has_a_line_a_call() -> None:
    result = replay("list", TAPES)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == len(NAMES) + 1
    assert "caller: hung up" in result.output


def test_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    assert replay("list", tmp_path).output.startswith(f"No calls in {tmp_path}; ")
    assert "fewer filters" in replay("list", TAPES, "--agent", "nobody").output


def test_what_cant_be_read_is_named_and_the_rest_is_listed(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"hello\n")
    (tmp_path / "y.jsonl.gz").write_bytes((TAPES / "hung_up.jsonl.gz").read_bytes())
    result = replay("list", tmp_path)
    assert result.exit_code == 2
    assert "x.jsonl: not a tape" in result.stderr or "not a tape" in result.stderr
    assert "hung up" in result.stdout


@pytest.mark.parametrize("width", [80, 110, 240])
def test_a_list_keeps_moments_and_ids_whole_on_every_screen(width: int) -> None:
    screen = Console(file=StringIO(), width=width)
    screen.print(table_of([entry_of(TAPES / "interrupted.jsonl.gz")], width))
    lines = screen.file.getvalue().splitlines()
    assert lines[1].startswith("2026-11-23 07:03:57  CAf4641369  ")
    assert "interrupted.jsonl.gz" in lines[1]
    assert max(map(len, lines)) <= width
