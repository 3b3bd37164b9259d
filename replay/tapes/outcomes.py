"""What came of each tape of a replay as a table, for questions that a screen can't answer: a Parquet file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from bridge.objects.names import name_of
from bridge.store.database import quoted
from replay.tapes.beside import written_beside
from replay.tapes.run_report import Verdict, headline

COLUMNS: Final = {
    "tape": "varchar", "status": "varchar", "call_id": "varchar", "decisions": "integer", "duration_ms": "integer",
    "is_torn": "boolean", "shed": "integer", "line": "integer", "t_ms": "integer", "difference": "varchar",
    "records": "varchar", "error": "varchar",
}  # fmt: skip
"""Of `line` and `t_ms`: where the first difference is."""


def write_outcomes(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write a row for each tape, in their order; how long anything took is in none. Raises `OSError`."""
    columns = [list(column) for column in zip(*map(_row, verdicts), strict=True)]
    shown = ", ".join(f"unnest(?::{kind}[]) as {name}" for name, kind in COLUMNS.items())
    with duckdb.connect() as connection, written_beside(path) as part:
        try:
            connection.execute(f"copy (select {shown}) to {quoted(part)} (format parquet)", columns)
        except duckdb.IOException as error:
            raise OSError(str(error)) from None


def _row(verdict: Verdict) -> tuple[Any, ...]:
    found = verdict.result.difference if verdict.result else None
    where = (None, None, "") if found is None else (found.place + 2, found.t_ms, headline(found))
    return (name_of(verdict.path), verdict.status, *_facts(verdict), *where, verdict.records, verdict.error)


def _facts(verdict: Verdict) -> Iterator[Any]:
    result = verdict.result
    if result is None:
        yield from (None,) * 5
    else:
        yield from (result.call_id, result.decisions, result.duration_ms, result.is_torn, result.shed)
