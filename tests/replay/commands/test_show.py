"""`replay show`: a call's page from its tape alone, the same as the database would give."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bridge.page.drawing import clock
from bridge.screen.output import show_call
from bridge.store.database import Store
from bridge.store.one_call import read_record
from bridge.tapes.reader import read_tape
from replay.cli import main
from replay.tapes.pages import page_of

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_the_page_tells_the_call() -> None:
    result = replay("show", TAPES / "interrupted.jsonl.gz")
    assert result.exit_code == 0
    assert "by tool: the agent hung up" in result.output
    assert "the caller cut in" in result.output
    assert "check_table(" in result.output


def test_words_that_nobody_heard_are_marked_where_nothing_can_be_struck_through() -> None:
    plain = " ".join(replay("show", TAPES / "interrupted.jsonl.gz").output.split())
    assert "Harbour Table opened in nineteen [not heard: eighty-two, in an" in plain
    assert "the old stove is still]" in plain


def test_where_no_screen_is_each_row_is_one_line_however_long() -> None:
    page = page_of(read_tape(TAPES / "interrupted.jsonl.gz"))
    shown = replay("show", TAPES / "interrupted.jsonl.gz").output.splitlines()
    happened = len(page["transcript"]) + len(page["tool_calls"]) + len(page["log"]) + 1
    assert len(shown) >= happened
    for row in page["transcript"]:
        if row["heard"] and not row["unheard"]:
            assert [line for line in shown if line.endswith(f"  {row['heard']}")]
    assert [line for line in shown if line != line.rstrip()] == []


def test_a_narrow_screen_wraps_words_in_their_column() -> None:
    screen = Console(file=StringIO(), force_terminal=True, width=60)
    show_call(page_of(read_tape(TAPES / "interrupted.jsonl.gz")), screen)
    lines = screen.file.getvalue().splitlines()
    assert max(cell_len(Text.from_ansi(line).plain) for line in lines) <= 60


def test_words_that_nobody_heard_are_struck_through_on_a_screen() -> None:
    screen = Console(file=StringIO(), force_terminal=True, color_system="standard", width=200)
    show_call(page_of(read_tape(TAPES / "interrupted.jsonl.gz")), screen)
    shown = screen.file.getvalue()
    assert "\x1b[2;9meighty-two" in shown
    assert "not heard" not in shown


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "call_id"} for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_what_the_database_has(tmp_path: Path, name: str) -> None:
    page = page_of(read_tape(TAPES / name))
    store = Store(tmp_path / "calls.duckdb")
    store.add([TAPES / name])
    record = read_record(store, page["call"]["call_id"])
    for table in ("transcript", "tool_calls", "milestones", "items", "turns", "log"):
        assert page[table] == without_times(record[table])
    assert page["call"]["duration_ms"] == record["call"]["duration_ms"]


def test_json_has_every_table() -> None:
    told = json.loads(replay("show", TAPES / "interrupted.jsonl.gz", "--json").output)
    assert list(told) == [
        "call",
        "transcript",
        "tool_calls",
        "milestones",
        "items",
        "turns",
        "log",
        "legs",
        "marks",
    ]
    assert len(told["turns"]) == 2


def test_what_is_no_tape_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"hello\n")
    result = replay("show", tmp_path / "x.jsonl")
    assert result.exit_code == 2
    assert "not a tape" in result.stderr


def test_a_line_that_lacks_what_it_needs_is_an_error_and_no_crash(tmp_path: Path) -> None:
    line = b'{"t_ms":1,"leg":"note","from":"bridge","note":{}}\n'
    (tmp_path / "x.jsonl").write_bytes((TAPES / "formats" / "format1.jsonl").read_bytes() + line)
    parquet = ["export", "--parquet", str(tmp_path / "out")]
    for command in (["show"], ["grep", "x"], parquet):
        result = replay(*command, tmp_path / "x.jsonl")
        assert result.exit_code == 2
        assert "Error:" in result.stderr


def test_moments_are_those_of_the_calls_page_each_rounded_to_the_nearest() -> None:
    page = page_of(read_tape(TAPES / "interrupted.jsonl.gz"))
    shown = replay("show", TAPES / "interrupted.jsonl.gz").output.splitlines()
    for t_ms, clocked, told in ((285, "0:00.3", "0.29"), (1294, "0:01.3", "1.29"), (1295, "0:01.3", "1.30")):
        page["milestones"].append({"t_ms": t_ms, "name": f"at_{t_ms}", "data": {}})
        assert clock(t_ms) == clocked
        screen = Console(file=StringIO(), width=200)
        show_call(page, screen)
        (row,) = (line for line in screen.file.getvalue().splitlines() if f" at_{t_ms}" in line)
        assert row.split()[0] == told
    assert any(line.split()[:2] == ["2.63", "barge-in"] for line in shown)
