"""The list of calls as a file: the same calls, and nothing that a sheet would carry out."""

import csv
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from consoles import site
from kept import Folder

from bridge.tapes.names import READY


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    kept = Folder(tmp_path)
    kept.put("CA1")
    kept.put("CA2", caller="+15559876001")
    return kept


async def rows(folder: Folder, asked: str = "") -> list[dict[str, str]]:
    response = await site(folder.data).get(f"/console/calls.csv{asked}")
    assert response.headers["Content-Disposition"] == 'attachment; filename="calls.csv"'
    return list(csv.DictReader(StringIO(await response.get_data(as_text=True))))


async def test_a_file_has_the_calls_of_the_list(folder: Folder) -> None:
    assert {row["call_id"] for row in await rows(folder)} == {"CA1", "CA2"}
    assert [row["call_id"] for row in await rows(folder, "?number=987600")] == ["CA2"]
    assert list((folder.data / READY).iterdir()) == []


@pytest.mark.parametrize("word", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
async def test_no_sheet_takes_what_a_caller_said_for_a_formula(folder: Folder, word: str) -> None:
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        connection.execute("update calls set opening_words = ?", [word])
    assert {row["opening_words"] for row in await rows(folder)} == {f"'{word}"}


async def test_a_number_stays_a_number(folder: Folder) -> None:
    assert {row["from_number"] for row in await rows(folder)} == {"+15550123456", "+15559876001"}


async def test_a_file_has_the_marks_that_were_given_last(folder: Folder) -> None:
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        for position, (mark, label) in enumerate((("bad", "slow"), ("good", "=fine"))):
            connection.execute(
                "insert into marks (call_id, position, mark, label) values ('CA1', ?, ?, ?)",
                [position, mark, label],
            )
    found = {row["call_id"]: (row["mark"], row["label"]) for row in await rows(folder)}
    assert found == {"CA1": ("good", "'=fine"), "CA2": ("", "")}
    assert [row["call_id"] for row in await rows(folder, "?label=fine")] == ["CA1"]


async def test_parquet_can_be_read_as_it_is(folder: Folder, tmp_path: Path) -> None:
    response = await site(folder.data).get("/console/calls.parquet")
    path = tmp_path / "out.parquet"
    path.write_bytes(await response.get_data(as_text=False))
    with duckdb.connect() as connection:
        assert connection.execute(f"select count(*) from '{path}'").fetchone() == (2,)


async def test_before_the_first_call_there_is_no_file(tmp_path: Path) -> None:
    assert (await site(tmp_path).get("/console/calls.csv")).status_code == 404
