"""How often the gate cries wolf, and what it sees: `replay compare`'s judgement of calls that vary like a live model's.

    uv run python -m bench.gate_tables [--equal 400] [--planted 100] [--told 200] [--noise-from TAPES]

Calls are drawn from `gate_noise.py`, not made; all else is what the command does. Writes the whole of `gate-noise.md`.
"""

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import scipy.special as special
from attrs import asdict, frozen

from bench.gate_noise import CALM, EQUAL, LIVE, Change, Ledger, Noise, conditions_of, fitted, town_of
from replay.compare.days import drift
from replay.compare.outcome import FORMAT, Baseline
from replay.compare.search import Limits, searched
from replay.judge.stats import SURENESS
from replay.judge.thresholds import thresholds_of
from replay.judge.verdict import Verdict, judge

REPORT: Final = Path(__file__).with_name("gate-noise.md")
RESAMPLES: Final = 2000
EQUAL_CELLS: Final = ((3, 5), (6, 5), (12, 10))
PLANTED_CELLS: Final = ((3, 5), (6, 5), (6, 10), (6, 20))
PLANTED: Final = {
    "answers 300 ms later": Change(answer_ms=300),
    "interruption 300 ms later": Change(silence_ms=300),
    "greeting reworded in 20 % more calls": Change(reworded=0.2),
    "argument in another form in 30 % of calls": Change(other_form=0.3),
    "30 % more tokens": Change(tokens_percent=30),
    "what must be said left out in 30 % more calls": Change(unsaid=0.3),
    "another price told in 30 % of calls": Change(other_price=0.3),
}
TOLD: Final[dict[str, tuple[str, Callable[[float, float], Change]]]] = {
    "latency_ms": ("answer heard after", lambda seen, was: Change(answer_ms=seen)),
    "onset_to_silence_ms": ("interrupted: speech to silence", lambda seen, was: Change(silence_ms=seen)),
    "output_tokens_percent": ("output tokens", lambda seen, was: Change(tokens_percent=100 * seen / was)),
    "max_greeting_change": ("greeting", lambda seen, was: Change(reworded=seen)),
    "max_format_change": ("form of tool arguments", lambda seen, was: Change(other_form=seen)),
    "max_unsaid_change": ("what must be said", lambda seen, was: Change(unsaid=seen)),
    "max_new_facts_change": ("facts never told before", lambda seen, was: Change(other_price=seen)),
}


@frozen
class Cell:
    """A size of comparison under a noise, and what is planted."""

    noise: Noise
    callers: int
    repeats: int
    change: Change = EQUAL

    def judged(self, seed: int) -> list[Verdict]:
        """Return the verdicts of one comparison."""
        town = town_of(self.noise, self.callers, seed)
        old, new = town.calls("old", self.repeats), town.calls("new", self.repeats, self.change)
        return judge(old, new, thresholds_of({"resamples": RESAMPLES, "seed": seed % 1000}))

    def is_alarm(self, seed: int) -> bool:
        """Say whether a comparison ends with exit code 1."""
        return any(verdict.status == "worse" for verdict in self.judged(seed))


@frozen
class Share:
    """So many of so many comparisons."""

    hits: int
    count: int

    def __str__(self) -> str:
        low, high = self.ends
        return f"{self.hits} of {self.count} ({100 * low:.1f} to {100 * high:.1f} %)"

    @property
    def ends(self) -> tuple[float, float]:
        """Return Clopper and Pearson's interval of 95 %."""
        low = special.betaincinv(self.hits, self.count - self.hits + 1, 0.025) if self.hits else 0.0
        high = (
            special.betaincinv(self.hits + 1, self.count - self.hits, 0.975)
            if self.hits < self.count
            else 1.0
        )
        return float(low), float(high)


def alarms(pool: ProcessPoolExecutor, cell: Cell, count: int, first: int = 0) -> Share:
    """Return in how many comparisons something was worse."""
    return Share(sum(pool.map(cell.is_alarm, range(first, first + count), chunksize=5)), count)


def seen_as_told(name: str, noise: Noise, seed: int) -> bool | None:
    """Say whether a change of the size that a comparison of equal variants told is seen; None if it told none."""
    told = {one.name: one for one in Cell(noise, 6, 10).judged(seed)}[name]
    if told.seen is None or told.was is None:
        return None
    planted = Cell(noise, 6, 10, TOLD[name][1](told.seen, told.was))
    return {one.name: one.status for one in planted.judged(seed + 50_000)}[name] == "worse"


# ---------------------------------------------------------------- until it is sure

MOST_CALLS: Final = 120
"""Six callers, ten calls each to both variants: the fixed plan."""


def searching(noise: Noise, change: Change, seed: int) -> tuple[bool, int]:
    """Return whether a comparison that stops when it is sure found something worse, and how many calls it took."""
    ledger = Ledger(town_of(noise, 6, seed), {"new": change})
    thresholds = thresholds_of({"resamples": RESAMPLES, "seed": seed % 1000})
    conditions = conditions_of(6, 10)
    found = searched(conditions, "old", ["new"], thresholds, Limits(MOST_CALLS), make=ledger.make)
    return found.is_worse, len(found.calls)


def search_row(pool: ProcessPoolExecutor, what: str, noise: Noise, change: Change, count: int) -> str:
    """Return a row: how often it was worse, and what part of the fixed plan's calls it took."""
    found = list(pool.map(partial(searching, noise, change), range(200_000, 200_000 + count), chunksize=5))
    part = sum(calls for _, calls in found) / len(found) / MOST_CALLS
    return f"| {what} | {Share(sum(is_worse for is_worse, _ in found), count)} | {part:.0%} |"


# ---------------------------------------------------------------- drift

DRIFT: Final = Change(answer_ms=300)


def drifting(noise: Noise, seed: int) -> tuple[bool, bool, bool]:
    """Say of an equal variant and a slower server: is it worse without calls of now, is it with them, is drift told."""
    town = town_of(noise, 6, seed)
    then, now, variant = (
        town.calls(name, 10, change) for name, change in (("old", EQUAL), ("old", DRIFT), ("new", DRIFT))
    )
    thresholds = thresholds_of({"resamples": RESAMPLES, "seed": seed % 1000})
    days = [Baseline(FORMAT, conditions_of(6, 10), "old", tuple(calls)) for calls in (then, now)]
    [moved] = drift(days[:1], thresholds, days[1]).values()
    saved, interleaved = (
        any(one.status == "worse" for one in judge(was, variant, thresholds)) for was in (then, now)
    )
    return saved, interleaved, any(one.status == "worse" and one.name == "latency_ms" for one in moved)


# ---------------------------------------------------------------- seldom changes

SELDOM: Final = ((50, 50), (30, 30), (100, 20), (100, 30), (100, 40), (200, 30))
"""Calls of the baseline, saved on several days, and of the variant."""

STILL: Final = Noise(reworded=0.0, other_tool=0.0, unsaid=0.0, news=0.0)


def seldom(was: int, now: int, share: float, seed: int) -> bool:
    """Say whether a greeting reworded in this share of calls is worse than one that never was; one caller."""
    town = town_of(STILL, 1, seed)
    old, new = town.calls("old", was), town.calls("new", now, Change(reworded=share))
    found = judge(old, new, thresholds_of({"resamples": RESAMPLES, "seed": seed % 1000}))
    return any(one.status == "worse" for one in found)


# ---------------------------------------------------------------- how long it takes


def seconds_to_judge(noise: Noise) -> list[float]:
    """Return how long 12 callers x 20 repeats x 3 variants take to be judged, with the default drawings, each time."""
    town = town_of(noise, 12, 1)
    old, *others = (town.calls(name, 20) for name in ("old", "new", "other"))
    took = []
    for _ in range(3):
        begun = perf_counter()
        for calls in others:
            judge(old, calls, thresholds_of({}), variants=2)
        took.append(perf_counter() - begun)
    return took


# ---------------------------------------------------------------- the best test that knows the noise


def best(what: str, noise: Noise, calls: int) -> float:
    """Return how often the planted change passes a test of its measure alone that knows the variance of both sides.

    Normal, one-sided 5 %, the default tolerance as margin: no test of two samples with this margin does better.
    """
    excess, error = _excess_and_error(what, noise, calls)
    return float(special.ndtr(excess / error - special.ndtri(SURENESS)))


def _excess_and_error(what: str, noise: Noise, calls: int) -> tuple[float, float]:
    each = (2 / calls) ** 0.5
    match what:
        case "answers 300 ms later":
            moods = 1 + noise.mood**2
            return 150, noise.answer_ms * (
                moods * (noise.answer_spread**2 / 3 + noise.call_spread**2)
            ) ** 0.5 * each
        case "interruption 300 ms later":
            return 150, noise.silence_ms * noise.silence_spread * each
        case "30 % more tokens":
            return 0.15, noise.token_spread * ((1.3**2 + 1.15**2) / calls) ** 0.5
    was, more, borne = SHARES_OF[what](noise)
    now = was + more
    return more - borne, ((was * (1 - was) + now * (1 - now)) / calls) ** 0.5


SHARES_OF: Final[dict[str, Callable[[Noise], tuple[float, float, float]]]] = {
    "greeting reworded in 20 % more calls": lambda noise: (noise.reworded, 0.2, 0.05),
    "argument in another form in 30 % of calls": lambda noise: (0.0, 0.3, 0.05),
    "what must be said left out in 30 % more calls": lambda noise: (noise.unsaid, 0.3, 0.05),
    "another price told in 30 % of calls": lambda noise: (noise.news, 0.3 * (1 - noise.news), 0.1),
}
"""What departs by itself, how much more is planted, and what is borne."""


def knowing_the_share(noise: Noise, calls: int) -> float:
    """Return how often 20 % more rewordings are seen if the baseline's share is known exactly: a binomial test."""
    borne, now = noise.reworded + 0.05, noise.reworded + 0.2
    fewest = next(
        hits for hits in range(1, calls + 1) if special.bdtrc(hits - 1, calls, borne) <= 1 - SURENESS
    )
    return float(special.bdtrc(fewest - 1, calls, now))


# ---------------------------------------------------------------- the report


def tables(pool: ProcessPoolExecutor, noises: dict[str, Noise], asked: Any) -> Iterator[str]:
    """Yield the report, part by part, as it is measured."""
    first, noise = next(iter(noises.items()))
    yield "# What the gate finds in calls that vary\n"
    yield (
        "`python -m bench.gate_tables`: calls drawn from `bench/gate_noise.py`, judged as by `replay compare`, "
        f"default thresholds, {RESAMPLES} drawings; Python {platform.python_version()}, {platform.machine()}. "
        "In brackets: 95 %.\n"
    )
    for name, one in noises.items():
        yield f"Noise *{name}*: {', '.join(f'{key} {value:.4g}' for key, value in asdict(one).items())}.\n"
    yield from _alarm_table(pool, noises, asked)
    yield from _power_table(pool, first, noise, asked)
    yield from _told_table(pool, noise, asked)
    yield from _search_table(pool, noise, asked)
    yield from _drift_table(pool, noise, asked)
    yield from _seldom_table(pool, asked)
    took = pool.submit(seconds_to_judge, noise).result()
    yield "\n## How long it takes\n"
    yield (
        "12 callers x 20 repeats x 3 variants, 5000 drawings, judged within one process: "
        f"{', '.join(f'{seconds:.2f}' for seconds in took)} s."
    )


def _alarm_table(pool: ProcessPoolExecutor, noises: dict[str, Noise], asked: Any) -> Iterator[str]:
    yield "## False alarms: equal variants, all measures together\n"
    yield "At most 5 % are asked for.\n"
    yield f"| noise | {' | '.join(f'{callers} callers x {repeats}' for callers, repeats in EQUAL_CELLS)} |"
    yield "|---|" + "---|" * len(EQUAL_CELLS)
    for name, noise in noises.items():
        cells = [alarms(pool, Cell(noise, *size), asked.equal) for size in EQUAL_CELLS]
        yield f"| {name} | {' | '.join(map(str, cells))} |"


def _power_table(pool: ProcessPoolExecutor, name: str, noise: Noise, asked: Any) -> Iterator[str]:
    yield f'\n## Power: "worse" said, noise *{name}*\n'
    yield f"| planted | {' | '.join(f'{c} x {r}' for c, r in PLANTED_CELLS)} | best test at 6 x 10 |"
    yield "|---|" + "---|" * (len(PLANTED_CELLS) + 1)
    for what, change in PLANTED.items():
        cells = [alarms(pool, Cell(noise, *size, change), asked.planted, 100_000) for size in PLANTED_CELLS]
        yield f"| {what} | {' | '.join(map(str, cells))} | {best(what, noise, 60):.0%} |"
    yield (
        "\nThe best test knows the variance of both sides, looks at this measure alone, has the same margin (normal, "
        "one-sided 5 %). Whoever also knows the baseline's share of reworded greetings exactly sees 20 % more in "
        f"{knowing_the_share(noise, 60):.0%} (binomial): more baseline calls, as pooled baselines have, lead there.\n"
    )


def _told_table(pool: ProcessPoolExecutor, noise: Noise, asked: Any) -> Iterator[str]:
    yield "## Is the told power true?\n"
    yield "Equal variants, 6 x 10, tell the smallest change seen in 8 of 10; that very change is then planted.\n"
    yield "| measure | seen |\n|---|---|"
    for name, (title, _) in TOLD.items():
        work = partial(seen_as_told, name, noise)
        found = [hit for hit in pool.map(work, range(asked.told), chunksize=5) if hit is not None]
        yield f"| {title} | {Share(sum(found), len(found))} |"


def _search_table(pool: ProcessPoolExecutor, noise: Noise, asked: Any) -> Iterator[str]:
    yield "\n## Until it is sure\n"
    yield f"`--until-sure`, 6 callers, at most {MOST_CALLS} calls: five looks.\n"
    yield "| planted | worse | calls, of the fixed plan's |\n|---|---|---|"
    yield search_row(pool, "nothing", noise, EQUAL, asked.equal)
    for what, change in PLANTED.items():
        yield search_row(pool, what, noise, change, asked.searched)


def _drift_table(pool: ProcessPoolExecutor, noise: Noise, asked: Any) -> Iterator[str]:
    found = list(pool.map(partial(drifting, noise), range(300_000, 300_000 + asked.planted), chunksize=5))
    saved, interleaved, told = (Share(sum(part), len(found)) for part in zip(*found, strict=True))
    yield "\n## A server that drifted\n"
    yield (
        "Equal variants, 6 x 10; answers come 300 ms later than when the baseline was saved, whoever is called.\n"
    )
    yield "| said | comparisons |\n|---|---|"
    yield f"| the variant is worse than the saved baseline | {saved} |"
    yield f"| with `--interleave`: the variant is worse | {interleaved} |"
    yield f"| with `--interleave`: the baseline itself drifted, in answers | {told} |"


def _seldom_table(pool: ProcessPoolExecutor, asked: Any) -> Iterator[str]:
    yield "\n## A greeting reworded in one of five calls, beside a baseline that never rewords it\n"
    yield "One caller; the baseline's calls may have been saved on days before (`--baseline`).\n"
    yield "| calls of the baseline | of the variant | worse | equal variants |\n|---|---|---|---|"
    for was, now in SELDOM:
        seeds = range(400_000, 400_000 + asked.planted)
        hits, false = (
            Share(sum(pool.map(partial(seldom, was, now, share), seeds, chunksize=5)), len(seeds))
            for share in (0.2, 0.0)
        )
        yield f"| {was} | {now} | {hits} | {false} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--equal", type=int, default=400, help="comparisons of equal variants in each cell")
    parser.add_argument("--planted", type=int, default=100, help="comparisons with each planted change")
    parser.add_argument("--searched", type=int, default=60, help="the same, stopped when it is sure")
    parser.add_argument("--told", type=int, default=200, help="comparisons that check what is told of power")
    parser.add_argument(
        "--noise-from", type=Path, metavar="TAPES", help="fit the noise to these recorded calls"
    )
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args(argv)
    noises = {"live": LIVE, "calm": CALM}
    if asked.noise_from:
        noises = {f"of {asked.noise_from.name}": fitted(asked.noise_from)}
    begun, lines = perf_counter(), []
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as `replay` has it; what is spawned reads it
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn"), initializer=_strict) as pool:
        for line in tables(pool, noises, asked):
            print(line, flush=True)
            lines.append(line)
    lines.append(f"\n{perf_counter() - begun:.0f} s with {asked.jobs} processes.")
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _strict() -> None:
    np.seterr(all="raise", under="ignore")


if __name__ == "__main__":
    main()
