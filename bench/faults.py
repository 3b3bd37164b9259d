"""The fault matrix: what becomes of a call when something breaks, in each phase of it, and of the calls beside it.

One command runs all of it and prints a table, fault by phase. A cell is good when no other call was harmed, when the
call has one record that names who ended it as declared, and when its tape is whole and replays as it was. Exits 1
otherwise.

    uv run python -m bench.faults                        all of it: about a quarter of an hour
    uv run python -m bench.faults --only "kill -9"       one fault
    uv run python -m bench.faults --phase tool           one phase
    uv run python -m bench.faults --list                 what there is
"""

import logging
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Protocol

import click
import msgspec
import structlog
import trio
from attrs import asdict, define, field
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import deltas
from bench.fault_calls import FAULTS, broken_tools, run_calls
from bench.fault_cells import PHASES, Outcome
from bench.fault_index import INDEXED
from bench.fault_machine import BROKEN, KILLS
from bench.fault_power import PowerCut
from bench.fault_words import hundreds, run_floods
from bridge.machine import raise_file_limit, settle_memory


class Blow(Protocol):
    """Something that is done to the machine under calls."""

    @property
    def name(self) -> str:
        """Return the row of the table that it is."""

    async def run(self, folder: Path) -> list[Outcome]:
        """Do it, and return what came of each call."""


MACHINE: Final[tuple[Blow, ...]] = (*KILLS, PowerCut(), *BROKEN, *INDEXED)
FLOODS = "a thousand strangers"
WORDS = "mutated messages"
COLUMNS = ("over", *PHASES, "new")


@define
class Wanted:
    """Which cells are asked for."""

    only: str = ""
    phase: str = ""

    def __call__(self, fault: str, phase: str) -> bool:
        """Say whether a cell is."""
        return self.only in fault and self.phase in ("", phase)

    def fault(self, name: str) -> bool:
        """Say whether a fault that hits all phases at once is."""
        return self.only in name


@define
class Matrix:
    """A run of it."""

    wanted: Wanted
    messages: int
    seed: int
    tell: Callable[[str], None] = field(default=lambda text: None)
    outcomes: list[Outcome] = field(factory=list)

    def run(self, folder: Path) -> None:
        """Run everything that is wanted, one daemon after the other."""
        self.outcomes += trio.run(run_calls, folder / "calls", self.wanted, self.tell)
        for number, one in enumerate(MACHINE):
            if self.wanted.fault(one.name):
                self.tell(one.name)
                self._keep(trio.run(one.run, folder / f"machine-{number}"))
        if self.wanted.fault(deltas.NAME):
            self.tell(deltas.NAME)
            self._keep(trio.run(deltas.run, folder / "deltas"))
        if self.wanted.fault(FLOODS) and self.wanted.phase in ("", "speaking"):
            self.outcomes += trio.run(run_floods, folder / "floods", self.tell)
        if self.wanted.fault(WORDS) and self.wanted.phase in ("", "speaking"):
            for hundred in hundreds(self.messages, self.seed, self.tell):
                self.outcomes.append(trio.run(hundred.run, folder / hundred.leg))

    def _keep(self, outcomes: Iterable[Outcome]) -> None:
        self.outcomes += [one for one in outcomes if self.wanted.phase in ("", one.phase)]


def names() -> list[str]:
    """Return every fault there is."""
    return [
        *(fault.name for fault in FAULTS),
        *(blow.name for blow in MACHINE),
        *broken_tools(),
        deltas.NAME,
        FLOODS,
        WORDS,
    ]


# ---------------------------------------------------------------- the table


def table_of(outcomes: list[Outcome]) -> Table:
    """Return fault by phase; what all cells of a row have in common is said once."""
    table = Table(
        "fault", *COLUMNS, "lost", title="who ended the call, and what its caller heard then", show_lines=True
    )
    for fault in dict.fromkeys(one.fault for one in outcomes):
        cells = {one.phase: one for one in outcomes if one.fault == fault}
        lost = [one.lost_ms for one in cells.values() if one.lost_ms is not None]
        words = f"{max(lost)} ms" if lost else "nothing"
        table.add_row(fault, *(_cell(cells.get(phase)) for phase in COLUMNS), words)
    return table


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    if outcome.is_good:
        return f"{outcome.ended.split(':')[0]}, {outcome.heard}"
    return f"[red]{'; '.join(outcome.problems)}[/]"


def plain(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the outcomes for machines."""
    cells = [{**asdict(one), "problems": one.problems, "is_good": one.is_good} for one in outcomes]
    return {"cells": cells, "good": sum(one.is_good for one in outcomes), "of": len(outcomes)}


@click.command()
@click.option("--only", default="", help="Only faults with this in their names.")
@click.option("--phase", default="", type=click.Choice(["", *COLUMNS]), help="Only this phase.")
@click.option("--messages", default=100_000, show_default=True, help="Mutated messages on each leg.")
@click.option("--seed", default=1, show_default=True, help="What they are made from.")
@click.option("--list", "wants_list", is_flag=True, help="Say what faults there are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(only: str, phase: str, messages: int, seed: int, wants_list: bool, as_json: bool) -> None:
    """Break everything that a call stands on, in every phase. Exit 1 when a cell is not as it was declared."""
    if wants_list:
        print("\n".join(names()))
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    raise_file_limit()
    settle_memory()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("")
        matrix = Matrix(
            Wanted(only, phase), messages, seed, lambda text: progress.update(task, description=text)
        )
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            matrix.run(Path(folder))
    show(matrix.outcomes, as_json=as_json)
    sys.exit(0 if matrix.outcomes and all(one.is_good for one in matrix.outcomes) else 1)


def show(outcomes: list[Outcome], *, as_json: bool) -> None:
    """Print the table and what is wrong, or JSON."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(plain(outcomes))).decode())
        return
    Console(width=170).print(table_of(outcomes))
    for one in outcomes:
        if one.note:
            print(f"{one.fault}, {one.phase}: {one.note}; {one.ended}")
    for one in outcomes:
        if not one.is_good:
            print(f"FAULT: {one.fault}, {one.phase}: {'; '.join(one.problems)}")
    print(f"{sum(one.is_good for one in outcomes)} of {len(outcomes)} cells as declared")


if __name__ == "__main__":
    main()
