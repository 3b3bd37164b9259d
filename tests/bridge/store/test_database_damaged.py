"""The index as two files: damaged, foreign, left alone or newer, it can always be made anew, and nothing is lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from kept import Folder

from bridge.cli import main
from bridge.errors import HeldError, NewerError, StoreError
from bridge.store.database import Store, meaning_of
from bridge.store.database_files import delete_database, replace_database, set_aside, those_aside, wal_of
from bridge.store.migrations import MIGRATIONS

WRITE = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); os._exit(0)"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


def bridge(folder: Folder, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--data", str(folder.data)])


def files(folder: Folder) -> list[str]:
    return sorted(path.name for path in folder.data.glob("[!.]*") if path.is_file())


def leave_log(folder: Folder) -> Path:
    """Let a process die with its last transaction in the log alone."""
    sql = "update transcript set said = repeat('word', 1000)"
    subprocess.run([sys.executable, "-c", WRITE, str(folder.store.path), sql], check=True)
    return wal_of(folder.store.path)


# ---------------------------------------------------------------- what can be wrong with it


def a_damaged_log(folder: Folder) -> None:
    log = leave_log(folder)
    data = bytearray(log.read_bytes())
    data[60:100] = bytes(40)
    log.write_bytes(data)


def a_foreign_log(folder: Folder) -> None:
    other = Folder(folder.data.parent / "other")
    other.put("CAother")
    shutil.copy(leave_log(other), wal_of(folder.store.path))


def a_log_alone(folder: Folder) -> None:
    leave_log(folder)
    folder.store.path.unlink()


def no_database(folder: Folder) -> None:
    folder.store.path.write_bytes(b"not a database" * 1000)


def a_damaged_file(folder: Folder) -> None:
    data = bytearray(folder.store.path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    folder.store.path.write_bytes(data)


def half_a_file(folder: Folder) -> None:
    data = folder.store.path.read_bytes()
    folder.store.path.write_bytes(data[: len(data) // 2])


def an_empty_file(folder: Folder) -> None:
    folder.store.path.write_bytes(b"")


def a_newer_schema(folder: Folder) -> None:
    with duckdb.connect(str(folder.store.path)) as connection:
        connection.execute("insert into migrations values (99)")
        connection.execute("alter table calls add column mood varchar default 'merry'")


SCHEMA = len(MIGRATIONS)
FAULTS = [a_damaged_log, a_foreign_log, a_log_alone, no_database, a_damaged_file, half_a_file, an_empty_file,
          a_newer_schema]  # fmt: skip
READERS = [("calls",), ("show", "last"), ("keep", "--dry-run"), ("forget", "CA1", "--dry-run")]


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_no_reader_ends_with_a_traceback_and_reindex_mends_it(
    folder: Folder, spoil: Callable[[Folder], None]
) -> None:
    folder.put("CA1")
    before = folder.rows()
    spoil(folder)
    config = folder.data.parent / "config.toml"
    config.write_text("[agents.front-desk]\n")
    for words in READERS:
        done = CliRunner().invoke(main, [*words, "--data", str(folder.data), "-c", str(config)])
        assert isinstance(done.exception, SystemExit | None), (words, done.exception)
        assert done.exit_code in (0, 2), (words, done.output)
        assert done.exit_code == 0 or any(cure in done.output for cure in ("bridge reindex", "no such")), (
            words
        )
    made = bridge(folder, "reindex")
    assert (made.exit_code, "1 call from 1 tape" in made.output) == (0, True), made.output
    assert bridge(folder, "calls").exit_code == 0
    assert folder.rows() == before
    assert [name for name in files(folder) if name.endswith(".wal") and "set-aside" not in name] == []


@pytest.mark.parametrize(
    "spoil", [a_damaged_log, a_foreign_log, a_newer_schema], ids=lambda spoil: spoil.__name__
)
def test_rows_of_calls_without_a_tape_outlive_a_database_that_is_made_anew(
    folder: Folder, spoil: Callable[[Folder], None]
) -> None:
    if spoil is a_foreign_log and duckdb.__version__ < "2":
        pytest.skip("DuckDB 1 takes the log of another database of the same making for its own")
    folder.put("CAlost").unlink()
    folder.put("CA1")
    before = folder.rows()
    spoil(folder)
    assert bridge(folder, "reindex").exit_code == 0
    assert folder.rows() == before


def test_a_newer_database_is_kept_aside_whole_and_its_own_version_can_read_it(folder: Folder) -> None:
    folder.put("CA1")
    a_newer_schema(folder)
    with pytest.raises(NewerError, match=rf"schema {SCHEMA + 1}, this one knows {SCHEMA}.*bridge reindex"):
        folder.store.call_ids()
    said = bridge(folder, "reindex").output
    (aside,) = those_aside(folder.store.path)
    assert (aside.name, aside.name in said) == (f"calls.set-aside-schema-{SCHEMA + 1}.duckdb", True)
    with duckdb.connect(str(aside), read_only=True) as connection:
        assert connection.execute("select call_id, mood from calls").fetchall() == [("CA1", "merry")]


def test_what_can_be_taken_over_whole_is_not_kept_twice(folder: Folder) -> None:
    folder.put("CA1")
    leave_log(folder)
    assert bridge(folder, "reindex").exit_code == 0
    assert files(folder) == ["calls.duckdb"]


def test_forgetting_says_that_a_database_aside_was_not_looked_into(folder: Folder) -> None:
    folder.put("CA1")
    a_newer_schema(folder)
    bridge(folder, "reindex")
    done = bridge(folder, "forget", "CA1", "--yes")
    assert done.exit_code == 1
    assert f"calls.set-aside-schema-{SCHEMA + 1}.duckdb" in done.output
    delete_database(those_aside(folder.store.path)[0])
    assert folder.holding("CA1") == []


def test_forgetting_takes_a_log_that_stands_alone(folder: Folder) -> None:
    folder.put("CA1")
    a_log_alone(folder)
    assert bridge(folder, "forget", "CA1", "--yes").exit_code == 0
    assert files(folder) == ["forgotten"]


def test_what_was_half_built_by_a_process_that_died_is_gone_after_the_next(folder: Folder) -> None:
    folder.put("CA1")
    half = Store(folder.store.path.with_suffix(".rebuilding"))
    half.path.write_bytes(b"half")
    wal_of(half.path).write_bytes(b"half")
    assert bridge(folder, "reindex").exit_code == 0
    assert files(folder) == ["calls.duckdb"]


# ---------------------------------------------------------------- two files


def pair(folder: Path, name: str, *, has_log: bool = True) -> Path:
    path = folder / name
    path.write_text(name)
    if has_log:
        wal_of(path).write_text(f"log of {name}")
    return path


def there(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_both_files_go_and_it_matters_not_which_is_there(tmp_path: Path) -> None:
    for path in (pair(tmp_path, "a"), pair(tmp_path, "b", has_log=False), tmp_path / "c"):
        delete_database(path)
    wal_of(tmp_path / "d").write_text("alone")
    delete_database(tmp_path / "d")
    assert there(tmp_path) == {}


def test_a_database_never_inherits_the_log_of_the_one_whose_place_it_takes(tmp_path: Path) -> None:
    replace_database(pair(tmp_path, "new", has_log=False), pair(tmp_path, "old"))
    assert there(tmp_path) == {"old": "new"}
    replace_database(pair(tmp_path, "newer"), tmp_path / "old")
    assert there(tmp_path) == {"old": "newer", "old.wal": "log of newer"}


def test_what_is_set_aside_stays_a_pair_and_overwrites_nothing(tmp_path: Path) -> None:
    names = [set_aside(pair(tmp_path, "calls.duckdb"), "unreadable").name for _ in range(2)]
    assert names == ["calls.set-aside-unreadable.duckdb", "calls.set-aside-unreadable-2.duckdb"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names, *(f"{name}.wal" for name in names)]
    )


@pytest.mark.parametrize(
    ("problem", "kind", "cure"),
    [
        (
            'IO Error: Could not set lock on file "x": Conflicting lock is held in python (PID 7)',
            HeldError,
            "PID 7",
        ),
        ("IO Error: Failed to read block 7", StoreError, "bridge reindex"),
        ('IO Error: Cannot open file "x": Permission denied', StoreError, "Permission denied"),
    ],
)
def test_what_duckdb_says_is_told_with_what_to_do(problem: str, kind: type[Exception], cure: str) -> None:
    meaning = meaning_of(Path("calls.duckdb"), problem)
    assert type(meaning) is kind
    assert cure in str(meaning)
    assert ("reindex" in str(meaning)) == (cure == "bridge reindex")


def test_a_database_is_lent_without_its_log_where_there_are_no_hard_links(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    folder.put("CAlost").unlink()
    a_foreign_log(folder)
    assert folder.store.rebuild([], lambda: None) == []
    assert [row["call_id"] for row in folder.rows()["calls"]] == ["CAlost"]
