"""What a lake needs from time to time: few large files in place of many small ones, and an end to what is old. Blocks.

Every transaction leaves a file a table and day, and a snapshot by which the lake can be asked as it was. Both are kept
for a while, for whoever reads meanwhile.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
from attrs import frozen

from bridge.lake.erasures import withdraw_old
from bridge.lake.opening import NAME, LakePlace, text
from bridge.lake.retrying import insisting
from bridge.lake.searching import keep_no_samples, scrub
from bridge.lake.tables import ANSWERED, DAY, HOST
from bridge.store.database import KEPT

SNAPSHOT_HOURS: Final = 24
"""How long the lake can be asked as it was, and files that nobody needs any more are kept for who still reads them."""

ORPHAN_MINUTES: Final = 15
"""How old a file is that no transaction knows and that nobody is writing any more: a sender is given ten minutes."""

TARGET: Final = "128MB"


@frozen
class Tidied:
    """What was done: doubles that went, files that were merged and deleted, and snapshots that ended."""

    doubles: int = 0
    merged: int = 0
    snapshots: int = 0
    deleted: int = 0


def tidy(
    connection: duckdb.DuckDBPyConnection, place: LakePlace, *, keep_hours: float = SNAPSHOT_HOURS
) -> Tidied:
    """Merge small files, end old snapshots, and delete the files that only those had. Raises `duckdb.Error`.

    Others may write meanwhile: whoever comes second begins anew.
    """
    doubles = _drop_doubles(connection)
    connection.execute(f"call {NAME}.set_option('target_file_size', '{TARGET}')")
    keep_no_samples(connection, place)
    insisting(place, lambda: _rewrite(connection, KEPT))
    merged = _count(connection, f"ducklake_merge_adjacent_files('{NAME}')")
    withdraw_old(connection)
    snapshots, deleted = _let_go(connection, keep_hours)
    return Tidied(doubles=doubles, merged=merged, snapshots=snapshots, deleted=deleted)


def _drop_doubles(connection: duckdb.DuckDBPyConnection) -> int:
    """Leave one of each call in `calls`: two hosts may have sent theirs in the same moment; return how many went."""
    sql = f"""select call_id, {DAY}, arg_max({HOST}, {ANSWERED}) from {NAME}.calls
              group by call_id, {DAY} having count(distinct {HOST}) > 1"""
    found = connection.execute(sql).fetchall()
    for call_id, day, host in found:
        connection.execute(
            f"delete from {NAME}.calls where {DAY} = ? and call_id = ? and {HOST} <> ?", [day, call_id, host]
        )
    return len(found)


def erase(connection: duckdb.DuckDBPyConnection, place: LakePlace, call_ids: Iterable[str]) -> dict[str, int]:
    """Erase all rows of these calls, with the files and snapshots that held them; return how many, by table.

    Files are written anew without those rows. Raises `duckdb.Error`, `LakeError`: then it has to be done again.
    """
    erased, counts = list(call_ids), dict[str, int]()
    for table in KEPT:
        sql = f"select count(*) from {NAME}.{table} where {OF_CALLS}"
        counts[table] = int(connection.execute(sql, [erased]).fetchall()[0][0])
    tables = [table for table in KEPT if counts[table]]
    insisting(place, lambda: _delete(connection, tables, erased))
    insisting(place, lambda: _rewrite(connection, tables))
    insisting(place, lambda: _let_go(connection, 0))
    scrub(connection, place)
    return counts


OF_CALLS: Final = "call_id in (select unnest(?::varchar[]))"


def _delete(connection: duckdb.DuckDBPyConnection, tables: Iterable[str], call_ids: list[str]) -> None:
    connection.begin()
    try:
        for table in tables:
            connection.execute(f"delete from {NAME}.{table} where {OF_CALLS}", [call_ids])
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):
            connection.rollback()
        raise


def expire(
    connection: duckdb.DuckDBPyConnection,
    place: LakePlace,
    days_of: Callable[[str], int | None],
    now: datetime,
) -> int:
    """Erase the calls of each agent that are older than its rows are kept; return how many. Raises as `erase` does."""
    agents = connection.execute(f"select distinct coalesce(agent, '') from {NAME}.calls").fetchall()
    due = list[str]()
    for (agent,) in agents:
        if days := days_of(agent):
            sql = f"select call_id from {NAME}.calls where coalesce(agent, '') = ? and started_at <= ?"
            until = (now - timedelta(days=days)).astimezone(UTC).replace(tzinfo=None)
            due += [row[0] for row in connection.execute(sql, [agent, until]).fetchall()]
    if due:
        erase(connection, place, due)
    return len(due)


def _rewrite(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Write files anew of which rows were deleted: until then the rows stand in them."""
    for table in tables:
        _count(connection, f"ducklake_rewrite_data_files('{NAME}', '{table}', delete_threshold => 0)")


def _let_go(connection: duckdb.DuckDBPyConnection, keep_hours: float) -> tuple[int, int]:
    """End snapshots that are older, and delete what only those had; return how many of both."""
    until = (datetime.now(UTC) - timedelta(hours=keep_hours)).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    when = f"older_than => timestamptz {text(until)}" if keep_hours else "cleanup_all => true"
    ends = (
        f"older_than => timestamptz {text(until)}" if keep_hours else "older_than => now() + interval 1 day"
    )
    snapshots = _count(connection, f"ducklake_expire_snapshots('{NAME}', {ends})")
    deleted = _count(connection, f"ducklake_cleanup_old_files('{NAME}', {when})")
    orphans = f"older_than => now() - interval '{ORPHAN_MINUTES} minutes'"
    deleted += _count(connection, f"ducklake_delete_orphaned_files('{NAME}', {orphans})")
    return snapshots, deleted


def _count(connection: duckdb.DuckDBPyConnection, function: str) -> int:
    rows = connection.execute(
        f"select count(*) from {function}"
    ).fetchall()  # all: or else nothing is committed
    return int(rows[0][0])
