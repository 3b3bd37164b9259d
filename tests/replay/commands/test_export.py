"""`replay export --parquet`: the tables of the store and every message on the wire, as columns."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from bridge.store.database import TABLES
from bridge.tapes.reader import read_tape
from replay.cli import main
from replay.tapes.pages import page_of
from replay.tapes.wire import wire_lines

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def rows(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    result = replay("export", "--parquet", tmp_path / "out", *(TAPES / name for name in NAMES))
    assert result.exit_code == 0
    return tmp_path / "out"


def test_there_is_a_file_a_table_and_the_frames(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {f"{name}.parquet" for name in (*TABLES, "frames")}


def test_the_rows_are_those_of_the_tapes(folder: Path) -> None:
    pages = [page_of(read_tape(TAPES / name)) for name in NAMES]
    assert rows(f"select count(*) from '{folder}/calls.parquet'") == [(len(NAMES),)]
    for table in TABLES[1:]:
        if table == "spoken":  # a text a call, to search in
            wanted = sum(any(row["said"] for row in page["transcript"]) for page in pages)
        else:
            wanted = sum(len(page[table]) for page in pages)
        assert rows(f"select count(*) from '{folder}/{table}.parquet'") == [(wanted,)]


def test_the_frames_are_the_messages_on_the_wire(folder: Path) -> None:
    wanted = sum("msg" in line for name in NAMES for line in wire_lines(read_tape(TAPES / name)))
    assert rows(f"select count(*) from '{folder}/frames.parquet'") == [(wanted,)]


def test_a_media_frame_is_as_large_both_ways(folder: Path) -> None:
    sql = f"""select "from", count(*), min(bytes) from '{folder}/frames.parquet'
              where kind = 'media' group by all order by all"""
    (bridge, twilio) = rows(sql)
    assert bridge[0] == "bridge"
    assert bridge[2] > 160
    assert twilio[2] > 160 * 4 / 3


@pytest.mark.parametrize(
    "options", [[], ["--wire", "--parquet", "x"], ["--parquet", "x", "-o", "y"], ["--wire", str(TAPES)]]
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, options: list[str]) -> None:
    assert replay("export", *options, TAPES / NAMES[0]).exit_code == 2


def test_a_tape_that_cant_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"hello\n")
    result = replay("export", "--parquet", tmp_path / "out", tmp_path / "x.jsonl")
    assert result.exit_code == 2
    assert "not a tape" in result.stderr


def test_a_folder_that_cant_be_written_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = replay("export", "--parquet", tmp_path / "file" / "out", TAPES / NAMES[0])
    assert result.exit_code == 2
    assert "Try:" in result.stderr
