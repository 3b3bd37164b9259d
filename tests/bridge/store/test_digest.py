"""What a list of calls shows of one."""

from pathlib import Path

import duckdb
from kept import Folder

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
    before = folder.rows()
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        for name in ("opening_words", "failed_tool_calls", "longest_wait_ms"):
            connection.execute(f"alter table calls drop column {name}")
        connection.execute("drop table spoken")
        for sql in (sql for sql in MIGRATIONS if "opening_words" in sql or "table spoken" in sql):
            connection.execute(sql)
    assert folder.rows() == before
