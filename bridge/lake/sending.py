"""Calls on their way into the lake: rows as they are here, in one transaction, whatever of them was there before.

A call that is new is only added: nobody has to read the lake for it. Of any other what is there goes first. Blocks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import duckdb
from attrs import frozen

from bridge.lake.opening import NAME, LakePlace, dsn, text
from bridge.lake.retrying import insisting
from bridge.lake.tables import ANSWERED, DAY, HOST, OWN, prepare
from bridge.lake.upkeep import erase
from bridge.store.database import KEPT, Store, explained, patiently, quoted
from bridge.store.unsent import Taken, Unsent
from bridge.tapes.forgotten import Forgotten

MOST: Final = 500
"""Calls in one transaction: what an hour away has left is caught up in pieces that are soon done."""

ONE_AT_A_TIME: Final = 0x6272_6964_6765  # "bridge"
"""The lock of those who send a call that the lake may have: two of them at once would both find that it has none."""


@frozen
class Batch:
    """What was sent: calls with rows here, and how often it had to be begun again because of others."""

    calls: int
    conflicts: int = 0


def send(connection: duckdb.DuckDBPyConnection, place: LakePlace, store: Store, most: int = MOST) -> Batch:
    """Send the calls that wait longest; return how many, 0 when none waits.

    Raises `duckdb.Error` and `LakeError` when the lake can't take them, `StoreError` when they can't be read here: then
    they wait on.
    """
    unsent = Unsent.in_folder(store.path.parent)
    taken = unsent.take(most)
    if not taken:
        return Batch(0)
    maybe_sent = False
    try:
        _stage(connection, store, [one.call_id for one in taken])
        prepare(connection)
        maybe_sent = True
        conflicts = _put(connection, place, taken)
    except BaseException:
        if not maybe_sent:
            unsent.give_back(taken)
        raise
    unsent.done(taken)
    forgotten = Forgotten.in_folder(store.path.parent)
    if erased := [one.call_id for one in taken if forgotten.has(one.call_id)]:  # while they were on their way
        erase(connection, place, erased)
    return Batch(len(taken), conflicts)


def _stage(connection: duckdb.DuckDBPyConnection, store: Store, call_ids: list[str]) -> None:
    """Copy the rows of calls into the tables in memory; the local database is open for no longer than that takes."""
    for table in KEPT:
        connection.execute(f"delete from main.{table}")
    if store.path.exists():
        patiently(lambda: _copy(connection, store.path, call_ids))


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, call_ids: list[str]) -> None:
    with explained(path):
        connection.execute(f"attach {quoted(path)} as here (read_only)")
    try:
        for table in KEPT:
            rows = f"select * from here.{table} where call_id in (select unnest(?::varchar[]))"
            connection.execute(f"insert into main.{table} by name {rows}", [call_ids])
    finally:
        connection.execute("detach here")


def _put(connection: duckdb.DuckDBPyConnection, place: LakePlace, taken: Sequence[Taken]) -> int:
    """Put what is staged into the lake; return how often others were in between. Raises `duckdb.Error`."""
    may_be_there = not all(one.is_new for one in taken) or _has_unanswered(connection)

    def once() -> None:
        with _alone(connection, place, is_wanted=may_be_there):
            _transact(connection, place, may_be_there=may_be_there)

    return insisting(place, once)


def _has_unanswered(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute("select 1 from main.calls where stream_started_ms is null limit 1").fetchone()
    return row is not None


def _transact(connection: duckdb.DuckDBPyConnection, place: LakePlace, *, may_be_there: bool) -> None:
    connection.begin()
    try:
        better = _make_room(connection, place, may_be_there=may_be_there)
        for table in KEPT:
            own = ", ".join(f"{what} as {name}" for name, what in _own(table, place).items())
            rows = f"""select t.*, {own} from main.{table} t join main.calls c using (call_id)
                       where call_id not in (select unnest(?::varchar[]))"""
            connection.execute(f"insert into {NAME}.{table} by name {rows}", [better])
        connection.commit()
    except BaseException:
        _rolled_back(connection)
        raise


_DAY_OF: Final = "coalesce(c.started_at, timestamp '1970-01-01')::date"


def _own(table: str, place: LakePlace) -> dict[str, str]:
    """Return how the columns are made that the lake has beside ours."""
    made = {DAY: _DAY_OF, HOST: text(place.host), ANSWERED: "c.stream_started_ms is not null"}
    return {name: made[name] for name in OWN[table]}


def _make_room(connection: duckdb.DuckDBPyConnection, place: LakePlace, *, may_be_there: bool) -> list[str]:
    """Delete what the lake has of these calls, in files of their days alone; return those that it has better.

    Of a call that is new there can only be what another host has of it, to which Twilio turned when that one was slow:
    the one whose caller got a stream counts. For it the few calls without one are looked through, and no others.
    """
    days = [row[0] for row in connection.execute(f"select distinct {_DAY_OF} from main.calls c").fetchall()]
    where = f"{DAY} in (select unnest(?::date[]))"
    there = connection.execute(
        f"""select l.call_id, l.{ANSWERED} and c.stream_started_ms is null and l.{HOST} <> ?
            from {NAME}.calls l join main.calls c using (call_id)
            where l.{where} {"" if may_be_there else f"and not l.{ANSWERED}"}""",
        [place.host, days],
    ).fetchall()
    better = [call_id for call_id, is_better in there if is_better]
    gone = [call_id for call_id, is_better in there if not is_better]
    if gone:
        for table in KEPT:
            sql = f"delete from {NAME}.{table} where {where} and call_id in (select unnest(?::varchar[]))"
            connection.execute(sql, [days, gone])
    return better


def _rolled_back(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # a commit that failed has done so already
        connection.rollback()


@contextmanager
def _alone(connection: duckdb.DuckDBPyConnection, place: LakePlace, *, is_wanted: bool) -> Iterator[None]:
    """Let nobody else send a call that the lake may have; Postgres lets go of it with our connection at the latest."""
    if not (is_wanted and place.is_on_postgres):
        yield
        return
    with connection.cursor() as locker:
        locker.execute(f"attach if not exists {text(dsn(place))} as doorman (type postgres)")
        locker.begin()
        try:
            lock = f"select 1 from pg_advisory_xact_lock({ONE_AT_A_TIME})"
            locker.execute(f"select * from postgres_query('doorman', {text(lock)})").fetchall()
            yield
        finally:
            _rolled_back(locker)
