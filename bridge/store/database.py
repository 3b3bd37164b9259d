"""DuckDB: an index over tapes. The file is opened for one transaction and closed, because no other process can open
it meanwhile. Commands use it, and the indexer's process; the daemon and its workers never load it.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import duckdb
import msgspec
from attrs import define

from bridge.errors import HeldError, NewerError, SlowError, StoreError, TapeError
from bridge.objects.names import name_of
from bridge.store.database_files import delete_database, replace_database, set_aside, wal_of, without_log
from bridge.store.migrations import MIGRATIONS
from bridge.store.unsent import Unsent
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.names import call_id_of
from bridge.tapes.odd_tapes import tried

# Who only reads the database loads nothing that reads or writes tapes: that is a third of a command's start.
if TYPE_CHECKING:
    from bridge.store.records import Records
    from bridge.store.trace import TapeRows

TABLES: Final = (
    "calls",
    "transcript",
    "tool_calls",
    "milestones",
    "items",
    "turns",
    "log",
    "legs",
    "marks",
    "spoken",
)
KEPT: Final = (*TABLES, "waveforms")
"""With what is kept for pages alone, and says nothing by itself; it goes with its call."""

PATIENCE_SECONDS: Final = 10
"""How long to wait for others to close the database; the daemon holds it for milliseconds."""

T = TypeVar("T")
Spread: TypeAlias = Callable[[Callable[[Path], Any], Sequence[Path]], Iterable[Any]]
"""Does some work on each of many tapes, as `map` does: in this process or in others, with results in order."""

Query: TypeAlias = Callable[[str, Iterable[Any]], list[dict[str, Any]]]
"""Returns rows as dictionaries, for SQL and its values."""


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str, values: Iterable[Any]) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, list(values))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@define(eq=False)
class Store:
    """The database. Every method blocks, and raises `HeldError` while another process has it, `StoreError` when it
    can't be used."""

    path: Path
    unsent: Unsent | None = None
    """Where calls are marked that the lake has to have; without a lake there is no such place."""

    def add(
        self,
        tapes: Iterable[Path],
        tell: Callable[["Records"], None] = lambda records: None,
        *,
        have_just_ended: bool = False,
    ) -> int:
        """Index these tapes in one transaction each; return how many. Raises `TapeError`, `duckdb.Error` too.

        `tell` is given each one's records once they are in the database.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        with self._open() as connection:
            for path in tapes:
                if self.unsent is not None:  # who sends it waits until we have closed the database
                    is_new = have_just_ended and not _has(connection, call_id_of(path))
                    self.unsent.mark([call_id_of(path)], are_new=is_new)
                tell(_add_tape(connection, path, self.path.parent))
                count += 1
        return count

    def call_ids(self) -> set[str]:
        """Return the ids of all indexed calls."""
        if not self.path.exists():
            return set()
        with self._open() as connection:
            return {row[0] for row in connection.execute("select call_id from calls").fetchall()}

    def rebuild(
        self, tapes: Sequence[Path], progress: Callable[[], None], spread: Spread = map
    ) -> list[TapeError]:
        """Make the whole file anew from tapes, beside the old one, then replace it.

        Return what is odd about each tape that can't be read: those are left out. Rows of calls whose tapes are gone
        or can't be read are taken over from the old database: they are all that is left of them. One that can't be
        taken over whole is kept beside the new one, under a name that says so. `spread` does what takes long, in order.
        """
        fresh = self.path.with_suffix(".rebuilding")
        delete_database(fresh)
        try:
            with explained(self.path):
                faults = self._fill(Store(fresh), tapes, progress, spread)
                why = _take_over(Store(fresh), self.path, faults)
            if why:
                set_aside(self.path, why)
            replace_database(fresh, self.path)
        finally:
            delete_database(fresh)
        return list(faults.values())

    def _fill(
        self, fresh: "Store", tapes: Sequence[Path], progress: Callable[[], None], spread: Spread
    ) -> dict[Path, TapeError]:
        from bridge.store.trace import rows_on

        faults, folder = dict[Path, TapeError](), self.path.parent
        with fresh._open() as connection:
            for path, read in zip(tapes, spread(partial(tried, rows_on), tapes), strict=True):
                done = read
                if not isinstance(read, TapeError):
                    done = tried(partial(_put, connection, folder=folder, made=read), path)
                if isinstance(done, TapeError):
                    faults[path] = done
                progress()
        return faults

    def query(self, sql: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Return rows as dictionaries."""
        with self.reading() as query:
            return query(sql, values)

    @contextmanager
    def reading(self, seconds: float | None = None) -> Iterator[Query]:
        """Open the database once for several queries; between them nobody changes it.

        With `seconds` they may take so long together, and can't write. Raises `SlowError` when they take longer.
        """
        if not self.path.exists():
            raise StoreError(
                f"{self.path}: no such database; it appears when the first call has ended, --data names another folder"
            )
        with explained(self.path), self._open() as connection:
            if seconds is None:
                yield partial(rows_of, connection)
            else:
                with _bounded(connection, seconds):
                    yield partial(rows_of, connection)

    def _open(self) -> duckdb.DuckDBPyConnection:
        with explained(self.path):
            if not self.path.exists():  # whoever deleted it meant all of it
                wal_of(self.path).unlink(missing_ok=True)
            connection = duckdb.connect(str(self.path), config={"threads": 1})
            try:
                _migrate(connection, self.path)
            except BaseException:
                connection.close()
                raise
            return connection


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Let nothing be written in a block, and nothing in it take longer. Raises `SlowError`."""
    alarm = Timer(seconds, connection.interrupt)
    alarm.daemon = True
    alarm.start()
    try:
        connection.execute("begin transaction read only")
        yield
    except duckdb.InterruptException:
        raise SlowError(f"it took more than {seconds:g} s: ask for less") from None
    finally:
        alarm.cancel()
        alarm.join()  # what it interrupts must not be the next question's


def patiently(work: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Return what `work` does with the database, trying on while others hold it. Raises `StoreError`."""
    until = time.monotonic() + seconds
    while True:
        try:
            return work()
        except HeldError as error:
            if time.monotonic() > until:
                raise HeldError(f"the database is held by another process: {error}") from None
        time.sleep(0.1)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what DuckDB says of a database into what it means and what to do. Raises `StoreError`."""
    try:
        yield
    except duckdb.Error as error:
        raise meaning_of(path, str(error)) from None


def meaning_of(path: Path, problem: str) -> StoreError:
    """Return what it means that DuckDB says this of a database."""
    if "set lock on file" in problem:
        who = f" (PID {found[1]})" if (found := HOLDER.search(problem)) else ""
        return HeldError(f"{path}: another process holds it{who}; try again when that has closed it")
    if any(words in problem for words in OF_THE_SYSTEM):
        return StoreError(f"{path}: can't be opened ({problem[:160]})")
    return StoreError(
        f"{path}: can't be used; `bridge reindex` makes it anew from the tapes ({problem[:160]})"
    )


HOLDER: Final = re.compile(r"PID (\d+)")
OF_THE_SYSTEM: Final = ("Permission denied", "No space left", "Too many open files", "Read-only file system")
"""What making the database anew would not mend."""


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute("create table if not exists migrations (number integer primary key)")
    row = connection.execute("select count(*) from migrations").fetchone()
    done = int(row[0]) if row else 0
    if done > len(MIGRATIONS):
        text = f"{path}: made by a newer version (schema {done}, this one knows {len(MIGRATIONS)})"
        raise NewerError(
            f"{text}; update this one, or let `bridge reindex` make it anew and keep that one aside", done
        )
    for number, sql in enumerate(MIGRATIONS[done:], start=done + 1):
        connection.begin()
        connection.execute(sql)
        connection.execute("insert into migrations values (?)", [number])
        connection.commit()


def _add_tape(connection: duckdb.DuckDBPyConnection, path: Path, folder: Path) -> "Records":
    """Replace one call's rows by those of its tape, and return them.

    A call that was erased has none, whoever brings its tape back.
    """
    from bridge.store.trace import rows_on

    return _put(connection, path, folder, rows_on(path))


def _put(connection: duckdb.DuckDBPyConnection, path: Path, folder: Path, made: "TapeRows") -> "Records":
    if Forgotten.in_folder(folder).has(made.call_id):
        raise TapeError(f"{path}: its call was erased; the tape may be deleted")
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    connection.begin()
    try:
        tables = _tables(made.records, name_of(shown)) | {"waveforms": [made.waveform]}
        _replace_rows(connection, made.call_id, tables)
    except (duckdb.DataError, duckdb.ProgrammingError, duckdb.IntegrityError) as error:
        connection.rollback()
        raise TapeError(f"{path}: its records don't fit the database: {str(error)[:200]}") from None
    connection.commit()
    return made.records


def _has(connection: duckdb.DuckDBPyConnection, call_id: str) -> bool:
    return bool(connection.execute("select 1 from calls where call_id = ?", [call_id]).fetchone())


def _replace_rows(
    connection: duckdb.DuckDBPyConnection, call_id: str, tables: dict[str, list[dict[str, Any]]]
) -> None:
    for table, rows in tables.items():
        connection.execute(f"delete from {table} where call_id = ?", [call_id])
        _insert(connection, table, call_id, rows)


def _take_over(fresh: Store, path: Path, unreadable: Collection[Path]) -> str:
    """Copy the rows of calls whose tapes are gone or can't be read; return why the old database has to be kept, or "".

    Raises `HeldError`.
    """
    if not path.exists():
        return ""
    why = _fault_of(path)
    try:
        if why == UNREADABLE:  # as a rule it is the log that can't be read, and the file can
            with without_log(path) as lent:
                _copy_lost_calls(fresh, lent, path.parent, unreadable)
        else:
            _copy_lost_calls(fresh, path, path.parent, unreadable)
    except (duckdb.Error, StoreError, OSError) as error:
        import structlog  # a tenth of a second, for who writes: not for who reads

        log = structlog.get_logger(__name__)
        log.warning("rows of calls without a tape can't be taken over", error=str(error)[:200])
        return UNREADABLE
    return why


UNREADABLE: Final = "unreadable"


def _fault_of(path: Path) -> str:
    """Return what is wrong with a database, in a word; an older schema becomes ours, and its log is written into it."""
    try:
        Store(path)._open().close()
    except HeldError:
        raise
    except NewerError as error:
        return f"schema-{error.schema}"
    except StoreError:
        return UNREADABLE
    return ""


def _copy_lost_calls(fresh: Store, path: Path, folder: Path, unreadable: Collection[Path]) -> None:
    """Copy the rows of calls that have no tape to read and no row yet, all or none: the columns that both have."""
    with fresh._open() as connection:
        connection.execute(f"attach {quoted(path)} as old (read_only)")
        connection.begin()
        rows = connection.execute("select call_id, tape from old.calls").fetchall()
        known = {row[0] for row in connection.execute("select call_id from calls").fetchall()}
        tapes = {row[0]: folder / (row[1] or "") for row in rows if row[0] not in known}
        lost = [call_id for call_id, tape in tapes.items() if tape in unreadable or not tape.is_file()]
        for table in KEPT:
            columns = ", ".join(_shared_columns(connection, table))
            copied = f"select {columns} from old.{table} where call_id in (select unnest(?::varchar[]))"
            connection.execute(f"insert into {table} by name {copied}", [lost])
        connection.commit()
        connection.execute("detach old")


def _shared_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Return the columns of a table that the old database and the new one have."""
    sql = "select column_name from duckdb_columns() where table_name = ? group by all having count(*) = 2 order by all"
    return [row[0] for row in connection.execute(sql, [table]).fetchall()]


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
