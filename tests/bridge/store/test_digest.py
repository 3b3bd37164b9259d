"""What a list of calls shows of one."""

import re
from pathlib import Path

import duckdb
from kept import Folder

from bridge.store.database import Store
from bridge.store.digest import MOST_CHARACTERS, digest
from bridge.store.migrations import MIGRATIONS


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "said": text}


def test_the_callers_first_words_stand_for_a_call_and_are_bounded() -> None:
    rows = [
        said("agent", "Hello."),
        said("caller", ""),
        said("caller", "A table. " * 100),
        said("caller", "No."),
    ]
    words = digest(rows, [], [])["opening_words"]
    assert words.startswith("A table.")
    assert len(words) == MOST_CHARACTERS


def test_the_longest_wait_is_as_felt_where_that_is_known() -> None:
    turns = [
        {"response_ms": 900, "latency_ms": 1400},
        {"response_ms": 1500},
        {"response_ms": None, "latency_ms": None},
        {},
    ]
    assert digest([], [], turns)["longest_wait_ms"] == 1500
    assert digest([], [], [])["longest_wait_ms"] is None


def test_tools_that_failed_are_counted() -> None:
    assert digest([], [{"error_kind": None}, {"error_kind": "timeout"}], [])["failed_tool_calls"] == 1


def test_calls_that_were_there_before_are_told_the_same_of(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number, tape in enumerate(("hung_up", "interrupted", "model_lost")):
        folder.put(f"CA{number}", tape=tape)
    asked = "select call_id, opening_words, failed_tool_calls, longest_wait_ms from calls order by 1"
    fresh = folder.store.query(asked)
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        later = " ".join(MIGRATIONS[NUMBER - 1 :])
        for table, name in re.findall(r"alter table (\w+) add column (\w+)", later):
            connection.execute(f"alter table {table} drop column {name}")
        for table in re.findall(r"create table (\w+)", later):
            connection.execute(f"drop table {table}")
        connection.execute("delete from migrations where number >= ?", [NUMBER])
    assert Store(folder.store.path).query(asked) == fresh


NUMBER = next(number for number, sql in enumerate(MIGRATIONS, 1) if "opening_words" in sql)
