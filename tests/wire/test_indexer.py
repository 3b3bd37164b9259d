"""The indexer: a process of its own that may die, be held up, or find a database that is none. No row is lost by it,
and the daemon that carries calls has no DuckDB in it.
"""

import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import structlog
import trio
from kept import Folder
from structlog.testing import capture_logs

from bench.disturbances import _holder
from bench.process import Launch, a_process
from bench.stage import MakePlace, open_stage
from bridge.config import Secrets, Settings, parse
from bridge.indexing import indexer as indexer_module
from bridge.indexing import waiting
from bridge.indexing.desk import LOOKING_SECONDS, Desk, Inbox
from bridge.indexing.indexer import Indexer
from bridge.indexing.keeper import Keeper
from bridge.links.packets import hear, say
from bridge.store.database_files import wal_of
from bridge.store.messages import Answered, Asked, Question
from bridge.store.records import Records
from bridge.tapes.lock import one_after_the_other
from bridge.tapes.names import DONE_SUFFIX
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent

pytestmark = pytest.mark.real_time("the indexer is a process")

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


def settings_of(folder: Folder, **recording: object) -> Settings:
    raw = {"recording": recording, "agents": {"front-desk": {}}}
    return parse(raw, folder.data.parent / "config.toml")


@asynccontextmanager
async def indexing(
    folder: Folder, on_record: Callable[[Records], None] | None = None, **recording: object
) -> AsyncIterator[Indexer]:
    """Run an indexer beside a folder, as the daemon does."""
    indexer = Indexer(settings_of(folder, **recording), Secrets(), on_record)
    async with trio.open_nursery() as nursery:
        await nursery.start(indexer.run)
        yield indexer
        nursery.cancel_scope.cancel(reason="the test is over")


async def wait_for(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.02)


def taped(folder: Folder, *names: str) -> list[Path]:
    """Put tapes there that are in no database."""
    paths = [folder.put(name) for name in names]
    folder.store.path.unlink()
    return paths


def in_rows(folder: Folder) -> list[str]:
    return [row["call_id"] for row in folder.rows()["calls"]]


# ---------------------------------------------------------------- what is loaded where


@linux
@pytest.mark.parametrize("workers", [1, 2])
async def test_no_process_that_carries_calls_loads_duckdb(tmp_path: Path, workers: int) -> None:
    async with a_process(tmp_path, launch=Launch({"workers": workers})) as daemon:
        await daemon.call(QUICK)
        folder = Folder(tmp_path / "data")
        await wait_for(folder.store.path.exists)
        loaded, commands = looked_at(daemon.process.pid)
        daemon.signal()
        await daemon.process.wait()
    assert loaded == [b"bridge.indexing.worker" in command for command in commands]
    assert sorted(loaded) == [False] * (1 if workers == 1 else 3) + [True]
    assert len(in_rows(folder)) == 1


def looked_at(daemon: int) -> tuple[list[bool], list[bytes]]:
    """Return whether a daemon and each process of its has DuckDB in it, and their command lines."""
    children = [line.read_text().split() for line in Path(f"/proc/{daemon}/task").glob("*/children")]
    processes = [Path(f"/proc/{pid}") for pid in (daemon, *(pid for some in children for pid in some))]
    loaded = [b"duckdb" in (process / "maps").read_bytes() for process in processes]
    return loaded, [(process / "cmdline").read_bytes() for process in processes]


async def test_a_daemon_with_nothing_to_index_starts_no_process(place: MakePlace) -> None:
    async with open_stage(place()) as stage:
        await stage.daemon.keeper.once()
        assert stage.daemon.indexer.pid is None


async def test_the_process_ends_when_it_has_nothing_to_do_and_another_takes_its_place(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = taped(folder, "CA1", "CA2")
    async with indexing(folder) as indexer:
        indexer.add(first)
        await wait_for(lambda: indexer.lag == 0)
        pid = indexer.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await wait_for(lambda: indexer.pid is None)
        indexer.add(second)
        await wait_for(lambda: indexer.lag == 0)
    assert in_rows(folder) == ["CA1", "CA2"]
    assert indexer.pid is None


# ---------------------------------------------------------------- it may die


@linux
async def test_a_process_that_is_killed_again_and_again_costs_no_row(folder: Folder) -> None:
    names = [f"CA{number}" for number in range(6)]
    paths = taped(folder, *names)
    heard: list[str] = []
    with structlog.testing.capture_logs():
        async with indexing(folder, lambda records: heard.append(records.call["call_sid"])) as indexer:
            for number, path in enumerate(paths):
                indexer.add(path)
                if number % 2 == 0:
                    await wait_for(lambda: indexer.pid is not None)
                    await trio.sleep(0.13 * number)
                    os.kill(indexer.pid or 0, signal.SIGKILL)
                    await wait_for(lambda: indexer.pid is None)
            await wait_for(lambda: indexer.lag == 0 and indexer.set_aside == 0)
    assert in_rows(folder) == names
    assert len(heard) == len(names)
    assert indexer.deaths >= 1


@linux
async def test_a_tape_that_the_process_dies_of_is_set_aside_by_name_and_the_rest_goes_on(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.02)
    with capture_logs() as logs:
        async with indexing(folder) as indexer:
            killer, good = taped(folder, "CAkiller", "CAgood")
            killer.unlink()
            os.mkfifo(killer)  # whoever opens it waits: the test ends the process then, as the kernel might
            indexer.add(killer)
            indexer.add(good)
            while indexer.lag:
                if indexer.pid is not None and is_opening(indexer.pid, killer):
                    os.kill(indexer.pid, signal.SIGKILL)
                await trio.sleep(0.02)
            assert (indexer.set_aside, indexer.deaths) == (1, indexer_module.MOST_DEATHS)
    assert in_rows(folder) == ["CAgood"]
    (said,) = [log for log in logs if log["event"] == "the indexer dies of this tape: it is set aside"]
    assert said["tape"] == str(killer)


def is_opening(pid: int, path: Path) -> bool:
    """Say whether a process waits for somebody to write into a pipe."""
    return (
        "fifo" in Path(f"/proc/{pid}/wchan").read_text()
        or "wait_for_partner" in Path(f"/proc/{pid}/wchan").read_text()
    )


async def test_an_indexer_of_a_dead_daemon_is_waited_for_and_holds_up_no_call(
    place: MakePlace, folder: Folder
) -> None:
    (left,) = taped(folder, "CAleft")
    async with open_stage(place()) as stage:
        await stage.wait_recorded()
    folder.store.path.unlink()
    with one_after_the_other(folder.data):
        async with open_stage(place()) as stage:
            report = await stage.ring(QUICK)
            assert report.closed_by == "caller"
            await wait_for(lambda: stage.daemon.indexer.pid is not None)
            assert not folder.store.path.exists()
    assert set(in_rows(folder)) == {"CAleft", report.call_sid}
    assert left.exists()


# ---------------------------------------------------------------- the database can fail, the phone can't


def newer_schema(folder: Folder) -> None:
    with duckdb.connect(str(folder.store.path)) as connection:
        connection.execute("insert into migrations values (99)")


def no_database(folder: Folder) -> None:
    folder.store.path.write_bytes(b"not a database" * 1000)


def foreign_log(folder: Folder) -> None:
    other = Folder(folder.data.parent / "other")
    other.put("CAother")
    leave_log(other)
    shutil.copy(wal_of(other.store.path), wal_of(folder.store.path))


def damaged_log(folder: Folder) -> None:
    leave_log(folder)
    log = bytearray(wal_of(folder.store.path).read_bytes())
    log[60:100] = bytes(40)
    wal_of(folder.store.path).write_bytes(log)


def leave_log(folder: Folder) -> None:
    """Let a process die with its last transaction in the log alone."""
    write = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); os._exit(0)"
    sql = "update transcript set said = repeat('word', 1000)"
    subprocess.run([sys.executable, "-c", write, str(folder.store.path), sql], check=True)


FAULTS = [newer_schema, no_database, foreign_log, damaged_log]


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
async def test_calls_are_answered_beside_a_database_that_cant_be_used_and_rows_come_when_it_is_well(
    place: MakePlace, folder: Folder, spoil: Callable[[Folder], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.5)
    (kept,) = [folder.put("CAkept")]
    spoil(folder)
    with capture_logs() as logs:
        async with open_stage(place()) as stage:
            indexer = stage.daemon.indexer
            await wait_for(lambda: bool(indexer.fault))
            report = await stage.ring(QUICK)
            assert report.first_heard_ms is not None
            assert "bridge reindex" in indexer.fault
            await wait_for(lambda: stage.daemon.host.backlog == 0)
            await trio.to_thread.run_sync(reindexed, folder)
            await stage.wait_recorded()
            await wait_for(lambda: not indexer.fault)
    assert set(in_rows(folder)) == {"CAkept", report.call_sid}
    said = [log["event"] for log in logs]
    assert said.count("database can't be used: calls go on, their tapes wait") >= 1
    assert "the database can be used again" in said
    assert kept.exists()


def reindexed(folder: Folder) -> None:
    tapes = sorted(folder.data.glob(f"tapes/*/*{DONE_SUFFIX}"))
    assert folder.store.rebuild(tapes, lambda: None) == []


async def test_a_database_that_somebody_holds_is_waited_for(folder: Folder) -> None:
    first, second = taped(folder, "CA1", "CA2")
    folder.store.add([first])
    with capture_logs() as logs:
        async with indexing(folder) as indexer:
            holder = _holder(folder.store.path)
            await trio.to_thread.run_sync(holder.__enter__)
            try:
                indexer.add(second)
                await wait_for(lambda: any("busy" in log["event"] for log in logs))
                assert indexer.lag == 1
            finally:
                await trio.to_thread.run_sync(holder.__exit__, None, None, None)
            await wait_for(lambda: indexer.lag == 0)
    assert in_rows(folder) == ["CA1", "CA2"]
    assert indexer.fault == ""


# ---------------------------------------------------------------- what else is done there


async def test_the_daemons_task_lets_old_calls_go_and_says_so_once(folder: Folder) -> None:
    folder.put("CA1", day="2020-01-01")
    days = {"keep_audio_days": 1, "keep_rows_days": 1}
    with capture_logs() as logs:
        async with indexing(folder, **days) as indexer:
            keeper = Keeper(settings_of(folder, **days), indexer, lambda: datetime(2026, 11, 27, tzinfo=UTC))
            removed = await keeper.once()
            assert not await keeper.once()
    assert (removed.silenced, removed.rows) == (1, 1)
    assert [log["event"] for log in logs] == ["removed what is too old"]


async def test_old_calls_that_cant_go_for_the_database_are_told_and_end_no_daemon(folder: Folder) -> None:
    folder.put("CA1")
    no_database(folder)
    with capture_logs() as logs:
        async with indexing(folder) as indexer:
            removed = await Keeper(indexer.settings, indexer).once()
    assert removed.failed == 1
    assert "what is too old can't be removed now" in [log["event"] for log in logs]


async def test_a_torn_tape_of_an_earlier_run_is_closed_and_indexed(folder: Folder) -> None:
    (path,) = taped(folder, "CA1")
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.with_suffix("").write_bytes(b"".join(lines[: len(lines) // 2]))
    path.unlink()
    async with indexing(folder) as indexer:
        await wait_for(lambda: indexer.lag == 0 and known(folder) == {"CA1"})
    (row,) = folder.rows()["calls"]
    assert (row["call_id"], row["why"]) == ("CA1", "crashed")


async def test_more_tapes_than_may_wait_are_found_when_those_are_done(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer_module, "MOST_WAITING", 2)
    names = [f"CA{number}" for number in range(5)]
    paths = taped(folder, *names)
    async with indexing(folder) as indexer:
        for path in paths:
            indexer.add(path)
        assert indexer.lag == 2
        await wait_for(lambda: folder.store.path.exists() and indexer.lag == 0 and len(known(folder)) == 5)
    assert in_rows(folder) == names


def known(folder: Folder) -> set[str]:
    if not folder.store.path.exists():
        return set()
    try:
        return folder.store.call_ids()
    except Exception:  # held by the indexer at this moment
        return set()


def test_the_process_stays_for_hours_for_whoever_has_asked_something(tmp_path: Path) -> None:
    step = int(LOOKING_SECONDS) // 6
    ours, theirs = socket.socketpair()
    passed = iter(range(0, 100 * step, step))  # each look at the clock is later than the one before
    looks = list[int]()

    def clock() -> float:
        looks.append(next(passed))
        return looks[-1]

    with ours, theirs:
        inbox = Inbox(theirs, Desk(tmp_path / "calls.duckdb"), clock=clock)
        with pytest.raises(TimeoutError):
            inbox.next_job(0)
        assert looks == [0]  # nobody had asked
        inbox.open()
        say(ours, Asked(7, Question({"calls": ("select 1", ())})))
        assert isinstance(hear(ours, 10), Answered)
        with pytest.raises(TimeoutError):
            inbox.next_job(0)
        assert looks == [step * look for look in range(8)]  # asked at the second, and left six later
