"""Which of a call's records differ between two tellings of it: tables and columns, not lines. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import frozen

from bridge.store.records import Records, Row, records_of
from bridge.tapes.header import Header
from bridge.tapes.tape import decode

TABLES: Final = ("call", "transcript", "tool_calls", "milestones", "items", "turns", "log", "legs")


@frozen
class TableChange:
    """A table that would be stored otherwise: the columns that differ, and how many rows there were and are."""

    table: str
    columns: tuple[str, ...]
    was_rows: int
    now_rows: int

    def __str__(self) -> str:
        """Return it in words: items.heard_ms, or milestones (12 rows, 13 today)."""
        names = [f"{self.table}.{column}" for column in self.columns]
        if self.was_rows != self.now_rows:
            names.append(f"{self.table} ({self.was_rows} rows, {self.now_rows} today)")
        return ", ".join(names)


def record_changes(header: Header, was: Iterable[bytes], now: Iterable[bytes]) -> tuple[TableChange, ...]:
    """Return the tables in which the records of two tellings differ."""
    before, after = records(header, was), records(header, now)
    return tuple(_changes(before, after))


def records(header: Header, lines: Iterable[bytes], *, is_torn: bool = False) -> Records:
    """Return the records of a tape's lines."""
    return records_of(header, map(decode, lines), is_torn=is_torn)


def _changes(before: Records, after: Records) -> Iterator[TableChange]:
    for table in TABLES:
        was, now = _rows(before, table), _rows(after, table)
        if was != now:
            # Rows that moved differ in everything; where their number changed, only the number says something.
            columns = _columns(was, now) if len(was) == len(now) else ()
            yield TableChange("calls" if table == "call" else table, columns, len(was), len(now))


def _rows(records: Records, table: str) -> list[Row]:
    rows: Any = getattr(records, table)
    return [rows] if table == "call" else rows


def _columns(was: list[Row], now: list[Row]) -> tuple[str, ...]:
    names = dict.fromkeys(name for rows in (was, now) for row in rows for name in row)
    pairs = list(zip(was, now, strict=True))
    return tuple(name for name in names if any(old.get(name) != new.get(name) for old, new in pairs))
