"""Whether the VAD lab's promises are kept by servers it knows nothing of: the second half of bench/vad.md.

    OPENBLAS_NUM_THREADS=1 uv run --with webrtcvad-wheels python -m bench.vad_recovery     (about eight minutes)

Five hidden servers (bench/vad_servers.py), each with a detector of its own, hear 24 composed calls. The lab sees these
calls and what the server said, follows the server or refuses it, and promises what its advice will cost callers. Then
150 calls that it never saw are heard by the server under that very setting: what was promised is compared with that.
`--repeats 20` does all of it with twenty times 24 other calls.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from attrs import evolve, frozen

from bench.sections import put_section
from bench.vad_servers import SERVERS, Server
from bridge.settings.turn_detection import TurnBudget
from replay.sound.ears import EARS, Ear, groups, listened, smoothed
from replay.sound.silero_network import Floats
from replay.vad.compose.compose import ComposedCall, Recipe, composed_calls
from replay.vad.engine.machine import Setting
from replay.vad.study.agreement import cases_of
from replay.vad.study.budget import allowed
from replay.vad.study.calibrate import Calibration, calibrate
from replay.vad.study.recommend import Choice, Spread, recommend, spread
from replay.vad.study.sweep import Grid, Sweep, sweep
from replay.vad.study.trust import apart_of, doubted
from replay.vad.truth.corpus import ENDED_WITHIN_MS, Corpus
from replay.vad.truth.recording import Heard, Recording

REPORT: Final = Path(__file__).with_name("vad.md")
TITLE: Final = "Promised and delivered"
REPEATS: Final = 20
CALLS, FRESH_CALLS = 24, 150
IN_FORCE: Final = Setting(0.6, 500, 300)
GRID: Final = Grid(prefixes_ms=(300,))
BUDGET: Final = TurnBudget(turns_cut_percent=15, missed_above_best_points=8, onset_clipped_percent=15)
"""What callers of these recipes can be promised at all, at thresholds near the one in force."""

PROMISED: Final = {
    "turns_cut": "cut", "short_missed": "short missed", "false_per_hour": "false", "not_ended": "not ended",
    "delay_mean_ms": "delay",
}  # fmt: skip


@frozen
class Try:
    """One server heard for 24 calls: what was fitted, and if it is followed the advice, and what came of that.

    reach: between which settings the advice lies in 19 of 20 resamples. delivered: what the server does to 150 others.
    """

    server: str
    calibration: Calibration
    chosen: Choice | None = None
    reach: Spread | None = None
    delivered: Sweep | None = None


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        sys.exit("set OPENBLAS_NUM_THREADS=1 first: each process has one core")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often 24 other calls are heard")
    repeats = parser.parse_args().repeats
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tries = [one for tried in pool.map(tried_on, range(repeats)) for one in tried]
    page = "\n".join(written(tries, repeats))
    put_section(REPORT, TITLE, page)
    print(page)


# ---------------------------------------------------------------- what is done


def tried_on(repeat: int) -> list[Try]:
    """Let every server hear the same 24 calls, and the lab study each."""
    calls = list(composed_calls(Recipe(), 1000 + repeat, calls=CALLS))
    told = heard_by_all([one.audio for one in calls])
    others = list(composed_calls(Recipe(), 5000 + repeat, calls=FRESH_CALLS))
    tries = (studied(server, calls, told) for server in SERVERS)
    return [delivered_to(others, one) for one in tries]


def delivered_to(calls: Sequence[ComposedCall], one: Try) -> Try:
    """Let the server of a try hear these calls, under every setting of the grid, if there is advice to hold to it."""
    if one.chosen is None:
        return one
    server = next(server for server in SERVERS if server.name == one.server)
    corpus = corpus_of(calls, [server.listen(call.audio) for call in calls])
    return evolve(one, delivered=evolve(sweep(corpus, GRID, server.hearing, resamples=2), draws={}))


def heard_by_all(audios: Sequence[bytes]) -> list[dict[Ear, Floats]]:
    """Return what every ear makes of each recording."""
    found: list[dict[Ear, Floats]] = [{} for _ in audios]
    for group in groups(map(len, audios)):
        for number, one in zip(group, listened([audios[n] for n in group]), strict=True):
            found[number] = one
    return found


def corpus_of(calls: Sequence[ComposedCall], heard: Sequence[Floats]) -> Corpus:
    return Corpus.of([one.call_id for one in calls], heard, [one.truth for one in calls])


def studied(server: Server, calls: Sequence[ComposedCall], told: Sequence[Mapping[Ear, Floats]]) -> Try:
    """Do what `study` does, with what all ears heard given, and the composed truth as a person's labels would be."""
    recordings = [recording_of(server, one) for one in calls]
    found = calibrate(cases_of(recordings, {ear: [one[ear] for one in told] for ear in EARS}))
    truths = [one.truth for one in calls]
    found = evolve(found, apart=apart_of(recordings, told, truths, found.others, ENDED_WITHIN_MS))
    if not found.is_good:
        return Try(server.name, found)
    hearing = found.hearing
    corpus = corpus_of(calls, [smoothed(one[hearing.ear], hearing.smoothing) for one in told])
    swept = doubted(sweep(corpus, GRID, hearing, resamples=500), found.apart)
    told_so = recommend(swept, BUDGET, IN_FORCE, known=found.known)
    return Try(server.name, found, told_so.chosen, spread(swept, told_so, 0.95))


def recording_of(server: Server, call: ComposedCall) -> Recording:
    turns = server.turns(call.audio, server.listen(call.audio), IN_FORCE)
    heard = (Heard(IN_FORCE, turns),)
    return Recording(call.call_id, "", "front-desk", call.audio, "none", heard, call.truth.agent)


# ---------------------------------------------------------------- what came of it


def written(tries: Sequence[Try], repeats: int) -> Iterator[str]:
    """Yield the section of the page."""
    yield (
        f"`bench/vad_recovery.py`: five servers that the lab knows nothing of hear {CALLS} composed calls, in {repeats}"
        " repeats with other calls. Followed or refused by how far the model is off on calls not used for the fit. What"
        f" the advice promises (95 % intervals) against what the server then does to {FRESH_CALLS} other callers: in"
        " how many repeats that lies within the interval. As brute force: what is best for these other callers is a"
        " grid step from the advice, or from what 19 of 20 resamples advise."
    )
    yield ""
    yield f"| hidden server | agreement | followed | advised | {' | '.join(PROMISED.values())} | as brute force |"
    yield f"|---|---|---|---|{'---|' * len(PROMISED)}---|"
    for server in SERVERS:
        yield row(server.name, [one for one in tries if one.server == server.name])
    yield row("**all**", tries)
    yield ""
    yield "| promised less delivered | in the middle | nine of ten within |"
    yield "|---|---|---|"
    yield from (apart(metric, title, tries) for metric, title in PROMISED.items())


def row(name: str, own: Sequence[Try]) -> str:
    agreed = sorted(one.calibration.held_out.share for one in own)
    advised = [one for one in own if one.delivered]
    good = sum(one.calibration.is_good for one in own)
    cells = (share(sum(holds(one, metric) for one in advised), len(advised)) for metric in PROMISED)
    near = share(sum(is_as_good(one) for one in advised), len(advised))
    return (
        f"| {name} | {agreed[0]:.0%} to {agreed[-1]:.0%} | {share(good, len(own))} | {share(len(advised), good)} "
        f"| {' | '.join(cells)} | {near} |"
    )


def share(count: int, of: int) -> str:
    return f"{count} of {of}" if of else "\u2013"


def holds(one: Try, metric: str) -> bool:
    """Say whether what was delivered lies within the promised interval."""
    assert one.chosen
    promised = one.chosen.measured[metric]
    return promised.low <= value_of(one, metric) <= promised.high


def value_of(one: Try, metric: str) -> float:
    assert one.chosen
    assert one.delivered
    return one.delivered.at(metric, *one.chosen.place).value


def is_as_good(one: Try) -> bool:
    """Say whether brute force, on the fresh calls and at the same thresholds, finds what the advice says or may be."""
    assert one.chosen
    assert one.delivered
    usable = [number for number, value in enumerate(GRID.thresholds) if is_known(one, value)]
    fits = allowed(one.delivered.values, BUDGET)[usable]
    if not fits.any():
        return False
    delays = np.where(fits, one.delivered.values["delay_mean_ms"][usable], np.inf)
    threshold, silence = np.unravel_index(int(delays.argmin()), delays.shape)
    best = (usable[int(threshold)], int(silence))
    if max(abs(a - b) for a, b in zip(one.chosen.place[:2], best, strict=True)) <= 1:
        return True
    return one.reach is not None and is_within_reach(one.reach, best)


def is_known(one: Try, threshold: float) -> bool:
    low, high = one.calibration.known
    return low - 1e-6 <= threshold <= high + 1e-6


def is_within_reach(reach: Spread, best: tuple[int, int]) -> bool:
    ends = (
        [GRID.thresholds.index(value) for value in reach.thresholds],
        [GRID.silences_ms.index(value) for value in reach.silences_ms],
    )
    return all(low - 1 <= place <= high + 1 for (low, high), place in zip(ends, best, strict=True))


def apart(metric: str, title: str, tries: Sequence[Try]) -> str:
    """Return how far promises lie from what was delivered, of all that are followed."""
    off = sorted(
        abs(one.chosen.measured[metric].value - value_of(one, metric))
        for one in tries if one.chosen and one.delivered
    )  # fmt: skip
    if not off:
        return f"| {title} | \u2013 | \u2013 |"
    middle, far = off[len(off) // 2], off[min(len(off) - 1, int(len(off) * 0.9))]
    return f"| {title} | {shown(metric, middle)} | {shown(metric, far)} |"


def shown(metric: str, value: float) -> str:
    if metric == "delay_mean_ms":
        return f"{value:.0f} ms"
    return f"{value:.0f} an hour" if metric == "false_per_hour" else f"{value * 100:.1f} points"


if __name__ == "__main__":
    main()
