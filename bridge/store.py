"""DuckDB: an index over tapes. The file is opened for one transaction and closed, because no other process can open
it meanwhile; always in a thread, because one insert on the loop would stop every call's audio.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import duckdb
import msgspec
import structlog
import trio
from attrs import define, field

from bridge.errors import StoreError, TapeError
from bridge.forgotten import Forgotten
from bridge.machine import give_back_memory
from bridge.reading import about, tried

# Who only reads the database loads nothing that reads or writes tapes: that is a third of a command's start.
if TYPE_CHECKING:
    from bridge.records import Records
    from bridge.tape import Header

RETRY_SECONDS: Final = 0.5
MOST_WAITING: Final = 10_000
"""Finished calls that may wait for the database; beyond it they are found on disk by the next start."""

log = structlog.get_logger(__name__)

MIGRATIONS: Final = [
    """
    create table calls (
        call_id varchar primary key, call_sid varchar, account_sid varchar, agent varchar, model varchar,
        from_number varchar, to_number varchar, started_at timestamp, ended_by varchar, why varchar,
        next_step varchar, duration_ms integer, stream_started_ms integer, first_audio_heard_ms integer,
        turns integer, interruptions integer, tool_calls integer, responses integer,
        text_in_tokens integer, text_cached_tokens integer, text_out_tokens integer,
        audio_in_tokens integer, audio_cached_tokens integer, audio_out_tokens integer,
        cost_usd double, counts json, is_torn boolean, code varchar, tape varchar);
    create table transcript (
        call_id varchar, position integer, item_id varchar, role varchar, said varchar, heard varchar,
        unheard varchar, began_ms integer, ended_ms integer, interrupted boolean);
    create table tool_calls (
        call_id varchar, position integer, tool_call_id varchar, item_id varchar, name varchar,
        arguments_raw varchar, arguments json, output varchar, error_kind varchar, error varchar,
        called_ms integer, started_ms integer, answered_ms integer, sent_ms integer, is_delivered boolean);
    create table milestones (call_id varchar, position integer, name varchar, t_ms integer, data json);
    create table items (
        call_id varchar, position integer, item_id varchar, content_index integer, response_id varchar,
        generated_ms integer, sent_ms integer, heard_ms integer, first_sent integer, first_heard integer,
        cut boolean, settled_ms integer);
    create table turns (
        call_id varchar, position integer, caller_item_id varchar, speech_started_ms integer,
        speech_stopped_ms integer, committed_ms integer, response_created_ms integer, first_heard_ms integer,
        response_ms integer, latency_ms integer);
    create table log (call_id varchar, position integer, t_ms integer, text varchar, data json);
    """,
    """
    alter table calls add column transcription_seconds double;
    alter table calls add column transcription_in_tokens integer;
    alter table calls add column transcription_out_tokens integer;
    alter table calls add column cost_without varchar;
    """,
]
"""Numbered by their place; each runs once, in order, in the transaction that first needs it."""

TABLES: Final = ("calls", "transcript", "tool_calls", "milestones", "items", "turns", "log")


@define(eq=False)
class Store:
    """The database file. Every method blocks: call them in a thread."""

    path: Path

    def add(self, tapes: Iterable[Path], tell: Callable[["Records"], None] = lambda records: None) -> int:
        """Index these tapes in one transaction each; return how many. Raises `StoreError`, `duckdb.IOException`.

        `tell` is given each one's records once they are in the database.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        with self._open() as connection:
            for path in tapes:
                tell(_add_tape(connection, path, self.path.parent))
                count += 1
        return count

    def call_ids(self) -> set[str]:
        """Return the ids of all indexed calls."""
        if not self.path.exists():
            return set()
        with self._open() as connection:
            return {row[0] for row in connection.execute("select call_id from calls").fetchall()}

    def rebuild(self, tapes: Iterable[Path], progress: Callable[[], None]) -> list[TapeError]:
        """Make the whole file anew from tapes, beside the old one, then replace it.

        Return what is odd about each tape that can't be read: those are left out. Rows of calls whose tapes are gone
        or can't be read are taken over from the old file, if that can be: they are all that is left of them.
        """
        fresh = self.path.with_suffix(".rebuilding")
        fresh.unlink(missing_ok=True)
        faults = dict[Path, TapeError]()
        try:
            with Store(fresh)._open() as connection:
                for path in tapes:
                    done = tried(partial(_add_tape, connection, folder=self.path.parent), path)
                    if isinstance(done, TapeError):
                        faults[path] = done
                    progress()
                _take_over(connection, self.path, faults)
            fresh.replace(self.path)
        finally:
            for leftover in (fresh, fresh.with_name(fresh.name + ".wal")):
                leftover.unlink(missing_ok=True)
        return list(faults.values())

    def query(self, sql: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Return rows as dictionaries."""
        if not self.path.exists():
            raise StoreError(f"{self.path}: no such database; it appears when the first call has ended")
        try:
            connection = self._open()
        except duckdb.IOException as error:
            raise StoreError(_unusable(self.path, str(error))) from None
        with connection:
            cursor = connection.execute(sql, list(values))
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.path), config={"threads": 1})
        try:
            _migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection


def _unusable(path: Path, problem: str) -> str:
    if "lock" in problem:
        return f"{path}: another process holds it; try again when that has closed it"
    return f"{path}: can't be opened ({problem[:120]}); `bridge reindex` makes it anew from the tapes"


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute("create table if not exists migrations (number integer primary key)")
    row = connection.execute("select count(*) from migrations").fetchone()
    done = int(row[0]) if row else 0
    if done > len(MIGRATIONS):
        raise StoreError(f"{path}: made by a newer version (schema {done}, this one knows {len(MIGRATIONS)})")
    for number, sql in enumerate(MIGRATIONS[done:], start=done + 1):
        connection.begin()
        connection.execute(sql)
        connection.execute("insert into migrations values (?)", [number])
        connection.commit()


def _add_tape(connection: duckdb.DuckDBPyConnection, path: Path, folder: Path) -> "Records":
    """Replace one call's rows by those of its tape, and return them.

    A call that was erased has none, whoever brings its tape back.
    """
    from bridge.recorder import read_tape
    from bridge.records import records_of
    from bridge.tape import decode

    tape = read_tape(path)
    if Forgotten.in_folder(folder).has(tape.header.call_id):
        raise TapeError(f"{path}: its call was erased; the tape may be deleted")
    records = records_of(tape.header, map(decode, tape.lines), is_torn=tape.is_torn)
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    connection.begin()
    try:
        _replace_rows(connection, tape.header.call_id, _tables(records, str(shown)))
    except (duckdb.DataError, duckdb.ProgrammingError, duckdb.IntegrityError) as error:
        connection.rollback()
        raise TapeError(f"{path}: its records don't fit the database: {str(error)[:200]}") from None
    connection.commit()
    return records


def _replace_rows(
    connection: duckdb.DuckDBPyConnection, call_id: str, tables: dict[str, list[dict[str, Any]]]
) -> None:
    for table, rows in tables.items():
        connection.execute(f"delete from {table} where call_id = ?", [call_id])
        _insert(connection, table, call_id, rows)


def _take_over(connection: duckdb.DuckDBPyConnection, path: Path, unreadable: Collection[Path]) -> None:
    """Copy the rows of calls whose tapes are gone or can't be read.

    Raises `StoreError` while another process holds the file.
    """
    if not path.exists():
        return
    try:
        with Store(path)._open() as old:
            rows = old.execute("select call_id, tape from calls").fetchall()
        connection.execute(f"attach {quoted(path)} as old (read_only)")
    except (duckdb.Error, StoreError) as error:
        if "lock" in str(error):
            raise StoreError(_unusable(path, str(error))) from None
        log.warning("rows of calls without a tape are lost with the old file", error=str(error)[:200])
        return
    known = {row[0] for row in connection.execute("select call_id from calls").fetchall()}
    tapes = {row[0]: path.parent / (row[1] or "") for row in rows if row[0] not in known}
    gone = [call_id for call_id, tape in tapes.items() if tape in unreadable or not tape.is_file()]
    for table in TABLES:
        copied = f"select * from old.{table} where call_id in (select unnest(?))"
        connection.execute(f"insert into {table} by name {copied}", [gone])
    connection.execute("detach old")


def quoted(path: Path) -> str:
    """Return a path as a text in SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def _tables(records: "Records", tape: str) -> dict[str, list[dict[str, Any]]]:
    rows = {table: getattr(records, table) for table in TABLES if table != "calls"}
    return {"calls": [{**records.call, "tape": tape}], **rows}


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, call_id: str, rows: list[dict[str, Any]]
) -> None:
    """Insert by columns: row by row is eighty times slower."""
    if not rows:
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    values = [[_plain(row.get(name)) for row in rows] for name in columns]
    names = ", ".join(columns)
    unnested = ", ".join("unnest(?)" for _ in columns)
    connection.execute(f"insert into {table} (call_id, {names}) select ?, {unnested}", [call_id, *values])


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode("utf-8")
    return value


# ---------------------------------------------------------------- the task

Queued: TypeAlias = tuple[Path, bool]
"""A tape, and whether its call was this process's."""


def _queue() -> tuple[trio.MemorySendChannel[Queued], trio.MemoryReceiveChannel[Queued]]:
    return trio.open_memory_channel[Queued](MOST_WAITING)


@define(eq=False)
class Indexer:
    """Puts finished tapes into the store, one at a time, waiting out whoever else holds the file.

    `on_record` is told the records of each call of this process, when they are in the store.
    """

    store: Store
    wants: Callable[[Path], bool] = lambda path: True
    on_record: Callable[["Records"], None] = lambda records: None
    _channel: tuple[trio.MemorySendChannel[Queued], trio.MemoryReceiveChannel[Queued]] = field(factory=_queue)
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))
    _pending: int = 0
    _since: deque[float] = field(factory=deque)
    _idle: trio.Event = field(factory=trio.Event)

    def add(self, path: Path, *, is_ours: bool = True) -> None:
        """Queue a tape; never waits. Beyond the bound the next start finds it on disk."""
        try:
            self._channel[0].send_nowait((path, is_ours))
            self._pending += 1
            self._since.append(trio.current_time())
        except trio.WouldBlock:
            log.warning("too many finished calls wait for the database", tape=path.name)

    @property
    def lag(self) -> int:
        """Return how many finished calls are not in the database."""
        return self._pending

    @property
    def lag_seconds(self) -> float:
        """Return how long the oldest of them waits."""
        return trio.current_time() - self._since[0] if self._since else 0.0

    async def run(
        self, folder: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Index what an earlier run left behind, then each tape that is queued.

        Started once it knows which tapes were left open: those that appear later are being written.
        """
        from bridge.recorder import tapes_under

        torn = await self.in_thread(lambda: tapes_under(folder, only_open=True))
        task_status.started()
        for path in await self.in_thread(self._left_behind, folder, torn):
            self.add(path, is_ours=False)
        async for path, is_ours in self._channel[1]:
            for records in await self._index(path):
                if is_ours:
                    self.on_record(records)
            self._since.popleft()
            self._pending -= 1
            if not self._pending:
                self._idle.set()

    async def save_tapes(self, folder: Path, headers: "list[Header]") -> None:
        """Close the tapes of calls whose process has died while this one goes on, and index them."""
        for header in headers:
            try:
                done = await self.in_thread(finish_lost, folder, header)
            except OSError as error:
                log.error("tape can't be closed, the next start will", tape=header.call_id, error=str(error))
                continue
            if done is not None:
                self.add(done)

    async def finish(self, seconds: float = 0.3) -> None:
        """Wait a little for what is queued; what is left is found by the next start."""
        with trio.move_on_after(seconds):
            while self._pending:
                self._idle = trio.Event()
                await self._idle.wait()

    def _add(self, path: Path, tell: Callable[["Records"], None]) -> None:
        self.store.add([path], tell)
        give_back_memory()  # what DuckDB took for it stayed otherwise, in pieces that nobody else wants

    async def _index(self, path: Path) -> "list[Records]":
        """Index a tape, however long that takes; return its records, or none when it can't be indexed."""
        has_warned, found = False, list["Records"]()
        while True:
            try:
                await self.in_thread(self._add, path, found.append)
                return found
            except (duckdb.IOException, OSError) as error:
                if not has_warned:
                    log.warning("database is busy or can't be written, trying on", error=str(error)[:200])
                has_warned = True
                await trio.sleep(RETRY_SECONDS)
            except (TapeError, StoreError, duckdb.Error) as error:
                log.error("call can't be indexed", tape=str(path), error=str(error))
                return []
            except Exception:  # a tape that others wrote: whatever is odd about it costs that tape alone
                log.exception("call can't be indexed", tape=str(path))
                return []

    async def in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do something in the one thread that uses the database."""
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter, abandon_on_cancel=True)

    def _left_behind(self, folder: Path, left_open: list[Path]) -> list[Path]:
        """Return the tapes that are not indexed; those of a process that died are closed first."""
        from bridge.recorder import DONE_SUFFIX, call_id_of, tapes_under

        torn = [finish_torn(path) for path in left_open]
        try:
            known = self.store.call_ids()
        except (duckdb.Error, OSError):
            known = set()  # held by somebody else: indexing again changes nothing
        complete = [path for path in tapes_under(folder) if path.name.endswith(DONE_SUFFIX)]
        done = [path for path in complete if call_id_of(path) not in known and self.wants(path)]
        return list(dict.fromkeys([*(path for path in torn if path), *done]))


def finish_lost(folder: Path, header: "Header") -> Path | None:
    """Return the tape of a call whose process died, closed: one that no line had reached yet is its header alone."""
    from bridge.recorder import DONE_SUFFIX, OPEN_SUFFIX, open_path
    from bridge.tape import encode_header

    done = next(folder.glob(f"*/{header.call_id}{DONE_SUFFIX}"), None)
    if done is not None:
        return done
    path = next(folder.glob(f"*/{header.call_id}{OPEN_SUFFIX}"), open_path(folder, header))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_header(header))
    return finish_torn(path)


def finish_torn(path: Path) -> Path | None:
    """Close a tape whose process died: its last words are what the heart would have said. None if that can't be."""
    try:
        return _closed(path)
    except (TapeError, OSError) as error:
        log.error("a tape can't be closed, left alone", tape=str(path), error=str(error))
    except Exception:  # the same: what is odd about one tape must not keep the daemon from starting
        log.exception("a tape can't be closed, left alone", tape=str(path))
    return None


def _closed(path: Path) -> Path:
    from bridge.recorder import compress, finished_path, read_tape
    from bridge.recovery import closing_lines

    with about(path):
        tape = read_tape(path)
        lines, end = closing_lines(tape)
    with path.open("r+b") as file:
        if tape.is_torn:
            data = path.read_bytes()
            file.truncate(data.rindex(b"\n") + 1)
        file.seek(0, 2)
        file.write(b"".join(lines))
    log.warning("a call was cut off by a crash; its tape is closed now", tape=path.name, ended=end)
    done = compress(path)
    assert done == finished_path(path)
    return done
