"""`replay list`: which calls there are on tape, whatever a database knows of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from attrs import asdict
from rich.table import Table
from rich.text import Text

from bridge.errors import TapeError
from bridge.objects.names import name_of
from bridge.screen.errors import leave_faults, quiet_interrupt
from bridge.screen.output import moment, print_json, table_console
from bridge.tapes.names import tapes_under
from bridge.tapes.odd_tapes import gone_through
from bridge.text.visible import visible
from bridge.text.wording import seconds, short_id
from replay.commands.options import JSON, found
from replay.tapes.pages import Entry, entry_of

WHO = ("caller", "model", "tool", "limit", "operator", "bridge")


@click.command(name="list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("data"), required=False)
@click.option("--agent", help="Only calls of this agent.")
@click.option("--ended-by", type=click.Choice(WHO), help="Only calls that were ended by this side.")
@click.option("--since", type=click.DateTime(), help="Only calls from this moment on (UTC).")
@JSON
def list_(
    folder: Path, agent: str | None, ended_by: str | None, since: datetime | None, wants_json: bool
) -> None:
    """List the calls on tape in a FOLDER (data, unless you name one) and all folders in it, the latest last.

    The tapes themselves are read, no database: it also lists calls that were copied from elsewhere, and those
    that are going on: those a daemon is recording now. Any other call without an end was cut off.

    \b
    replay list                                  everything under data
    replay list tests/tapes                      golden tapes
    replay list --agent front-desk --since 2026-11-23
    replay list --ended-by limit --json | jq -r '.[].path' | xargs replay run

    Exit code: 0, or 2 when there is nothing to list, or some can't be read.
    """

    def is_wanted(entry: Entry) -> bool:
        moment = since.replace(tzinfo=UTC) if since else None
        is_right = agent in (None, entry.agent) and ended_by in (None, entry.ended_by)
        return is_right and (moment is None or entry.started >= moment)

    faults = list[TapeError]()
    with quiet_interrupt():
        entries = list(gone_through(_tapes(folder), entry_of, faults))
    wanted = sorted(filter(is_wanted, entries), key=lambda entry: (entry.started, entry.call_id))
    if wants_json:
        print_json([_as_json(entry) for entry in wanted])
    elif wanted:
        screen = table_console()
        screen.print(table_of(wanted, screen.width))
    else:
        none = f"No calls in {folder}; `replay list FOLDER` looks in another one."
        click.echo("No calls match; try fewer filters." if entries else none)
    leave_faults(faults)


def _tapes(folder: Path) -> list[Path]:
    return found([str(folder)], folder) if not folder.is_dir() else tapes_under(folder)


def _as_json(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"path": name_of(entry.path)}


NAMES: Final = ("started (UTC)", "call", "agent", "with", "length", "ended by", "tape")
NARROW: Final = ("started (UTC)", "call", "length", "ended by", "tape")


def table_of(entries: list[Entry], width: int) -> Table:
    """Return the list of calls, with the columns that fit in so many characters."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    shown = NAMES if width >= 110 else NARROW
    for name in shown:
        table.add_column(name, no_wrap=name != "ended by", overflow="fold")
    for entry in entries:
        cells = dict(zip(NAMES, _cells(entry), strict=True))
        table.add_row(*(Text(visible(cells[name])) for name in shown))
    return table


def _cells(entry: Entry) -> Iterator[str]:
    yield moment(entry.started.astimezone(UTC))
    yield short_id(entry.call_id)
    yield entry.agent
    yield entry.caller
    yield seconds(entry.length_ms)
    ended = f"{entry.ended_by}: {entry.why}" if entry.ended_by else entry.why
    yield ended + (" (torn)" if entry.is_torn and entry.ended_by else "")
    yield "" if entry.path.name.startswith(entry.call_id) else entry.path.name  # as a rule the id is the name
