"""`bridge calls` and `bridge show`: what happened, as the database has it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.commands.options import CONFIG, DATA, JSON, STORE, data_folder, lake_of
from bridge.lake.reading import lake_reading
from bridge.objects.names import is_object, name_of
from bridge.screen.errors import explains_errors
from bridge.screen.output import calls_table, console, print_json, show_call, table_console
from bridge.store.database import Store, patiently
from bridge.store.one_call import read_record, record_in
from bridge.uploads.stub import located


@click.command()
@CONFIG
@DATA
@STORE
@click.option("--agent", help="Only calls of this agent.")
@click.option("--ended-by", type=click.Choice(["caller", "model", "tool", "limit", "operator", "bridge"]))
@click.option("--from", "caller", help="Only callers, or who was called, whose number contains this.")
@click.option("--since", type=click.DateTime(), help="Only calls from this moment on (UTC).")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="The latest so many."
)
@JSON
@explains_errors
def calls(path: Path, data: Path | None, store: str, limit: int, as_json: bool, **filters: Any) -> None:
    """List calls, the latest first."""
    clauses = {"agent": "agent = ?", "ended_by": "ended_by = ?", "since": "started_at >= ?",
               "caller": "contains(if(is_outgoing, to_number, from_number), ?)"}  # fmt: skip
    used = {name: value for name, value in filters.items() if value}
    where = " and ".join(clauses[name] for name in used) or "true"
    sql = f"select * from calls where {where} order by started_at desc limit {limit}"
    if store == "lake":
        with lake_reading(lake_of(path)) as query:
            rows = query(sql, used.values())
    else:
        rows = _here(Store(data_folder(path, data) / "calls.duckdb"), sql, used.values())
    for row in rows:
        row["counts"] = None if row["counts"] is None else msgspec.json.decode(row["counts"])
    if as_json:
        print_json(rows)
    elif rows:
        screen = table_console()
        screen.print(calls_table(rows, width=screen.width))
    else:
        here = f"No calls yet in {data_folder(path, data)}; --data names another folder."
        none = "No host has sent a call to the lake yet." if store == "lake" else here
        click.echo("No calls match; try fewer filters." if used else none)


def _here(store: Store, sql: str, values: Iterable[Any]) -> list[dict[str, Any]]:
    return patiently(lambda: store.query(sql, values)) if store.path.exists() else []


@click.command()
@click.argument("call")
@CONFIG
@DATA
@STORE
@JSON
@explains_errors
def show(call: str, path: Path, data: Path | None, store: str, as_json: bool) -> None:
    """Show one call: transcript, tools, milestones, latencies.

    CALL is a call id or its beginning, or "last". Words that were said but never heard are struck through, or in
    [not heard: …] where no screen can do that.
    """
    if store == "lake":
        with lake_reading(lake_of(path)) as query:
            record = record_in(query, call, "the lake")
    else:
        here = Store(data_folder(path, data) / "calls.duckdb")
        record = patiently(lambda: read_record(here, call))
        if is_object(found := located(here.path.parent, record["call"]["tape"] or "")):
            record["call"]["tape"] = name_of(found)
    if as_json:
        print_json(record)
    else:
        show_call(record, console())
