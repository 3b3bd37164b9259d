"""`replay compare`: the same recorded callers against two or more variants; the exit code says if one got worse."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import click
import msgspec
import structlog
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.errors import BridgeError
from bridge.screen.errors import complain, explains_errors, leave_faults
from bridge.screen.output import print_json
from bridge.screen.progress_lines import ProgressLines
from replay.commands.options import JSON
from replay.compare.asking import agreement, judged
from replay.compare.estimate import estimate as estimate_of
from replay.compare.estimate import wanted_of
from replay.compare.job import Job, job_of
from replay.compare.manifest import NAME, read_manifest, read_runs
from replay.compare.model_judge import JudgePlan
from replay.compare.outcome import Comparison, as_json, measured
from replay.compare.printing import print_comparison, print_estimate
from replay.compare.promises import with_promises
from replay.compare.report import page
from replay.compare.run import Counts, run_plan
from replay.compare.search import Limits, NoLookError, searched
from replay.compare.types import Run
from replay.judge.call import Call
from replay.tapes.beside import written_beside

WORSE: Final = 1
INTERRUPTED: Final = 130
ALONE: Final = "a second [variants.NAME] in the plan, --baseline FILE, or --save-baseline FILE"
FILE = click.Path(path_type=Path, dir_okay=False)


EXAMPLES: Final = """\
\b
replay compare switch.toml                             may I switch?
replay compare switch.toml -k 10                       the same, surer
replay compare today.toml --save-baseline today.json   what today's calls are like
replay compare next.toml --baseline today.json         is tomorrow's version as good?
replay compare next.toml --baseline today.json --interleave   and what did the server itself change since?
replay compare switch.toml --estimate                  how many calls, minutes and dollars will it take?
replay compare switch.toml --until-sure --budget 5     stop as soon as it is plain, or when $5 are spent
"""


@click.command(epilog=EXAMPLES)
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False), metavar="PLAN.toml")
@click.option("--out", "-o", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Where tapes and the report go; beside the plan, under its name, unless told.")  # fmt: skip
@click.option("--html", type=FILE, help="Where the page goes; FOLDER/report.html unless told.")
@click.option("--repeats", "-k", type=click.IntRange(1, 1000), help="Calls of each caller to each variant.")
@click.option("--marked", type=click.Choice(["good", "bad"]),
              help="Only callers whose calls were marked so, in the console.")  # fmt: skip
@click.option("--save-baseline", "save", type=FILE, help="Save what the baseline's calls were like.")
@click.option("--baseline", type=FILE, multiple=True,
              help="Compare with what was saved; several days are taken together.")  # fmt: skip
@click.option("--interleave", is_flag=True,
              help="With --baseline: call its variant again, too, to tell drift from your change.")  # fmt: skip
@click.option(
    "--until-sure", is_flag=True, help="Look while calls are made, and stop as soon as it is plain."
)
@click.option("--most-calls", type=click.IntRange(4), metavar="N",
              help="With --until-sure: calls in all; as many as the plan has unless told.")  # fmt: skip
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD",
              help="With --until-sure: what the calls may cost in all.")  # fmt: skip
@click.option(
    "--estimate", is_flag=True, help="Make no call: say how many are needed, how long, and what they cost."
)
@click.option("--to-see", multiple=True, metavar="MEASURE=SIZE",
              help="With --estimate: a change that is to be seen, such as latency_ms=300.")  # fmt: skip
@JSON
@explains_errors
def compare(
    plan: Path, out: Path | None, html: Path | None, repeats: int | None, marked: str | None, save: Path | None,
    baseline: Sequence[Path],
    interleave: bool, until_sure: bool, most_calls: int | None, budget: float | None, estimate: bool,
    to_see: Sequence[str], wants_json: bool,
) -> None:  # fmt: skip
    """Find what gets worse with another model, other settings, another prompt or another version of the code.

    The same recorded callers ring every variant of the plan through a real bridge. What they heard is measured:
    the greeting, interruptions, tools and their arguments, latency, output items, endings, cost. Every variant is
    judged against the baseline, call by call; the page shows the answer first, and then what it stands on. Facts that
    must be told are listed in the plan's [must_say]; [judge] lets a model read the calls, once it agrees with people.

    Calls that FOLDER has already, of the same callers and settings, are not made again.

    Exit code: 0 nothing got worse, 1 something did, or what the plan's [gate] calls critical is not settled,
    2 this can't be compared, or a tape can't be read: it is named, and the other callers are compared.
    """
    screen = Console(stderr=True, quiet=wants_json)
    folder = out or plan.with_suffix(".compare")
    job = job_of(plan, repeats, baseline, interleave=interleave, marked=marked or "")
    limited, others = (most_calls, budget), (save, baseline or None)
    _check_options(job, until_sure=until_sure, only_then=limited, others=others)
    _check_sides(job, interleave=interleave, is_saved=save is not None)
    if estimate:
        return _estimate(job, folder, to_see, wants_json=wants_json)
    job = _with_agreement(job, folder)
    if until_sure:
        limits = Limits(most_calls or job.calls_planned, budget)
        return _leave(job, _searched(job, folder, screen, limits), folder, html, wants_json=wants_json)
    calls = _made(job, folder, screen)
    if save:
        _save(job, calls, save)
    if comparison := job.judge(calls):
        return _leave(job, comparison, folder, html, wants_json=wants_json)
    click.echo(f"{len(calls)} calls saved as a baseline: {save}", err=True)
    leave_faults(job.faults)


def _leave(job: Job, comparison: Comparison, folder: Path, html: Path | None, *, wants_json: bool) -> None:
    """Tell what was found, and leave with the exit code that says it."""
    comparison = attrs.evolve(comparison, remarks=(*comparison.remarks, *_remarks(folder)))
    _tell(comparison, html or folder / "report.html", wants_json=wants_json)
    leave_faults(job.faults)
    sys.exit(WORSE if comparison.is_worse else 0)


def _made(job: Job, out: Path, screen: Console, counts: Counts | None = None) -> list[Call]:
    """Make the calls, or as many as `counts` says, measure each, and have them read; or leave."""
    with _leaving(), _quiet_daemons():
        runs = _called(job, out, screen, counts)
    calls = [measured(run.variant, run.caller, run.repeat, run.tape, run.error) for run in runs]
    calls = with_promises(calls, job.plan.must_say)
    if job.plan.judge is not None and job.is_judged:
        with _leaving():
            calls = trio.run(judged, job.plan.judge, calls, out, _key_of(job.plan.judge))
    return calls


def _called(job: Job, out: Path, screen: Console, counts: Counts | None) -> list[Run]:
    with _progress(screen) as progress:
        task, lines = progress.add_task("calling", total=None), ProgressLines()

        def tell(run: Run, done: int, total: int) -> None:
            what = f"{run.variant}: {run.caller}" + (f" ({run.error})" if run.error else "")
            progress.update(task, completed=done, total=total, description=what)
            lines.tell(what, done, total)

        work = partial(run_plan, job.plan, job.callers, out=out, progress=tell, environment=os.environ,
                       counts=counts)  # fmt: skip
        return trio.run(work)


def _with_agreement(job: Job, folder: Path) -> Job:
    """Ask the judge, if there is one, about the calls that people judged: before a call is paid for."""
    if job.plan.judge is None:
        return job
    with _leaving():
        found = trio.run(agreement, job.plan.judge, job.labels, folder, _key_of(job.plan.judge))
    return attrs.evolve(job, agreement=found)


def _key_of(plan: JudgePlan) -> str:
    if key := os.environ.get(plan.api_key_env, "").strip():
        return key
    complain(f"[judge]: {plan.api_key_env} is not set", hint=f"export {plan.api_key_env}=..., or no [judge]")


@contextmanager
def _leaving() -> Iterator[None]:
    """Leave with what went wrong in tasks: after the handlers, for what one raises comes out wrapped in a group."""
    faults: list[str] | None = None
    try:
        yield
    except* KeyboardInterrupt:
        faults = []
    except* BridgeError as group:
        faults = [str(error) for error in _leaves(group)]
    if faults:
        complain("; ".join(faults))
    if faults is not None:
        sys.exit(INTERRUPTED)


def _check_sides(job: Job, *, interleave: bool, is_saved: bool) -> None:
    if interleave and not job.days:
        complain("--interleave tells drift since a saved baseline apart", hint="--baseline FILE as well")
    if len(job.plan.variants) == 1 and (interleave or not job.days) and not is_saved:
        complain("one variant alone: there is nothing to compare it with", hint=ALONE)


def _check_options(
    job: Job, *, until_sure: bool, only_then: tuple[object, ...], others: tuple[object, ...]
) -> None:
    if any(value is not None for value in only_then) and not until_sure:
        complain("--most-calls and --budget bound --until-sure", hint="--until-sure as well")
    if until_sure and any(value is not None for value in others):
        complain(
            "--until-sure decides about the calls of both sides, which a saved baseline does not have",
            hint="--until-sure without --baseline and --save-baseline",
        )
    if until_sure and len(job.plan.variants) == 1:
        complain(
            "one variant alone: there is nothing to be sure of", hint="a second [variants.NAME] in the plan"
        )


def _searched(job: Job, out: Path, screen: Console, limits: Limits) -> Comparison:
    """Make calls until it is plain, or the limits are reached."""
    names = tuple(name for name in job.variants if name != job.plan.baseline)
    try:
        found = searched(
            job.conditions, job.plan.baseline, names, job.thresholds, limits,
            make=lambda counts: _made(job, out, screen, counts),
        )  # fmt: skip
        return job.with_all_known(found)
    except NoLookError as error:
        complain(str(error), hint="a larger --budget, or none")


def _leaves(group: BaseExceptionGroup[BridgeError]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@contextmanager
def _quiet_daemons() -> Iterator[None]:
    """Let the daemons that are compared complain only of what spoils a call: each call has its tape."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


def _progress(screen: Console) -> Progress:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


# ---------------------------------------------------------------- before it is paid for


def _estimate(job: Job, folder: Path, to_see: Sequence[str], *, wants_json: bool) -> None:
    """Say how many calls are needed, from the saved baseline or the calls that FOLDER has already."""
    wanted = wanted_of(to_see, job.thresholds)
    calls = _known_calls(job, folder)
    if not any(call.measures for call in calls):
        complain(
            f"nothing is known of such calls: {folder} has none, and no --baseline FILE was given",
            hint="a few pilot calls first: the same command with --repeats 2 and without --estimate",
        )
    found = estimate_of(
        calls,
        job.thresholds,
        callers=len(job.callers),
        variants=job.sides,
        at_once=job.plan.at_once,
        wanted=wanted,
    )
    if wants_json:
        return print_json(msgspec.to_builtins(found))
    print_estimate(found)


def _known_calls(job: Job, folder: Path) -> Sequence[Call]:
    if job.saved is not None:
        return job.saved.calls
    if not (folder / NAME).exists():
        return []
    runs = read_runs(folder)
    calls = [measured(run.variant, run.caller, run.repeat, run.tape, run.error) for run in runs]
    return with_promises(calls, job.plan.must_say)


# ---------------------------------------------------------------- what is left behind


def _save(job: Job, calls: Sequence[Call], path: Path) -> None:
    baseline = job.baseline_of(calls)
    failed = [call for call in baseline.calls if call.measures is None]
    if failed:
        complain(
            f"{len(failed)} of {len(baseline.calls)} calls failed, so they make no baseline: {failed[0].error}",
            hint="the same command again: calls that were made are kept",
        )
    try:
        baseline.save(path)
    except OSError as error:
        complain(
            f"{path}: can't be written: {error.strerror or error}", hint="another file with --save-baseline"
        )


def _tell(comparison: Comparison, html: Path, *, wants_json: bool) -> None:
    _write(html, page(comparison, html.parent))
    if wants_json:
        print_json({**as_json(comparison), "html": str(html)})
    else:
        print_comparison(comparison, html)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        complain(f"{path}: can't be written: {error.strerror or error}", hint="another file with --html FILE")


def _remarks(folder: Path) -> Iterator[str]:
    """Yield what spoiled the measuring itself."""
    if read_manifest(folder).get("lateness", {}).get("spoils_results"):
        yield "This machine was late itself while the calls were made: times are worth little. Try fewer calls at_once."
