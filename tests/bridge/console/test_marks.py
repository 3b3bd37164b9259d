"""Marks that people give to calls: kept with the tape, found by, rebuilt from it, and gone with the call."""

from pathlib import Path

import pytest
from consoles import Site, site
from kept import Folder

from bridge.console.marks import TAPELESS
from bridge.retention.erase import erase_rows
from bridge.tapes.late import MOST_MARKS
from bridge.tapes.reader import read_tape

BAD = {"mark": "bad", "label": "prices", "note": "told a price that is none"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    kept = Folder(tmp_path)
    for call in ("CA1", "CA2"):
        kept.put(call, tape="interrupted")
    return kept


async def give(console: Site, call: str, **form: str) -> int:
    return (await console.post(f"/console/calls/{call}/mark", form)).status_code


def marks(folder: Folder) -> list[tuple[str, str, str, str]]:
    rows = folder.store.query("select * from marks order by call_id, position")
    return [(row["call_id"], row["given_by"], row["mark"], row["note"]) for row in rows]


async def test_a_mark_is_kept_shown_and_found_by(folder: Folder) -> None:
    console = site(folder.data)
    assert await give(console, "CA1", **BAD) == 303
    assert marks(folder) == [("CA1", "anna", "bad", BAD["note"])]
    assert BAD["note"] in await console.page("/console/calls/CA1")
    for asked, found in (("bad", "CA1"), ("any", "CA1"), ("none", "CA2")):
        page = await console.page(f"/console/calls?marked={asked}")
        assert "1 call," in page
        assert f"/console/calls/{found}" in page
    assert "No call is like that" in await console.page("/console/calls?marked=good")


async def test_what_was_said_last_counts(folder: Folder) -> None:
    console = site(folder.data)
    for mark in ("bad", "good", ""):
        await give(console, "CA1", mark=mark)
    assert [mark for _, _, mark, _ in marks(folder)] == ["bad", "good", ""]
    assert "No call is like that" in await console.page("/console/calls?marked=bad")


async def test_a_database_made_anew_has_them_all(folder: Folder) -> None:
    console = site(folder.data)
    await give(console, "CA1", **BAD)
    before = folder.rows()
    assert folder.store.rebuild(sorted((folder.data / "tapes").rglob("*.gz")), lambda: None) == []
    assert folder.rows() == before


async def test_a_call_that_is_erased_takes_them_along(folder: Folder) -> None:
    await give(site(folder.data), "CA1", **BAD)
    assert erase_rows(folder.store, ["CA1"])["marks"] == 1
    assert marks(folder) == []


async def test_nothing_else_of_the_call_changes(folder: Folder) -> None:
    before, tape = folder.rows("CA1"), next((folder.data / "tapes").rglob("CA1*"))
    lines = read_tape(tape).lines
    await give(site(folder.data), "CA1", **BAD)
    after = folder.rows("CA1")
    assert {name: rows for name, rows in after.items() if name != "marks"} == {
        name: rows for name, rows in before.items() if name != "marks"
    }
    assert read_tape(tape).lines[:-1] == lines


async def test_without_a_tape_nothing_is_kept_and_that_is_said(folder: Folder) -> None:
    response = await site(folder.data).post("/console/calls/CA9/mark", BAD)
    assert response.status_code == 503
    assert TAPELESS in await response.get_data(as_text=True)


async def test_a_mark_is_one_of_few_and_there_are_not_too_many(folder: Folder) -> None:
    console = site(folder.data)
    assert await give(console, "CA1", mark="splendid") == 400
    for _ in range(MOST_MARKS):
        await give(console, "CA1", mark="good")
    assert await give(console, "CA1", mark="bad") == 503
    assert len(marks(folder)) == MOST_MARKS


async def test_nobody_marks_a_call_through_another_page(folder: Folder) -> None:
    response = await site(folder.data).post("/console/calls/CA1/mark", BAD, Origin="https://evil.example.com")
    assert response.status_code == 403
    assert marks(folder) == []
