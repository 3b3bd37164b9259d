"""Whether the judge of bridges is right: a relay with one fault must fail the checks that it should, and no other.

Calls go over real sockets, in simulated time. Of each switch those calls are made that can tell of what it should fail,
and every check is looked for in them; with --whole all calls of a card. Exit code 1 when one came out otherwise.

    python -m bench.planted --runs 20 --keep
"""

import datetime
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import click
import trio
from attrs import define, field

from bench import patient_clock
from bench.relays.planted.app import serve_relay
from bench.relays.planted.faults import FAULTS, Fault
from replay.conformance.card import Check
from replay.conformance.catalogue import CHECKS
from replay.conformance.run import Ringer, judged, make_calls
from replay.conformance.stage import open_stage
from replay.phone.ring import Account, destination

KEPT: Final = Path(__file__).with_suffix(".md")

FAILS: Final[Mapping[Fault, frozenset[str]]] = {
    "claims_sent": frozenset({"heard-as-claimed"}),
    "forgets_clear": frozenset({"stops-when-interrupted"}),
    "drops_first_frames": frozenset({"first-words-passed"}),
    "leaves_model_open": frozenset({"session-left"}),
    "sends_before_start": frozenset({"first-audio-placed"}),
    "plays_late_deltas": frozenset({"quiet-after-clear"}),
    "ignores_marks": frozenset({"heard-as-claimed"}),
    "answers_tools_twice": frozenset({"tool-answered", "tool-undeclared"}),
    "doubles_greeting": frozenset({"one-greeting"}),
    "ignores_signature": frozenset({"signature-checked"}),
    "blocks_on_tools": frozenset({"line-open-in-tools"}),
    "loses_frames_under_load": frozenset({"no-frames-lost"}),
}
"""What each switch fails: all of it, and nothing else."""

Failed = dict[str, str]
"""The checks that failed, each with the call and the reason of the first time."""


async def failed_by(faults: Iterable[Fault], calls_for: Iterable[Check]) -> Failed:
    """Make the calls that can tell of these checks to the relay with these faults; return whatever failed in them."""
    began = datetime.datetime.now(datetime.UTC)
    async with open_stage() as stage, trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_relay, faults=frozenset(faults)), stage.url)
        calls = await make_calls(Ringer(stage, destination(url), Account(), lambda _: None, tuple(calls_for)))
        card = judged(calls, bridge="a relay with switches", url=url, began=began, took_seconds=0)
        nursery.cancel_scope.cancel(reason="the card is made")
    return {name: f"{card.of(name)[0].call}: {card.of(name)[0].why}" for name in card.named("failed")}


def calls_for(faults: Iterable[Fault]) -> list[Check]:
    """Return the checks whose calls are made of relays with these faults."""
    names = {name for fault in faults for name in FAILS[fault]}
    return [check for check in CHECKS if check.name in names]


@define
class Row:
    """What became of one switch, or of none, in all runs."""

    fault: Fault | None
    runs: int = 0
    otherwise: Counter[str] = field(factory=Counter)

    @property
    def declared(self) -> frozenset[str]:
        """What it should fail."""
        return FAILS[self.fault] if self.fault else frozenset()

    def note(self, failed: Failed) -> None:
        """Count one run."""
        self.runs += 1
        self.otherwise.update(f"{name} did not fail" for name in self.declared - failed.keys())
        self.otherwise.update(f"{name} failed ({failed[name]})" for name in failed.keys() - self.declared)

    def __str__(self) -> str:
        names = ", ".join(f"`{name}`" for name in sorted(self.declared)) or "nothing"
        what = FAULTS[self.fault] if self.fault else "all switches off"
        bad = "; ".join(f"{count} x {text}" for text, count in self.otherwise.items()) or "as declared"
        return f"| {self.fault or ''} | {what} | {names} | {self.runs} | {bad} |"


HEAD: Final = """\
# Is the judge right?

`{command}`, {date}: a relay that does all of it right ([`bench/relays/planted`](relays/planted/__main__.py)),
with one of twelve switches on at a time, was rung and judged. {scope}
It took {minutes:.0f} minutes in simulated time, on {cores}.

| switch | what it does wrong | has to fail, and nothing else | runs | came out |
|---|---|---|---|---|
"""
SOME: Final = (
    "The calls were those that can tell of what a switch has to fail; all {checks} checks were looked for."
)
ALL: Final = "Each time all calls of a card were made."


@click.command()
@click.option("--runs", default=1, help="How often each switch is tried.")
@click.option("--fault", "faults", multiple=True, type=click.Choice([*FAULTS, "none"]), help="Only these.")
@click.option("--whole", is_flag=True, help="Make all calls of a card, and not only those that can tell.")
@click.option("--keep", is_flag=True, help=f"Keep the table in {KEPT.name}.")
def command(runs: int, faults: tuple[str, ...], whole: bool, keep: bool) -> None:
    """Try the switches, and say whether each failed what it should."""
    rows = [Row(fault) for fault in (None, *FAULTS) if not faults or (fault or "none") in faults]
    begun = perf_counter()
    for run in range(1, runs + 1):
        for row in rows:
            wanted = CHECKS if whole else calls_for([row.fault] if row.fault else FAULTS)
            row.note(patient_clock.run(failed_by, [row.fault] if row.fault else [], wanted))
            click.echo(f"{run:3} {perf_counter() - begun:7.0f} s {row}")
        if keep:  # after each run: it may be hours until the last
            KEPT.write_text(_table(rows, runs, perf_counter() - begun, whole=whole), encoding="utf-8")
    sys.exit(any(row.otherwise for row in rows))


def _table(rows: list[Row], runs: int, seconds: float, *, whole: bool) -> str:
    head = HEAD.format(
        command=f"python -m bench.planted --runs {runs}{' --whole' if whole else ''}",
        date=datetime.datetime.now(datetime.UTC).date(), minutes=seconds / 60,
        scope=ALL if whole else SOME.format(checks=len(CHECKS)), cores="2 cores that others use as well",
    )  # fmt: skip
    return head + "\n".join(map(str, rows)) + "\n"


if __name__ == "__main__":
    command()
