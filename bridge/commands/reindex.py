"""`bridge reindex`: the database, made anew from the tapes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import Progress

from bridge import config
from bridge.commands.options import CONFIG, DATA, data_folder
from bridge.errors import TapeError
from bridge.objects.bucket import objects_under
from bridge.objects.names import as_path
from bridge.retention.keep import keeps_rows
from bridge.screen.errors import complain, explains_errors, leave_faults
from bridge.settings.store import BUCKET
from bridge.store.database import Spread, Store
from bridge.store.database_files import those_aside
from bridge.store.unsent import Unsent
from bridge.tapes.lock import is_held
from bridge.tapes.names import DONE_SUFFIX, call_id_of, tapes_under
from bridge.tapes.odd_tapes import tried
from bridge.tapes.recovery import finish_torn
from bridge.text.wording import counted
from bridge.uploads.stub import stored_alone


def _folder_of_storage(context: click.Context, option: click.Parameter, named: str | None) -> str | None:
    """Accept s3:// with a bucket, and no file of this machine."""
    if named is not None and not BUCKET.fullmatch(named):
        complain(
            f"--from {named or repr(named)}: no folder of object storage", hint="--from s3://BUCKET/FOLDER"
        )
    return named


@click.command()
@CONFIG
@DATA
@click.option("--from", "storage", metavar="s3://BUCKET/FOLDER", callback=_folder_of_storage,
              help="Take the tapes that lie there in place of those in the data folder.")  # fmt: skip
@click.option("--scheduler", default="", metavar="tcp://HOST:PORT",
              help="Let the workers of this Dask scheduler read the tapes, from s3:// at best.")  # fmt: skip
@click.option("--lake", is_flag=True, help="Then have the lake get all calls of this host anew.")
@explains_errors
def reindex(path: Path, data: Path | None, storage: str | None, scheduler: str, lake: bool) -> None:
    """Rebuild calls.duckdb from the tapes, which are the truth; the old file is replaced at the end.

    A database that can't be read, or was made by a newer version, is kept beside it under another name.
    Exit 0 when every tape is in it, 2 when some can't be read: those are named, and left out.
    """
    store = Store(data_folder(path, data) / "calls.duckdb")
    before = those_aside(store.path)
    folder = store.path.parent
    tapes, live = (_tapes_in(storage), 0) if storage else _finished_tapes(folder)
    wants = keeps_rows(config.load(path)) if data is None else None  # of another folder nobody knows
    tapes = [tape for tape in tapes if wants is None or wants(tape)]
    if not tapes:
        _complain_of_none(storage, folder)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("tapes", total=len(tapes))
        with _spread(scheduler) as spread:
            faults = store.rebuild(tapes, progress=lambda: bar.advance(task), spread=spread)
    known = {call_id_of(tape) for tape in tapes}
    late = [
        path
        for path in tapes_under(folder / "tapes")
        if path.name.endswith(DONE_SUFFIX)
        and call_id_of(path) not in known
        and (wants is None or wants(path))
    ]
    added = [tried(lambda path: store.add([path]), path) for path in late]  # calls that ended meanwhile
    faults += [fault for fault in added if isinstance(fault, TapeError)]
    count = len(tapes) + len(late)
    click.echo(f"{store.path}: {counted(count - len(faults), 'call')} from {counted(count, 'tape')}")
    for aside in those_aside(store.path):
        if aside not in before:
            click.echo(
                f"The old one could not be taken over whole: it is {aside.name} now; delete it when you like."
            )
    if lake:
        call_ids = store.call_ids()
        Unsent.in_folder(folder).mark(call_ids, are_new=False)
        click.echo(
            f"{counted(len(call_ids), 'call')} marked for the lake: the daemon sends them, or `bridge lake send`."
        )
    if live:
        click.echo(f"{counted(live, 'call')} going on: left to the daemon.")
    leave_faults(faults)


def _complain_of_none(storage: str | None, folder: Path) -> NoReturn:
    hint = "another folder with --from" if storage else "name the folder with --data"
    complain(f"{storage or folder / 'tapes'}: no finished tapes", hint=hint)


def _finished_tapes(folder: Path) -> tuple[list[Path], int]:
    """Return the tapes to index, and how many calls are live; without a daemon, torn tapes are closed first."""
    found = tapes_under(folder / "tapes")
    done = [path for path in found if path.name.endswith(DONE_SUFFIX)]
    left_open = [path for path in found if path not in done]
    away = [stored.path for stored in stored_alone(folder / "tapes")]
    if is_held(folder):
        return [*done, *away], len(left_open)
    return sorted([*done, *away, *(finish_torn(path) or path for path in left_open)], key=call_id_of), 0


def _tapes_in(storage: str) -> list[Path]:
    """Return the complete tapes in a folder of object storage. Raises `ObjectError`."""
    return sorted(path for path in objects_under(as_path(storage)) if path.name.endswith(DONE_SUFFIX))


@contextmanager
def _spread(scheduler: str) -> Iterator[Spread]:
    """Have tapes read here, or by the workers of a cluster."""
    if not scheduler:
        yield map
        return
    from replay.cluster.pool import open_pool  # the lab's: who has a cluster works with both

    with open_pool(scheduler=scheduler) as pool:
        yield pool.each
