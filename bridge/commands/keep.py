"""`bridge keep` and `bridge forget`: removing what is too old, and erasing calls for good."""

from pathlib import Path

import click

from bridge import config
from bridge.commands.options import CONFIG, DATA, JSON, lake_of
from bridge.retention.keep import due, utc_now
from bridge.retention.keep import keep as keep_now
from bridge.screen.errors import explains_errors
from bridge.screen.everywhere import Asked, forget_everywhere
from bridge.screen.retention import forget as forget_calls
from bridge.screen.retention import show_due, show_removed
from bridge.tapes.odd_tapes import UNREADABLE


@click.command()
@CONFIG
@DATA
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@JSON
@explains_errors
def keep(path: Path, data: Path | None, dry_run: bool, as_json: bool) -> None:
    """Remove what is too old now: sound, tapes and rows, each after its days in the configuration.

    The daemon does this by itself, at its start and every 6 hours; it need not be stopped for this.
    Exit 0 when all that was due is gone, 2 when a tape can't be rewritten or deleted: it is named, and stays.
    """
    settings, now = config.load(path), utc_now()
    folder = data or settings.data_folder
    if dry_run:
        return show_due(due(folder, settings, now), wants_json=as_json)
    removed = keep_now(folder, settings, now)
    show_removed(removed, wants_json=as_json)
    raise SystemExit(UNREADABLE if removed.failed else 0)


@click.command()
@click.argument("who", metavar="CALL|NUMBER")
@CONFIG
@DATA
@click.option("--dry-run", is_flag=True, help="Only show which calls are meant.")
@click.option("--yes", "-y", is_flag=True, help="Ask no question.")
@click.option(
    "--wait",
    "wait_seconds",
    default=400,
    show_default=True,
    type=click.IntRange(0, 86_400),
    help="Seconds that other hosts have to answer, where there is a lake.",
)
@JSON
@explains_errors
def forget(
    who: str, path: Path, data: Path | None, dry_run: bool, yes: bool, wait_seconds: int, as_json: bool
) -> None:
    """Erase a call, or all calls with a phone number, for good; then search every file for what is left of it.

    CALL is a call id or its beginning; NUMBER is the other party's, in any spelling, with its country code.
    Numbers that were masked can't be told: such calls are listed, to be forgotten by their id. Calls that go on
    are refused. The daemon need not be stopped. With [store] lake it goes from there too, and from all other hosts,
    which are waited for.

    \b
    bridge forget CA4f3e
    bridge forget "+1 (555) 012-3456" --dry-run
    bridge forget +15550123456 --yes --json

    Exit 0 when nothing is left, 1 when something was found again, 2 when nothing was erased (no such
    call, say), or a tape can't be read and may be of this number: it is named, to be forgotten by its id.
    """
    settings = None if data is not None else config.load(path)
    if settings is None or not settings.store.lake:
        folder = data or config.load(path).data_folder
        raise SystemExit(forget_calls(who, folder, is_dry=dry_run, is_sure=yes, wants_json=as_json))
    asked = Asked(is_dry=dry_run, is_sure=yes, wants_json=as_json, wait_seconds=wait_seconds)
    raise SystemExit(forget_everywhere(who, settings.data_folder, lake_of(path), asked))
