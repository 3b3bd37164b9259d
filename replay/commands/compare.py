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

from bridge.errors import BridgeError, TapeError
from bridge.screen.output import complain, explains_errors, leave_faults, print_json
from replay.commands.options import JSON
from replay.compare.days import drift, pooled
from replay.compare.estimate import estimate as estimate_of
from replay.compare.estimate import wanted_of
from replay.compare.manifest import NAME, read_manifest, read_runs
from replay.compare.outcome import (
    FORMAT,
    Baseline,
    Comparison,
    Conditions,
    IncomparableError,
    as_json,
    compare_with_saved,
    load_baseline,
    measured,
)
from replay.compare.outcome import compare as compare_calls
from replay.compare.plan import callers_of, load_plan
from replay.compare.printing import print_comparison, print_estimate
from replay.compare.report import page
from replay.compare.run import Counts, run_plan
from replay.compare.search import Limits, NoLookError, searched
from replay.compare.types import NamedCaller, Plan, Run
from replay.judge.columns import Call
from replay.judge.thresholds import Thresholds, critical_of, thresholds_of
from replay.tapes.beside import written_beside

WORSE: Final = 1
INTERRUPTED: Final = 130
ALONE: Final = "a second [variants.NAME] in the plan, --baseline FILE, or --save-baseline FILE"
FILE = click.Path(path_type=Path, dir_okay=False)


@attrs.frozen
class _Job:
    """A comparison that is to be made, everything checked."""

    plan: Plan
    callers: Sequence[NamedCaller]
    thresholds: Thresholds
    saved: Baseline | None
    faults: Sequence[TapeError]
    critical: tuple[str, ...] = ()
    days: Sequence[Baseline] = ()

    @property
    def conditions(self) -> Conditions:
        """Return what a saved baseline must have in common with it."""
        who_calls = {caller.name: caller.sha256 for caller in self.callers}
        return Conditions(self.plan.agent, self.plan.mode, who_calls, self.plan.repeats)

    def make(self, out: Path, screen: Console, counts: Counts | None = None) -> list[Call]:
        """Make the calls, or as many as `counts` says, and measure each."""
        with _progress(screen) as progress:
            task = progress.add_task("calling", total=None)

            def tell(run: Run, done: int, total: int) -> None:
                what = f"{run.variant}: {run.caller}" + (f" ({run.error})" if run.error else "")
                progress.update(task, completed=done, total=total, description=what)

            work = partial(run_plan, self.plan, self.callers, out=out, progress=tell, environment=os.environ,
                           counts=counts)  # fmt: skip
            runs = trio.run(work)
        return [measured(run.variant, run.caller, run.repeat, run.tape, run.error) for run in runs]

    def judge(self, calls: Sequence[Call]) -> Comparison | None:
        """Return what was found; None when there is but one variant, and nothing to compare it with."""
        sides = {name: [call for call in calls if call.variant == name] for name in self.variants}
        if self.saved is not None:
            found = compare_with_saved(self.saved, self.conditions, sides.values(), self.thresholds)
            return attrs.evolve(found, remarks=tuple(drift(self.days, self.thresholds)))
        baseline = sides.pop(self.plan.baseline)
        return compare_calls(self.conditions, baseline, sides.values(), self.thresholds) if sides else None

    @property
    def variants(self) -> list[str]:
        """Return the names of all variants."""
        return [variant.name for variant in self.plan.variants]


@click.command()
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False), metavar="PLAN.toml")
@click.option("--out", "-o", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Where tapes and the report go; beside the plan, under its name, unless told.")  # fmt: skip
@click.option("--html", type=FILE, help="Where the page goes; FOLDER/report.html unless told.")
@click.option("--repeats", "-k", type=click.IntRange(1, 1000), help="Calls of each caller to each variant.")
@click.option("--save-baseline", "save", type=FILE, help="Save what the baseline's calls were like.")
@click.option("--baseline", type=FILE, multiple=True,
              help="Compare with what was saved; several days are taken together.")  # fmt: skip
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
    plan: Path, out: Path | None, html: Path | None, repeats: int | None, save: Path | None, baseline: Sequence[Path],
    until_sure: bool, most_calls: int | None, budget: float | None, estimate: bool, to_see: Sequence[str],
    wants_json: bool,
) -> None:  # fmt: skip
    """Find what gets worse with another model, other settings, another prompt or another version of the code.

    The same recorded callers ring every variant of the plan through a real bridge. What they heard is measured:
    the greeting, interruptions, tools and their arguments, latency, output items, endings, cost. Every variant is
    judged against the baseline, call by call; the page shows the answer first, and then what it stands on.

    Calls that FOLDER has already, of the same callers and settings, are not made again.

    \b
    replay compare switch.toml                             may I switch?
    replay compare switch.toml -k 10                       the same, surer
    replay compare today.toml --save-baseline today.json   what today's calls are like
    replay compare next.toml --baseline today.json         is tomorrow's version as good?
    replay compare switch.toml --estimate                  how many calls, minutes and dollars will it take?
    replay compare switch.toml --until-sure --budget 5     stop as soon as it is plain, or when $5 are spent

    Exit code: 0 nothing got worse, 1 something did, or what the plan's [gate] calls critical is not settled,
    2 this can't be compared, or a tape can't be read: it is named, and the other callers are compared.
    """
    screen = Console(stderr=True, quiet=wants_json)
    folder = out or plan.with_suffix(".compare")
    job = _job(plan, repeats, baseline)
    _check_options(
        job, until_sure=until_sure, only_then=(most_calls, budget), others=(save, baseline or None)
    )
    if len(job.plan.variants) == 1 and not job.saved and not save:
        complain("one variant alone: there is nothing to compare it with", hint=ALONE)
    if estimate:
        return _estimate(job, folder, to_see, wants_json=wants_json)
    if until_sure:
        limits = Limits(most_calls or _planned(job), budget)
        return _leave(job, _searched(job, folder, screen, limits), folder, html, wants_json=wants_json)
    calls = _made(job, folder, screen)
    if save:
        _save(job, calls, save)
    comparison = job.judge(calls)
    if comparison is None:
        click.echo(f"{len(calls)} calls saved as a baseline: {save}", err=True)
        return leave_faults(job.faults)
    _leave(job, comparison, folder, html, wants_json=wants_json)


def _leave(job: _Job, comparison: Comparison, folder: Path, html: Path | None, *, wants_json: bool) -> None:
    """Tell what was found, and leave with the exit code that says it."""
    remarks = (*comparison.remarks, *_remarks(folder))
    comparison = attrs.evolve(comparison, remarks=remarks, critical=job.critical)
    _tell(comparison, html or folder / "report.html", wants_json=wants_json)
    leave_faults(job.faults)
    sys.exit(WORSE if comparison.is_worse else 0)


def _job(path: Path, repeats: int | None, baseline: Sequence[Path]) -> _Job:
    """Return the job, refused before the first call if it can't come to anything."""
    plan = load_plan(path)
    plan = attrs.evolve(plan, repeats=repeats) if repeats else plan
    days = [load_baseline(file) for file in baseline]
    saved = pooled(days) if days else None
    if saved and len(plan.variants) > 1:
        others = tuple(variant for variant in plan.variants if variant.name != plan.baseline)
        plan = attrs.evolve(
            plan, variants=others, baseline=others[0].name
        )  # what was saved stands in its place
    faults = list[TapeError]()
    thresholds = thresholds_of(plan.thresholds)
    critical = critical_of(plan.critical, thresholds)
    job = _Job(plan, callers_of(plan, faults), thresholds, saved, faults, critical, days)
    if saved and (reasons := list(job.conditions.differences(saved.conditions))):
        raise IncomparableError(
            f"this can't be compared with {', '.join(map(str, baseline))}: {'; '.join(reasons)}"
        )
    return job


def _made(job: _Job, out: Path, screen: Console, counts: Counts | None = None) -> list[Call]:
    """Make the calls, or leave: after the handlers, for what is raised in one comes out wrapped in a group."""
    faults: list[str] = []
    try:
        with _quiet_daemons():
            return job.make(out, screen, counts)
    except* KeyboardInterrupt:
        pass
    except* BridgeError as group:
        faults = [str(error) for error in _leaves(group)]
    if faults:
        complain("; ".join(faults))
    sys.exit(INTERRUPTED)


def _check_options(
    job: _Job, *, until_sure: bool, only_then: tuple[object, ...], others: tuple[object, ...]
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


def _planned(job: _Job) -> int:
    return job.plan.repeats * len(job.callers) * len(job.plan.variants)


def _searched(job: _Job, out: Path, screen: Console, limits: Limits) -> Comparison:
    """Make calls until it is plain, or the limits are reached."""
    names = tuple(name for name in job.variants if name != job.plan.baseline)
    try:
        return searched(
            job.conditions, job.plan.baseline, names, job.thresholds, limits,
            make=lambda counts: _made(job, out, screen, counts),
        )  # fmt: skip
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


def _estimate(job: _Job, folder: Path, to_see: Sequence[str], *, wants_json: bool) -> None:
    """Say how many calls are needed, from the saved baseline or the calls that FOLDER has already."""
    wanted = wanted_of(to_see, job.thresholds)
    calls = _known_calls(job, folder)
    if not any(call.measures for call in calls):
        complain(
            f"nothing is known of such calls: {folder} has none, and no --baseline FILE was given",
            hint="a few pilot calls first: the same command with --repeats 2 and without --estimate",
        )
    sides = len(job.variants) + (job.saved is not None)
    found = estimate_of(
        calls,
        job.thresholds,
        callers=len(job.callers),
        variants=sides,
        at_once=job.plan.at_once,
        wanted=wanted,
    )
    if wants_json:
        return print_json(msgspec.to_builtins(found))
    print_estimate(found)


def _known_calls(job: _Job, folder: Path) -> Sequence[Call]:
    if job.saved is not None:
        return job.saved.calls
    if not (folder / NAME).exists():
        return []
    return [measured(run.variant, run.caller, run.repeat, run.tape, run.error) for run in read_runs(folder)]


# ---------------------------------------------------------------- what is left behind


def _save(job: _Job, calls: Sequence[Call], path: Path) -> None:
    mine = tuple(call for call in calls if call.variant == job.plan.baseline)
    failed = [call for call in mine if call.measures is None]
    if failed:
        complain(
            f"{len(failed)} of {len(mine)} calls failed, so they make no baseline: {failed[0].error}",
            hint="the same command again: calls that were made are kept",
        )
    try:
        Baseline(FORMAT, job.conditions, job.plan.baseline, mine).save(path)
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
