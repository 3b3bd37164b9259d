"""The proof that something is gone from the lake: rows, catalogue, and files that no transaction knows. Blocks."""

from collections.abc import Iterator, Sequence
from typing import Final

import duckdb

from bridge.lake.opening import NAME, LakePlace, dsn, text
from bridge.store.database import KEPT

CATALOGUE: Final = "__ducklake_metadata_lake"
"""What DuckLake calls the catalogue of a lake that is called `lake`."""

OF_VALUES: Final = ("ducklake_file_column_stats", "ducklake_table_column_stats")
"""Tables of the catalogue that hold the smallest and the largest value of columns, and so words of callers."""

VALUES: Final = ("min_value", "max_value")

UNKNOWN: Final = "a file that no transaction knows: `bridge lake tidy` deletes it when it is old enough"


def left_in(
    connection: duckdb.DuckDBPyConnection, place: LakePlace, needles: Sequence[str]
) -> list[tuple[str, str]]:
    """Return what is left of these texts, and where. Raises `duckdb.Error`."""
    found = list[tuple[str, str]]()
    for table in KEPT:
        columns = _texts_of(connection, table)
        found += [
            (f"rows of {table}", one) for one in _rows_with(connection, f"{NAME}.{table}", columns, needles)
        ]
    for table in OF_VALUES:
        there = _rows_with(connection, f"{CATALOGUE}.{table}", VALUES, needles)
        found += [(f"the catalogue's {table}", one) for one in there]
    return [*found, *((path, UNKNOWN) for path in unknown_files(connection, place))]


def unknown_files(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> list[str]:
    """Return files that belong to no snapshot: of a process that died, or that writes at this moment."""
    there = f"select file from glob({text(place.files.rstrip('/') + '/**/*.parquet')})"
    tables = "select table_name from duckdb_tables() where database_name = ? order by 1"
    named = [row[0] for row in connection.execute(tables, [NAME]).fetchall()]
    known = {path for table in named for path in _files_of(connection, table)}
    return sorted(row[0] for row in connection.execute(there).fetchall() if row[0] not in known)


def _files_of(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[str]:
    sql = f"select data_file, delete_file from ducklake_list_files('{NAME}', {text(table)})"
    for row in connection.execute(sql).fetchall():
        yield from (path for path in row if path)


def _texts_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    sql = """select column_name from duckdb_columns() where database_name = ? and table_name = ?
             and data_type in ('VARCHAR', 'JSON')"""
    return [row[0] for row in connection.execute(sql, [NAME, table]).fetchall()]


def _rows_with(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], needles: Sequence[str]
) -> list[str]:
    """Return which of these stand in a row of a table."""
    if not columns or not needles:
        return []
    row_text = f"concat_ws(chr(10), {', '.join(columns)})"
    asked = ", ".join(f"bool_or(contains(row_text, ?)) as n{number}" for number in range(len(needles)))
    sql = f"select {asked} from (select {row_text} as row_text from {table})"
    (row,) = connection.execute(sql, list(needles)).fetchall()
    return [needle for needle, is_there in zip(needles, row, strict=True) if is_there]


# ---------------------------------------------------------------- what the catalogue keeps of rows that are gone


def scrub(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    """Take what was erased out of the catalogue: the widest values that a table ever had, and deleted rows of its own.

    Others wait meanwhile, for the length of a file's copy. Raises `duckdb.Error`.
    """
    if not place.is_on_postgres:
        connection.execute(_narrowed(f"{CATALOGUE}."))
        connection.execute(f"checkpoint {CATALOGUE}")
        return
    with connection.cursor() as doorman:
        doorman.execute(f"attach if not exists {text(dsn(place))} as doorman (type postgres)")
        doorman.begin()  # whoever commits now comes first, and their values are seen
        for sql in (f"lock table {OF_VALUES[1]} in exclusive mode", _narrowed("")):
            doorman.execute(f"call postgres_execute('doorman', {text(sql)})").fetchall()
        doorman.commit()
        for table in OF_VALUES:
            for sql in (f"vacuum full {table}", f"analyze {table}"):
                alone = f"call postgres_execute('doorman', {text(sql)}, use_transaction => false)"
                doorman.execute(alone).fetchall()


def _narrowed(prefix: str) -> str:
    """Return the SQL that makes each table's widest texts those of its files; a transaction only ever widens them.

    DuckLake does that by itself only where all files of a table were written anew.
    """
    order = "" if prefix else ' collate "C"'  # DuckDB's own order, which Postgres may not have
    return f"""
        update {prefix}ducklake_table_column_stats as wide set
            min_value = coalesce((select min(f.min_value{order}) {_FILES.format(prefix=prefix)}), ''),
            max_value = coalesce((select max(f.max_value{order}) {_FILES.format(prefix=prefix)}), '')
        where exists (select 1 from {prefix}ducklake_column c where c.table_id = wide.table_id
            and c.column_id = wide.column_id and c.column_type in ('varchar', 'json') and c.end_snapshot is null)"""


_FILES: Final = """from {prefix}ducklake_file_column_stats f join {prefix}ducklake_data_file d
    on d.data_file_id = f.data_file_id
    where f.table_id = wide.table_id and f.column_id = wide.column_id and d.end_snapshot is null"""


def keep_no_samples(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    """Keep Postgres from sampling words of callers for its planner. Raises `duckdb.Error`."""
    if place.is_on_postgres:
        connection.execute(f"attach if not exists {text(dsn(place))} as doorman (type postgres)")
        for table in OF_VALUES:
            sql = f"alter table {table} " + ", ".join(
                f"alter column {one} set statistics 0" for one in VALUES
            )
            connection.execute(f"call postgres_execute('doorman', {text(sql)})").fetchall()
