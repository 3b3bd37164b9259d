"""`replay run`: today's bridge against everything it ever said, on all cores."""

import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import attrs
import click
from rich.console import Console
from rich.progress import Progress

from bridge.errors import BridgeError
from bridge.objects.names import is_object
from bridge.screen.errors import explains_errors, quiet_interrupt
from bridge.screen.output import console, print_json
from bridge.tapes.odd_tapes import UNREADABLE, about, named
from replay.cluster.pool import BUNDLE, open_pool
from replay.commands.options import DATA, JSON, SCHEDULER, TAPES, complain_of_file, found, prepare_file
from replay.tapes.junit import write_junit
from replay.tapes.player import CONTEXT, replay_tape
from replay.tapes.rewrite import accept as accept_tape
from replay.tapes.run_report import STYLES, Verdict, around, as_case, as_json, one_line, summary

DIFFERS: Final = 1
SHOW_PROGRESS_FROM: Final = 20
"""Tapes; fewer than these are done before anybody could read a progress bar."""

BYTES_A_JOB: Final = 10_000_000
"""Compressed; a process takes a second to start, in which one core replays eight calls of three minutes."""

SHRINKS_BY: Final = 4
"""How much larger a tape is that is not compressed."""

OBJECT_BYTES: Final = 300_000
"""What a tape in storage is taken to have, compressed: nobody asks storage for each."""

MOST_WORKERS: Final = 16
"""Of a cluster, that shall all have something to do of a few tapes."""


@click.command()
@TAPES
@click.option("--context", "-n", type=click.IntRange(0, 1000), default=CONTEXT, show_default=True,
              help="Lines to show before and after a difference.")  # fmt: skip
@click.option("--jobs", "-j", type=click.IntRange(1, 256), default=None,
              help="Processes to use; all cores, or one for a few tapes, unless told.")  # fmt: skip
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML for CI there."
)
@click.option("--accept", is_flag=True, help="Re-record every tape that differs, with what is said today.")
@SCHEDULER
@click.option("--parquet", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write what came of each tape there: a row a tape, for duckdb.")  # fmt: skip
@JSON
@DATA
@explains_errors
def run(
    tapes: tuple[str, ...], context: int, jobs: int | None, junit: Path | None, accept: bool, scheduler: str,
    parquet: Path | None, wants_json: bool, data: Path,
) -> None:  # fmt: skip
    """Replay calls through today's bridge, and compare all it says with what it said.

    Everything that came in is fed to the bridge again, at the recorded milliseconds; its answers must be the
    same, byte for byte. For a call that differs, the lines around the first difference are shown: - is on the
    tape, + is said today; and which tables and columns of its records would be stored otherwise.

    --accept is for golden tapes, after a change that was meant: it replaces the decisions on each tape that
    differs by today's. What the phone, the model and the tools said stays word for word; a tape that lacks
    some of it, torn or shed, is refused. Look at the differences first: it asks for nothing.

    \b
    replay run tests/tapes                 a folder, and all folders in it
    replay run data/tapes/2026-11-23       one day
    replay run CA4f3e --context 20         one call, with more around a difference
    replay run tests/tapes --junit out.xml   for CI: a test case a tape
    replay run tests/tapes --accept        the change was meant: these are the golden tapes now
    replay run --json data/tapes           for machines
    replay run s3://calls/tapes --scheduler tcp://lab:8786 --parquet out.parquet
                                           a year of calls, on other machines

    Exit code: 0 all the same or accepted, 1 some differ, 2 some can't be read (whatever the others do), or
    none was found.
    """
    paths = found(tapes, data)
    out = Console(quiet=True) if wants_json else console()
    _refuse_what_fails_later(junit, parquet, accept=accept, scheduler=scheduler)
    judge = partial(judge_tape, context=context, accept=accept)
    jobs = jobs or (1 if scheduler else _cores(paths))
    bundle = max(1, min(BUNDLE, len(paths) // MOST_WORKERS if scheduler else len(paths) // jobs))
    begun = perf_counter()
    with quiet_interrupt(), open_pool(jobs, scheduler) as pool:
        verdicts = list(_shown(pool.each(judge, paths, bundle), len(paths), out))
    if wants_json:
        counts = {status: [verdict.status for verdict in verdicts].count(status) for status in STYLES}
        print_json(counts | {"tapes": [as_json(verdict) for verdict in verdicts]})
    elif len(verdicts) > 1:
        out.print(summary(verdicts, perf_counter() - begun), soft_wrap=True)
    _leave(verdicts, junit, parquet)
    statuses = [verdict.status for verdict in verdicts]
    sys.exit(UNREADABLE if "unreadable" in statuses else DIFFERS if "differs" in statuses else 0)


def _refuse_what_fails_later(
    junit: Path | None, parquet: Path | None, *, accept: bool, scheduler: str
) -> None:
    if accept and scheduler:
        raise click.UsageError("--accept writes golden tapes here: it has no use for --scheduler")
    prepare_file(junit, "--junit")
    prepare_file(parquet, "--parquet")


def _cores(paths: Sequence[Path]) -> int:
    """Return how many processes are worth starting."""
    work = sum(_size(path) for path in paths)
    return max(1, min(os.cpu_count() or 1, work // BYTES_A_JOB, len(paths)))


def _size(path: Path) -> int:
    if is_object(path):
        return OBJECT_BYTES
    try:
        size = path.stat().st_size
    except OSError:
        return 0  # whoever replays it says what is wrong with it
    return size if path.suffix == ".gz" else size // SHRINKS_BY


def judge_tape(path: Path, *, context: int = CONTEXT, accept: bool = False) -> Verdict:
    """Replay one tape and say what came of it; `accept` re-records it if it differs."""
    begun = perf_counter()
    try:
        with about(path):
            result = replay_tape(path, context=context)
    except BridgeError as error:
        return Verdict(path, perf_counter() - begun, error=named(error, path))
    verdict = Verdict(path, perf_counter() - begun, result)
    return _accepted(verdict) if accept and verdict.status == "differs" else verdict


def _accepted(verdict: Verdict) -> Verdict:
    try:
        with about(verdict.path):
            accept_tape(verdict.path)
    except (BridgeError, OSError) as error:
        return attrs.evolve(verdict, refused=str(error))
    return attrs.evolve(verdict, is_accepted=True)


def _shown(verdicts: Iterator[Verdict], total: int, out: Console) -> Iterator[Verdict]:
    """Print what comes of each tape as soon as it is known."""
    is_shown = out.is_terminal and total >= SHOW_PROGRESS_FROM
    with Progress(console=out, transient=True, disable=not is_shown) as progress:
        for verdict in progress.track(verdicts, total=total, description="replaying"):
            out.print(one_line(verdict), soft_wrap=True)
            if verdict.status == "differs" and verdict.result and verdict.result.difference:
                for line in around(verdict.result.difference):
                    out.print(line, soft_wrap=True)
                if verdict.records:
                    out.print(f"  records that would differ: {verdict.records}", soft_wrap=True)
            yield verdict


def _leave(verdicts: list[Verdict], junit: Path | None, parquet: Path | None) -> None:
    """Write the files that were asked for."""
    if junit:
        try:
            write_junit("replay run", list(map(as_case, verdicts)), junit)
        except OSError as error:
            complain_of_file(junit, error, "--junit")
    if parquet:
        from replay.tapes.outcomes import write_outcomes  # the database takes longer to load than most runs

        try:
            write_outcomes(verdicts, parquet)
        except OSError as error:
            complain_of_file(parquet, error, "--parquet")
