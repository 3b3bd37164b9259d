"""Calls on their way into the lake: the same tables as here, each call once, whoever else writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from kept import Folder
from lakes import Postgres, asked, needs_extensions, needs_postgres, postgres

from bridge.errors import LakeError
from bridge.lake.opening import LakePlace, opened
from bridge.lake.reading import lake_reading
from bridge.lake.sending import Batch, send
from bridge.store.database import TABLES
from bridge.store.unsent import Unsent

pytestmark = needs_extensions


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["file", pytest.param("postgres", marks=needs_postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LakePlace:
    is_file = request.param == "file"
    catalogue = str(tmp_path / "lake.ducklake")
    if not is_file:
        catalogue = request.getfixturevalue("server").database(f"lake{abs(hash(tmp_path))}")
    return LakePlace(catalogue, str(tmp_path / "files"), "host-a", {})


def unsent_of(folder: Folder) -> Unsent:
    return Unsent.in_folder(folder.data)


def sent(folder: Folder, place: LakePlace, most: int = 500) -> Batch:
    with opened(place) as connection:
        return send(connection, place, folder.store, most)


def rows_in(place: LakePlace) -> dict[str, list[dict[str, object]]]:
    with lake_reading(place) as query:
        return {table: query(f"select * from {table} order by all", []) for table in TABLES}


def test_the_lake_has_the_tables_that_the_host_has(tmp_path: Path, place: LakePlace):
    folder = Folder(tmp_path / "data")
    folder.put("CA1")
    folder.put("CA2", day="2026-11-24", tape="interrupted")
    unsent_of(folder).mark(["CA1", "CA2"], are_new=True)
    assert sent(folder, place) == Batch(2)
    assert sent(folder, place) == Batch(0)
    there = rows_in(place)
    for row in there["calls"]:
        assert row.pop("host") == "host-a"
    assert there == folder.rows()


def test_a_call_that_is_sent_again_is_there_once_as_it_is_now(tmp_path: Path, place: LakePlace):
    folder = Folder(tmp_path / "data")
    folder.put("CA1")
    unsent_of(folder).mark(["CA1"], are_new=True)
    sent(folder, place)
    folder.put("CA1", caller="+15559876543")
    unsent_of(folder).mark(["CA1"], are_new=False)
    sent(folder, place)
    there = rows_in(place)
    assert [row["from_number"] for row in there["calls"]] == ["+15559876543"]
    assert there["transcript"] == folder.rows()["transcript"]


def test_a_call_whose_sender_died_after_it_was_in_is_there_once(tmp_path: Path, place: LakePlace):
    folder = Folder(tmp_path / "data")
    folder.put("CA1")
    unsent_of(folder).mark(["CA1"], are_new=True)
    with opened(place) as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Unsent, "done", dies)
        with pytest.raises(KeyboardInterrupt):
            send(connection, place, folder.store)
    assert sent(folder, place) == Batch(1)
    assert asked(place, "select count(*), count(distinct call_id) from lake.calls") == [(1, 1)]


def dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_call_that_is_gone_here_is_no_more_sent(tmp_path: Path, place: LakePlace):
    folder = Folder(tmp_path / "data")
    unsent_of(folder).mark(["CA1"], are_new=True)
    sent(folder, place)
    assert unsent_of(folder).count() == 0


def test_a_lake_that_is_away_is_told_without_what_enters_it_and_the_calls_wait(tmp_path: Path):
    folder = Folder(tmp_path / "data")
    folder.put("CA1")
    unsent_of(folder).mark(["CA1"], are_new=True)
    place = LakePlace("postgres://bridge@127.0.0.1:1/lake", str(tmp_path / "files"), "host-a", {})
    with pytest.raises(LakeError, match="Connection refused") as refused:
        sent(folder, place)
    assert "connect_timeout" not in str(refused.value)
    assert unsent_of(folder).count() == 1


def test_of_a_call_that_two_hosts_have_the_one_with_a_stream_counts(tmp_path: Path, place: LakePlace):
    for first, second in (("one", "two"), ("two", "one")):
        for name in (first, second):
            folder = Folder(tmp_path / f"{first}-{name}")
            folder.put(f"CA{first}")
            if name == "two":
                folder.store.query("update calls set stream_started_ms = null")
            unsent_of(folder).mark([f"CA{first}"], are_new=True)
            sent(folder, evolve(place, host=name))
    assert asked(place, "select call_id, host from lake.calls order by 1") == [
        ("CAone", "one"),
        ("CAtwo", "one"),
    ]
    assert len(rows_in(place)["transcript"]) == 2 * len(folder.rows()["transcript"])


def test_an_older_lake_gets_the_columns_that_it_lacks(tmp_path: Path, place: LakePlace):
    folder = Folder(tmp_path / "data")
    folder.put("CA1")
    with opened(place) as connection:
        connection.execute("create table lake.calls (call_id varchar, started_at timestamp, mood varchar)")
        connection.execute("insert into lake.calls values ('CA0', timestamp '2026-01-01', 'merry')")
    unsent_of(folder).mark(["CA1"], are_new=True)
    sent(folder, place)
    assert asked(place, "select call_id, agent, mood from lake.calls order by 1") == [
        ("CA0", None, "merry"), ("CA1", "front-desk", None),
    ]  # fmt: skip
