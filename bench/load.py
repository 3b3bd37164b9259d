"""How many calls a core carries, what each costs, and how late its sound is: beside relays that do less.

uv run --group load python -m bench.load                                    the whole table, in four minutes
uv run --group load python -m bench.load --calls 25,50 --pairs 5            beside both relays, in turns
uv run --group load python -m bench.load --calls 50 --deltas-ms 20          a model that speaks in pieces of 20 ms
uv run --group load python -m bench.load --calls 50 --tls --pairs 3         TLS to the model beside plain
uv run --group load python -m bench.load --limit                            the most calls on one core
uv run --group load python -m bench.load --calls 150 --beyond 1.5           and what comes when more of them ring
uv run --group load python -m bench.load --calls 50 --than ../before --beside ""     beside another checkout
uv run --group load python -m bench.load --calls 25 --pairs 5 --at-once --beside sample   on a machine that others use

The daemon has a core of its own; callers and model are on another one, in this process. `--write` keeps the tables in
bench/load.md. A figure of latency is p50 / p99 / most. "caller → model" is from a caller's frame to its append;
"model → caller" from a delta to its first sound, of deltas before which no more than 180 ms were still to come and to
be played: a bridge that paces lets nothing else leave at once. CPU is user and system time of all the side's processes
but the indexer, which is at work after calls. RSS a call is what there is beyond a side that has had no call yet.
"""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import uvloop
from attrs import evolve, frozen

from bench.load_figures import Level
from bench.load_model import BURSTS, DELTAS
from bench.load_profile import run_profile
from bench.load_run import Beyond, Plan, run_beyond, run_levels, run_together
from bench.load_shares import told_shares
from bench.load_sides import Side
from bench.load_tables import carried_lines, machine, ratio_lines, table, write
from bridge.machine import raise_file_limit

CALLS: Final = "1,10,25,50,100,150,200"
LADDER: Final = tuple(range(25, 501, 25))
NAME: Final = "bridge"
OVER_TLS: Final = " over TLS"


@frozen
class Compared:
    """All that is asked for: who is compared, how, and how often."""

    sides: tuple[Side, ...]
    plan: Plan
    pairs: int
    at_once: bool = False

    def run(self, told: Callable[[str], None]) -> list[Level]:
        """Load each side in turn, or all of them at once; who begins changes from pair to pair."""
        levels: list[Level] = []
        for pair in range(self.pairs):
            order = self.sides if pair % 2 == 0 else self.sides[::-1]
            for group in [order] if self.at_once else [(side,) for side in order]:
                with tempfile.TemporaryDirectory(prefix="bridge-load-") as folder:
                    found = uvloop.run(self._load(group, Path(folder)))
                levels += found
                for one in found:
                    told(
                        f"{one.side}, {one.calls} calls: {one.cpu_ms:.2f} ms, p99 {one.p99:.1f} {one.faults}"
                    )
        return levels

    async def _load(self, sides: Sequence[Side], folder: Path) -> list[Level]:
        if self.at_once:
            return await run_together(sides, self.plan, folder)
        return await run_levels(sides[0], self.plan, folder)


def sides_of(beside: str, than: tuple[Path, ...], *, tls: bool, workers: int, loop: str) -> tuple[Side, ...]:
    """Return who is compared; the daemon of this checkout comes first."""
    ours = [Side(NAME, workers=workers)]
    ours += [Side(f"bridge in {path.resolve().name}", checkout=path.resolve()) for path in than]
    relays = [Side(name, relay=name, loop=loop) for name in beside.split(",") if name]
    plain = [*ours, *relays]
    secure = [evolve(one, name=f"{one.name}{OVER_TLS}", over_tls=True) for one in plain]
    return tuple(side for both in zip(plain, secure, strict=True) for side in both) if tls else tuple(plain)


def compared_pairs(names: list[str]) -> list[tuple[str, str]]:
    """Return whose CPU is told by whose: ours by each other's; with TLS the same again, and each by its own plain."""
    plain = [name for name in names if not name.endswith(OVER_TLS)]
    pairs = [(plain[0], other) for other in plain[1:]]
    if len(plain) == len(names):
        return pairs
    secure = [(f"{one}{OVER_TLS}", f"{other}{OVER_TLS}") for one, other in pairs]
    return [*pairs, *secure, *((f"{name}{OVER_TLS}", name) for name in plain)]


def told_beyond(done: Beyond) -> str:
    """Return what became of calls beyond what a core carries, in words."""
    return "\n".join(
        (
            table([done.before]),
            "",
            f"{done.tried} more callers: {done.refused} refused (metric: {done.metric:.0f}), {done.live} live at "
            "the end. Meanwhile:",
            "",
            table([done.during]),
        )
    )


@click.command()
@click.option("--calls", default=CALLS, show_default=True, help="At once, one level after the other.")
@click.option("--seconds", default=10.0, show_default=True, help="Measured at each level.")
@click.option("--pairs", default=1, show_default=True, help="How often each side is loaded, in turns.")
@click.option("--beside", default="sample,floor", show_default=True, help="Relays in bench/relays.")
@click.option("--relay-loop", default="asyncio", show_default=True, help="Of the sample: asyncio or uvloop.")
@click.option("--than", multiple=True, type=click.Path(path_type=Path, exists=True), help="Another checkout.")
@click.option(
    "--at-once", is_flag=True, help="All sides together on one core: for a machine that others use too."
)
@click.option("--deltas-ms", default="240", type=click.Choice(["240", "20"]), help="How the model speaks.")
@click.option("--tls", is_flag=True, help="Each side with TLS to the model, too.")
@click.option("--workers", default=1, show_default=True, help="Of the daemon here.")
@click.option("--limit", is_flag=True, help="25 more calls each time, until they are not carried.")
@click.option("--beyond", type=float, help="So many times as many callers as --calls says.")
@click.option("--profile", is_flag=True, help="Where the daemon's time goes, by py-spy.")
@click.option("--cores", help="Of who is loaded. The last one, or all of them with workers.")
@click.option("--load-core", default=0, show_default=True, help="Of callers and model.")
@click.option("--json", "as_json", is_flag=True, help="Print every level as JSON.")
@click.option("--write", "writes", is_flag=True, help="Keep the tables in bench/load.md.")
def main(**options: Any) -> None:
    """Load the daemon, and whoever it is compared with. Exit 1 when it lost anything, or was too late."""
    raise_file_limit()
    logging.basicConfig(level=logging.ERROR)
    os.sched_setaffinity(0, {options["load_core"]})
    levels_text = ",".join(map(str, LADDER)) if options["limit"] else options["calls"]
    plan = Plan(
        levels=tuple(int(one) for one in levels_text.split(",")),
        seconds=options["seconds"],
        pace=DELTAS if options["deltas_ms"] == "20" else BURSTS,
        cores=options["cores"] or _cores_of(options["workers"], options["load_core"]),
        stops_when_full=options["limit"],
    )
    title, where = _title(options), machine()
    if options["profile"]:
        text, levels = _profile(plan), list[Level]()
    elif options["beyond"]:
        text, levels = _beyond(plan, options["beyond"])
    else:
        text, levels = _compare(plan, options)
    print(json.dumps([one.plain() for one in levels]) if options["as_json"] else f"\n{title}\n\n{text}")
    if options["writes"]:
        write(title, f"{where}.\n\n{text}")
    sys.exit(0 if all(one.is_whole for one in levels if one.side == NAME) or options["limit"] else 1)


def _compare(plan: Plan, options: dict[str, Any]) -> tuple[str, list[Level]]:
    sides = sides_of(
        options["beside"],
        options["than"],
        tls=options["tls"],
        workers=options["workers"],
        loop=options["relay_loop"],
    )
    levels = Compared(sides, plan, options["pairs"], options["at_once"]).run(
        lambda line: print(line, file=sys.stderr, flush=True)
    )
    pairs = compared_pairs([side.name for side in sides])
    compared = "\n".join(text for one, other in pairs if (text := ratio_lines(levels, one, other)))
    carried = carried_lines(levels) if len(plan.levels) > 2 else ""
    return "\n\n".join(text for text in (table(levels), carried, compared) if text), levels


def _beyond(plan: Plan, times: float) -> tuple[str, list[Level]]:
    with tempfile.TemporaryDirectory(prefix="bridge-load-") as folder:
        done = uvloop.run(run_beyond(Side(NAME, own_limits=True), plan, Path(folder), times))
    return told_beyond(done), [done.before]


def _profile(plan: Plan) -> str:
    with tempfile.TemporaryDirectory(prefix="bridge-load-") as folder:
        return told_shares(uvloop.run(run_profile(Side(NAME), plan, Path(folder))))


def _cores_of(workers: int, load_core: int) -> str:
    """Return the cores of who is loaded: one, or with workers all that there are but the load's, if that is enough."""
    cores = sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1)))
    if workers == 1:
        return str(cores[-1])
    free = [core for core in cores if core != load_core]
    return ",".join(map(str, free if len(free) >= workers else cores))


def _title(options: dict[str, Any]) -> str:
    what = "the most calls" if options["limit"] else f"{options['calls'].replace(',', ', ')} calls"
    parts = [what, "deltas of 20 ms" if options["deltas_ms"] == "20" else "bursts of 240 ms"]
    parts += ["a profile"] * options["profile"]
    parts += [f"{options['pairs']} pairs"] * (options["pairs"] > 1)
    parts += ["all at once on one core"] * options["at_once"]
    parts += ["TLS beside plain"] * options["tls"]
    parts += [f"{options['workers']} workers"] * (options["workers"] > 1)
    parts += [f"then {options['beyond']} times as many"] * bool(options["beyond"])
    parts += [f"than {path.resolve().name}" for path in options["than"]]
    return ", ".join(parts)


if __name__ == "__main__":
    main()
