"""`replay vad sweep`: which server_vad setting these callers should have, what it costs, and how sure that is."""

import os
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from math import isfinite
from pathlib import Path
from typing import Final, TypeVar

import click

from bridge.screen.errors import complain, explains_errors, leave_faults, quiet_interrupt
from bridge.screen.output import print_json
from replay.cluster.pool import open_pool
from replay.commands.options import DATA, JSON, SCHEDULER, TAPES, complain_of_file, found
from replay.commands.vad_study import (
    AGENT,
    CACHE,
    CONFIG,
    FILE,
    FOLDER,
    NOISE_REDUCTION,
    for_agent,
    progress,
    recordings_of,
    told_here,
)
from replay.sound.silero_network import POLICIES, Policy
from replay.tapes.beside import written_beside
from replay.vad.engine.cache import Cache
from replay.vad.engine.machine import Setting
from replay.vad.report.page import page
from replay.vad.report.screen import show, show_files
from replay.vad.study.confirm import plan_of
from replay.vad.study.study import Plan, Study, study
from replay.vad.study.sweep import Grid
from replay.vad.study.tables import as_json, write_parquet
from replay.vad.study.write import write_setting

N = TypeVar("N", int, float)
NOTHING: Final = 1

EXAMPLES: Final = """\
\b
replay vad sweep data/tapes                        all calls
replay vad sweep data/tapes/2026-11-23 --write     and put the result into config.toml
replay vad sweep data/tapes --plan confirm.toml    and then: replay compare confirm.toml
replay vad sweep calls --trust-engine --for front-desk
                                                   calls of `replay vad compose`: no server has heard them
replay vad sweep data/tapes --scheduler tcp://lab:8786
"""


@click.command(epilog=EXAMPLES)
@TAPES
@AGENT
@click.option("--for", "whose", default="", metavar="NAME",
              help="Whose setting and budget to go by, and to write; the calls' own agent unless told.")  # fmt: skip
@CONFIG
@NOISE_REDUCTION
@click.option(
    "--labels",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Label files by hand; beside the tapes unless told.",
)
@click.option("--html", type=FILE, default=Path("vad.html"), show_default=True, help="Where the page goes.")
@click.option("--parquet", type=FOLDER, metavar="FOLDER", help="Write everything as Parquet files there.")
@click.option(
    "--plan",
    type=FILE,
    metavar="FILE",
    help="Write a plan for `replay compare`: current against recommended.",
)
@click.option("--write", is_flag=True, help="Put the recommended setting into --config; its comments stay.")
@click.option("--jobs", "-j", type=click.IntRange(1, 256), help="Processes; all cores unless told.")
@SCHEDULER
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    help="The engine's state policy; the better fitting one unless told.",
)
@click.option(
    "--trust-engine",
    is_flag=True,
    help="Recommend even if nothing shows that the engine hears as the server does.",
)
@click.option("--thresholds", default="0.3:0.9:0.05", show_default=True, metavar="FIRST:LAST:STEP")
@click.option(
    "--silences", default="200:1000:20", show_default=True, metavar="FIRST:LAST:STEP", help="In ms."
)
@click.option("--prefixes", default="0:500:100", show_default=True, metavar="FIRST:LAST:STEP", help="In ms.")
@click.option("--cache", type=FOLDER, help=f"Where probabilities are kept; DATA/{CACHE} unless told.")
@click.option(
    "--cautious", is_flag=True, help="Recommend what is within the budget in 90 % of resamples of the calls."
)
@JSON
@DATA
@explains_errors
def sweep(
    tapes: tuple[str, ...], agent: str, whose: str, config: Path, noise_reduction: str, labels: Path | None, html: Path,
    parquet: Path | None, plan: Path | None, write: bool, jobs: int | None, scheduler: str, policy: Policy | None,
    trust_engine: bool, cautious: bool, thresholds: str, silences: str, prefixes: str,
    cache: Path | None, wants_json: bool, data: Path,
) -> None:  # fmt: skip
    """Find the server_vad setting that these callers should have, what it costs them, and how sure that is.

    The caller's audio of every tape is listened to once (Silero VAD, kept in a cache). The tape also says what the
    server's own turn detection made of it: the local model is fitted to that, and if it does not hear as the server
    does, nothing is recommended. Then every setting of the grid is tried on every call. The budget in the agent's
    [agents.NAME.turn_budget] says what callers may be asked to bear; of the settings within it, the quickest is
    recommended.

    Who spoke when is read from label files beside the tapes (`replay vad labels`), or worked out from what caller
    and agent did next; the page says which. Calls are heard as they were recorded: how callers would have reacted
    to another setting, only `replay compare` tells (--plan).

    Exit code: 0 something is recommended (what there is, perhaps), 1 nothing is, 2 this can't be studied, or a tape
    can't be read: it is named, and the others are studied.
    """
    with quiet_interrupt():
        grid = _grid(thresholds, silences, prefixes)
        asked = Plan(
            grid=grid, policy=policy, trusts_engine=trust_engine, is_cautious=cautious, labels=labels
        )
        with progress(quiet=wants_json) as tell, open_pool(jobs or os.cpu_count() or 1) as pool:
            recordings, skipped, faults = recordings_of(
                found(tapes, data), agent, noise_reduction, pool, tell
            )
            asked = for_agent(asked, config, whose or recordings[0].agent_name, must=bool(whose) or write)
            with open_pool(scheduler=scheduler) if scheduler else nullcontext(pool) as listeners:
                made = study(recordings, asked, pool=listeners, cache=Cache(cache or data / CACHE), tell=tell)
        _leave(made, html, parquet, plan, config)
        if write and made.advised:
            _write(config, made.agent, made.advised)
    if wants_json:
        print_json({**as_json(made), "html": str(html), "skipped": [str(path) for path, _ in skipped]})
    else:
        show(made, told_here(skipped, faults))
        show_files(made, html, config if write else None)
    leave_faults(faults)
    sys.exit(0 if made.advised or made.status == "semantic" else NOTHING)


def _grid(thresholds: str, silences: str, prefixes: str) -> Grid:
    """Return the grid that the options describe, or leave with advice."""
    return Grid(
        _distinct(round(value, 4) for value in _range(thresholds, "--thresholds", 0, 1)),
        _distinct(round(value) for value in _range(silences, "--silences", 0, 10_000)),
        _distinct(round(value) for value in _range(prefixes, "--prefixes", 0, 5000)),
    )


def _distinct(values: Iterable[N]) -> tuple[N, ...]:
    return tuple(dict.fromkeys(values))


def _range(text: str, option: str, low: float, high: float) -> list[float]:
    """Return the values from FIRST to LAST in steps; a single value is a range too."""
    try:
        parts = [float(part) for part in text.split(":")]
        first, last, step = parts * 3 if len(parts) == 1 else parts
        if not all(map(isfinite, parts)) or not low <= first <= last <= high or step <= 0 < last - first:
            raise ValueError
        count = min((last - first) / step, MOST_STEPS + 1) if last > first else 0
    except ValueError:
        complain(
            f"{option} {text!r}: from {low:g} to {high:g} as FIRST:LAST:STEP", hint="--help shows examples"
        )
    if count > MOST_STEPS:
        complain(f"{option} {text!r}: more than {MOST_STEPS} values", hint="a larger step")
    return [first + step * number for number in range(int(count + 1e-6) + 1)]


MOST_STEPS: Final = 200


def _leave(made: Study, html: Path, parquet: Path | None, plan: Path | None, config: Path) -> None:
    """Write the page, and the files that were asked for."""
    try:
        html.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(html) as part:
            part.write_text(page(made), encoding="utf-8")
    except OSError as error:
        complain_of_file(html, error)
    try:
        for _ in write_parquet(made, parquet) if parquet else ():
            pass
        if plan and made.advised and made.current:
            with written_beside(plan) as part:
                part.write_text(plan_of(made, plan, config), encoding="utf-8")
        elif plan:
            click.echo(
                f"no plan written to {plan}: it takes a recommended setting and a current one", err=True
            )
    except OSError as error:
        complain(f"{error.filename or parquet or plan}: can't be written: {error.strerror or error}")


def _write(config: Path, agent: str, advised: Setting) -> None:
    """Put a setting into the configuration, and say so where it replaces one of another kind."""
    replaced = write_setting(config, agent, advised)
    if replaced != "server_vad":
        click.echo(f"{config}: {agent} had {replaced}; it has server_vad now", err=True)
