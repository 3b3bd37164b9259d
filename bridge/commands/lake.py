"""`bridge lake`: what the lake of all hosts needs from whoever runs it."""

from pathlib import Path
from typing import Final

import click
from attrs import asdict

from bridge import config
from bridge.commands.options import CONFIG, JSON, lake_of
from bridge.lake.opening import explained, opened
from bridge.lake.sending import MOST, send
from bridge.lake.tables import is_begun
from bridge.lake.upkeep import SNAPSHOT_HOURS, Tidied, expire
from bridge.lake.upkeep import tidy as tidy_up
from bridge.retention.everywhere import answer_requests
from bridge.retention.keep import utc_now
from bridge.screen.errors import complain, explains_errors, say
from bridge.screen.lazy_group import LazyCommands, LazyGroup
from bridge.screen.output import print_json
from bridge.store.database import Store
from bridge.store.unsent import Unsent
from bridge.tapes.lock import is_held
from bridge.text.wording import counted

COMMANDS: Final[LazyCommands] = {
    "send": "bridge.commands.lake:send_all",
    "tidy": "bridge.commands.lake:tidy",
}


NOTHING: Final = "No host has sent a call to the lake yet."


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def lake() -> None:
    """The records of all hosts in one database: [store] lake. See docs/fleet.md.

    \b
    bridge lake send         send what waits here, of a host that will not run again
    bridge lake tidy         merge small files, and let go of what is too old: once an hour, on one host
    """


@click.command("send")
@CONFIG
@explains_errors
def send_all(path: Path) -> None:
    """Send all calls that wait here, and erase what other hosts have asked for. A daemon does both by itself."""
    data, place = config.load(path).data_folder, lake_of(path)
    if is_held(data):
        complain(f"{data}: a daemon runs here", hint="it sends them by itself, every [store] lake_seconds")
    count = 0
    with explained(place), opened(place) as connection:
        while sent := send(connection, place, Store(data / "calls.duckdb"), MOST).calls:
            count += sent
        answer_requests(connection, place, data)
    say(f"{counted(count, 'call')} sent; {Unsent.in_folder(data).count()} wait")


@click.command()
@CONFIG
@click.option(
    "--keep-hours",
    default=SNAPSHOT_HOURS,
    show_default=True,
    type=click.IntRange(0, 8760),
    help="How long the lake can be asked as it was.",
)
@JSON
@explains_errors
def tidy(path: Path, keep_hours: int, as_json: bool) -> None:
    """Merge small files, erase rows that are too old (keep_rows_days), and delete what nobody needs any more.

    Hosts may go on writing. With --keep-hours 0 whoever reads the lake at this moment may miss a file.
    """
    settings, place = config.load(path), lake_of(path)
    with explained(place), opened(place) as connection:
        if not is_begun(connection):
            return print_json({"expired": 0, **asdict(Tidied())}) if as_json else say(NOTHING)
        expired = expire(connection, place, lambda agent: settings.keep_of(agent).rows_days, utc_now())
        done = tidy_up(connection, place, keep_hours=keep_hours)
    if as_json:
        return print_json({"expired": expired, **asdict(done)})
    doubles = f", {counted(done.doubles, 'double')} gone" if done.doubles else ""
    files = f"{done.merged} files from smaller ones, {counted(done.deleted, 'file')} deleted"
    say(f"{counted(expired, 'call')} too old, {files}, {counted(done.snapshots, 'snapshot')} ended{doubles}")
