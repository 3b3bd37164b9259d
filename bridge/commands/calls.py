"""`bridge calls` and `bridge show`: what happened, as the database has it."""

from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.commands.options import CONFIG, DATA, JSON, data_folder
from bridge.errors import BridgeError
from bridge.screen.errors import explains_errors
from bridge.screen.output import calls_table, console, print_json, show_call, table_console
from bridge.store.database import TABLES, Query, Store, patiently


@click.command()
@CONFIG
@DATA
@click.option("--agent", help="Only calls of this agent.")
@click.option("--ended-by", type=click.Choice(["caller", "model", "tool", "limit", "operator", "bridge"]))
@click.option("--from", "caller", help="Only callers, or who was called, whose number contains this.")
@click.option("--since", type=click.DateTime(), help="Only calls from this moment on (UTC).")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="The latest so many."
)
@JSON
@explains_errors
def calls(path: Path, data: Path | None, limit: int, as_json: bool, **filters: Any) -> None:
    """List calls, the latest first."""
    clauses = {"agent": "agent = ?", "ended_by": "ended_by = ?", "since": "started_at >= ?",
               "caller": "contains(if(is_outgoing, to_number, from_number), ?)"}  # fmt: skip
    used = {name: value for name, value in filters.items() if value}
    where = " and ".join(clauses[name] for name in used) or "true"
    sql = f"select * from calls where {where} order by started_at desc limit {limit}"
    store = Store(data_folder(path, data) / "calls.duckdb")
    rows = patiently(lambda: store.query(sql, used.values())) if store.path.exists() else []
    for row in rows:
        row["counts"] = _json(row["counts"])
    if as_json:
        print_json(rows)
    elif rows:
        screen = table_console()
        screen.print(calls_table(rows, width=screen.width))
    else:
        none = f"No calls yet in {store.path.parent}; --data names another folder."
        click.echo("No calls match; try fewer filters." if used else none)


@click.command()
@click.argument("call")
@CONFIG
@DATA
@JSON
@explains_errors
def show(call: str, path: Path, data: Path | None, as_json: bool) -> None:
    """Show one call: transcript, tools, milestones, latencies.

    CALL is a call id or its beginning, or "last". Words that were said but never heard are struck through, or in
    [not heard: …] where no screen can do that.
    """
    store = Store(data_folder(path, data) / "calls.duckdb")
    record = patiently(lambda: read_record(store, call))
    if as_json:
        print_json(record)
    else:
        show_call(record, console())


def read_record(store: Store, call: str) -> dict[str, Any]:
    """Return all rows of one call, by table. Raises `BridgeError` when the id names none or several."""
    if not call:
        raise BridgeError('an empty call id: `bridge calls` lists them, and "last" is the latest')
    with store.reading() as query:
        call_id = _meant(query, call, store.path)
        record: dict[str, Any] = {}
        for table in (name for name in TABLES if name != "spoken"):  # `transcript` says it
            order = "" if table == "calls" else "order by position"
            record[table] = query(f"select * from {table} where call_id = ? {order}", [call_id])
    record["call"] = record.pop("calls")[0]
    record["call"]["counts"] = _json(record["call"]["counts"])
    for table, column in (
        ("milestones", "data"),
        ("log", "data"),
        ("legs", "data"),
        ("tool_calls", "arguments"),
    ):
        for row in record[table]:
            row[column] = _json(row[column])
    return record


def _meant(query: Query, call: str, path: Path) -> str:
    """Return the id of the one call that is meant."""
    clause, values = ("true", []) if call == "last" else ("starts_with(call_id, ?)", [call])
    found = query(f"select call_id from calls where {clause} order by started_at desc limit 3", values)
    if not found:
        raise BridgeError(f"no call {call} in {path}: `bridge calls` lists them, --data names another folder")
    if call != "last" and len(found) > 1 and found[0]["call_id"] != call:
        raise BridgeError(f"{call} is the beginning of several calls: give more of it")
    return str(found[0]["call_id"])


def _json(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
