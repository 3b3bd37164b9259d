"""One call as the database has it: all its rows, by table."""

from typing import Any, Final, TypeAlias

import msgspec

from bridge.errors import BridgeError
from bridge.store.database import TABLES, Query, Store

Row: TypeAlias = dict[str, Any]
JSON: Final = {"milestones": "data", "log": "data", "legs": "data", "tool_calls": "arguments"}
"""The column of each table that holds JSON."""


def read_record(store: Store, call: str) -> Row:
    """Return all rows of one call, by table. Raises `BridgeError` when the id names none or several."""
    with store.reading() as query:
        return record_in(query, call, str(store.path))


def record_in(query: Query, call: str, where: str) -> Row:
    """Return all rows of one call, by table; `where` is for messages. Raises `BridgeError` as above."""
    if not call:
        raise BridgeError('an empty call id: `bridge calls` lists them, and "last" is the latest')
    return record_of(query, _meant(query, call, where))


def record_of(query: Query, call_id: str) -> Row:
    """Return all rows of the call that has this id, by table. Raises `IndexError` when there is none."""
    record: Row = {
        table: query(f"select * from {table} where call_id = ? order by position", [call_id])
        for table in TABLES
        if table not in ("calls", "spoken")  # `transcript` has what that says
    }
    record["call"] = query("select * from calls where call_id = ?", [call_id])[0]
    record["call"]["counts"] = _json(record["call"]["counts"])
    for table, column in JSON.items():
        for row in record[table]:
            row[column] = _json(row[column])
    return record


def _meant(query: Query, call: str, where: str) -> str:
    """Return the id of the one call that is meant."""
    clause, values = ("true", []) if call == "last" else ("starts_with(call_id, ?)", [call])
    found = query(f"select call_id from calls where {clause} order by started_at desc limit 3", values)
    if not found:
        raise BridgeError(
            f"no call {call} in {where}: `bridge calls` lists them, --data names another folder"
        )
    if call != "last" and len(found) > 1 and found[0]["call_id"] != call:
        raise BridgeError(f"{call} is the beginning of several calls: give more of it")
    return str(found[0]["call_id"])


def _json(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
