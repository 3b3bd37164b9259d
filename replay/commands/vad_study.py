"""What every command does that studies tapes: read them, know their agent, and say how far it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from attrs import evolve
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.agents import Agent
from bridge.config import load
from bridge.errors import TapeError
from bridge.screen.errors import complain
from bridge.screen.progress_lines import ProgressLines
from bridge.settings.turn_detection import ServerVad, TurnBudget
from replay.cluster.pool import Pool
from replay.vad.engine.machine import Setting
from replay.vad.study.study import Plan, StudyError, Tell, read_recordings
from replay.vad.truth.recording import Recording

CACHE: Final = "vad-cache"
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
AGENT = click.option(
    "--agent", default="", metavar="NAME", help="Only this agent's calls; needed when there are several."
)
NOISE_REDUCTION = click.option(
    "--noise-reduction", default="", metavar="KIND", help="Only calls recorded with this noise_reduction."
)
CONFIG = click.option("--config", type=FILE, default=Path("config.toml"), show_default=True,
                      help="Where the agent's current setting and its [turn_budget] are.")  # fmt: skip


def recordings_of(
    paths: Sequence[Path], agent: str, noise_reduction: str, pool: Pool, tell: Tell
) -> tuple[list[Recording], list[tuple[Path, str]], list[TapeError]]:
    few, faults = Pool() if len(paths) < WORTH_A_POOL else pool, list[TapeError]()
    try:
        read = read_recordings(
            paths, agent=agent, noise_reduction=noise_reduction, pool=few, tell=tell, faults=faults
        )
    except StudyError as error:
        complain(str(error), hint=error.hint)
    return *read, faults


def told_here(skipped: Sequence[tuple[Path, str]], faults: Sequence[TapeError]) -> list[tuple[Path, str]]:
    """Return what a report tells of tapes that were left out: those that can't be read are named when it leaves."""
    named = {str(fault) for fault in faults}
    return [(path, why) for path, why in skipped if why not in named]


WORTH_A_POOL: Final = 20
"""Tapes that are read by themselves in the time that a process takes to start."""


def for_agent(asked: Plan, config: Path, name: str, *, must: bool) -> Plan:
    """Return the plan for an agent as it is configured now, if the file has it; it may be one that must."""
    was_named = click.get_current_context().get_parameter_source("config") is not ParameterSource.DEFAULT
    agents = load(config).agents if must or was_named or config.exists() else {}
    if must and name not in agents:
        complain(f"{config}: no agent {name!r}", hint=f"--for {' or '.join(sorted(agents))}")
    known = agents.get(name)
    budget = known.turn_budget if known else TurnBudget()
    return evolve(asked, agent=name, budget=budget, current=_setting_of(known))


def _setting_of(agent: Agent | None) -> Setting | None:
    vad = agent.turn_detection if agent else None
    if not isinstance(vad, ServerVad):
        return None
    return Setting(vad.threshold, vad.silence_duration_ms, vad.prefix_padding_ms)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Tell]:
    """Show how far the work is, on standard error."""
    screen = Console(stderr=True, quiet=quiet)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task, lines = progress.add_task("reading", total=None), ProgressLines()

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)
            lines.tell(what, done, total or None)

        yield tell
