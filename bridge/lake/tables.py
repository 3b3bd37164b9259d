"""The lake's tables: those of the local database, with the day of the call in each, and the host in `calls`.

The day is what files are divided by: whoever asks for some days opens theirs alone.
"""

from typing import Final

import duckdb

from bridge.lake.opening import NAME
from bridge.store.database import KEPT

DAY: Final = "day"
HOST: Final = "host"
ANSWERED: Final = "answered"
"""Whether the caller got a media stream, and so this host's word counts above another's."""

OWN: Final[dict[str, dict[str, str]]] = {
    table: {DAY: "date", **({HOST: "varchar", ANSWERED: "boolean"} if table == "calls" else {})}
    for table in KEPT
}
"""The columns that the lake has beside the local database's, by table."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what is missing of the lake's tables, as this version has them; what a newer one added stays."""
    wanted = {table: _columns(connection, "memory", table) | OWN[table] for table in KEPT}
    known = {table: _columns(connection, NAME, table) for table in KEPT}
    if all(wanted[table].keys() <= known[table].keys() for table in KEPT):
        return
    connection.begin()
    for table, columns in wanted.items():
        _make(connection, table, columns, known[table])
    connection.commit()


def _make(
    connection: duckdb.DuckDBPyConnection, table: str, wanted: dict[str, str], known: dict[str, str]
) -> None:
    if not known:
        columns = ", ".join(f"{name} {kind}" for name, kind in wanted.items())
        connection.execute(f"create table {NAME}.{table} ({columns})")
        parts = ", ".join(name for name in OWN[table] if name != HOST)
        connection.execute(f"alter table {NAME}.{table} set partitioned by ({parts})")
        return
    for name, kind in wanted.items():
        if name not in known:
            connection.execute(f"alter table {NAME}.{table} add column {name} {kind}")


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> dict[str, str]:
    sql = """select column_name, data_type from duckdb_columns()
             where database_name = ? and schema_name = 'main' and table_name = ? order by column_index"""
    return dict(connection.execute(sql, [database, table]).fetchall())


def is_begun(connection: duckdb.DuckDBPyConnection) -> bool:
    """Say whether any host has sent a call yet: the first one makes the tables."""
    return bool(_columns(connection, NAME, "calls"))


def shown_as_local(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the lake's tables be asked for by the local database's names, with its columns and `host`.

    Of a lake that no host has sent a call to yet, they are empty.
    """
    if not is_begun(connection):
        connection.execute(f"alter table main.calls add column {HOST} varchar")
        return
    for table in KEPT:
        hidden = ", ".join(name for name in OWN[table] if name != HOST)
        connection.execute(f"drop table main.{table}")
        connection.execute(f"create view main.{table} as select * exclude ({hidden}) from {NAME}.{table}")
