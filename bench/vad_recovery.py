"""Whether the VAD lab's promises are kept by servers it knows nothing of: "Promised and delivered" of bench/vad.md.

    OPENBLAS_NUM_THREADS=1 uv run --with webrtcvad-wheels python -m bench.vad_recovery     (about fifteen minutes)

Five hidden servers (bench/vad_servers.py), and two that were made when all was decided, each with a detector of its
own, hear 24 composed calls. The lab sees these calls and what the server said, follows the server or refuses it, and
promises what its advice will cost callers. Then 150 calls that it never saw are heard by the server under that very
setting: what was promised is compared with that. All of it twenty times, each with other calls.

Each repeat is a line in --folder, so a run that was ended goes on where it was, and the page is written from those
lines when all are there. Lines of another state of the lab don't count.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from inspect import getsource
from multiprocessing import get_context
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import numpy as np
from attrs import asdict, evolve, field, frozen

from bench.sections import put_section
from bench.vad_servers import LATER, SERVERS, Server
from bridge.settings.turn_detection import TurnBudget
from replay.sound.ears import EARS, Ear, groups, listened, smoothed
from replay.sound.silero_network import Floats
from replay.vad.compose.compose import ComposedCall, Recipe, composed_calls
from replay.vad.engine.machine import Setting
from replay.vad.study.agreement import cases_of
from replay.vad.study.budget import allowed, excess
from replay.vad.study.calibrate import Calibration, calibrate
from replay.vad.study.recommend import Choice, recommend
from replay.vad.study.sweep import Grid, Sweep, sweep
from replay.vad.study.trust import apart_of, doubted
from replay.vad.truth.corpus import ENDED_WITHIN_MS, Corpus
from replay.vad.truth.recording import Heard, Recording

HERE: Final = Path(__file__).parent
REPORT: Final = HERE / "vad.md"
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

Values = Mapping[str, float]


@frozen
class Try:
    """One server heard for 24 calls, and if it is followed, what was promised and what came of that.

    promised: by metric, the value and the ends of its interval. delivered: what the server did to 150 others under the
    setting advised; best: what it did to them under the one that brute force finds for them, `steps` of the grid away.
    """

    server: str
    agreement: float
    is_followed: bool
    setting: tuple[float, int] | None = None
    promised: Mapping[str, tuple[float, float, float]] = field(factory=dict)
    delivered: Values = field(factory=dict)
    best: Values = field(factory=dict)
    steps: int = 0

    def holds(self, metric: str, values: Values) -> bool:
        """Say whether what came lies within the promised interval."""
        _, low, high = self.promised[metric]
        return low <= values[metric] <= high

    @property
    def is_near(self) -> bool:
        """Say whether brute force sets what is a grid step away."""
        return self.steps <= 1

    @property
    def costs_the_same(self) -> bool:
        """Say whether what brute force finds costs callers no other than was promised of the advice."""
        return all(self.holds(metric, self.best) for metric in PROMISED)


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        sys.exit("set OPENBLAS_NUM_THREADS=1 first: each process has one core")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often 24 other calls are heard")
    parser.add_argument("--folder", type=Path, default=Path(gettempdir()) / "vad-recovery")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(asked.folder / "repeats.jsonl")
    done = kept.read()
    missing = [number for number in range(asked.repeats) if number not in done]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for number, tries in zip(missing, pool.map(tried_on, missing), strict=True):
            kept.add(number, tries)
    done = kept.read()
    page = "\n".join(written([one for number in range(asked.repeats) for one in done[number]], asked.repeats))
    put_section(REPORT, TITLE, page)
    print(page)


# ---------------------------------------------------------------- what is kept


@frozen
class Kept:
    """What came of each repeat so far, a line each, with the state of the lab that it came of."""

    path: Path

    def add(self, repeat: int, tries: Sequence[Try]) -> None:
        """Put a repeat behind the others."""
        line = {"lab": lab(), "repeat": repeat, "tries": [asdict(one) for one in tries]}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def read(self) -> dict[int, list[Try]]:
        """Return the tries of each repeat that this very lab made."""
        if not self.path.exists():
            return {}
        lines = map(json.loads, self.path.read_text(encoding="utf-8").splitlines())
        return {one["repeat"]: [Try(**each) for each in one["tries"]] for one in lines if one["lab"] == lab()}


def lab() -> str:
    """Return which state it is of all that a line comes of; how lines are judged and written is not part of it."""
    room = HERE.parent / "replay" / "vad"
    used = [room / "study" / f"{name}.py" for name in USED]
    used += [path for part in ("compose", "engine") for path in sorted((room / part).glob("*.py"))]
    used += [HERE / "vad_servers.py"]
    parts = (tried_on, tried, by_brute_force, heard_by_all, corpus_of, studied, recording_of)
    here = "".join(getsource(one) for one in parts)
    read = here.encode() + b"".join(path.read_bytes() for path in used)
    return sha256(read + repr((GRID, BUDGET, IN_FORCE, CALLS, FRESH_CALLS)).encode()).hexdigest()[:12]


USED: Final = (
    "agreement", "budget", "calibrate", "fit", "intervals", "metrics", "observed", "recommend", "sweep", "trust",
)  # fmt: skip


# ---------------------------------------------------------------- what is done


def tried_on(repeat: int) -> list[Try]:
    """Let every server hear the same 24 calls, the lab study each, and 150 others bear what it advises."""
    calls = list(composed_calls(Recipe(), 1000 + repeat, calls=CALLS))
    told = heard_by_all([one.audio for one in calls])
    others = list(composed_calls(Recipe(), 5000 + repeat, calls=FRESH_CALLS))
    return [tried(server, calls, told, others) for server in (*SERVERS, *LATER)]


def tried(
    server: Server,
    calls: Sequence[ComposedCall],
    told: Sequence[Mapping[Ear, Floats]],
    others: Sequence[ComposedCall],
) -> Try:
    """Return what the lab makes of a server, and what comes of it for other callers."""
    found, chosen = studied(server, calls, told)
    one = Try(server.name, found.held_out.share, found.is_good)
    if chosen is None:
        return one
    corpus = corpus_of(others, [server.listen(call.audio) for call in others])
    came = sweep(corpus, GRID, server.hearing, resamples=2)
    best = by_brute_force(came, found.known)
    return evolve(
        one,
        setting=(chosen.setting.threshold, chosen.setting.silence_duration_ms),
        promised={name: (m.value, m.low, m.high) for name in PROMISED for m in [chosen.measured[name]]},
        delivered={name: came.at(name, *chosen.place).value for name in PROMISED},
        best={name: came.at(name, *best).value for name in PROMISED},
        steps=max(abs(a - b) for a, b in zip(chosen.place[:2], best, strict=True)),
    )


def by_brute_force(came: Sweep, known: tuple[float, float]) -> tuple[int, int]:
    """Return the place of the quickest setting within the budget at known thresholds, or of what is least beyond it."""
    low, high = known
    usable = np.array([low - 1e-6 <= one <= high + 1e-6 for one in GRID.thresholds])[:, None]
    fits = allowed(came.values, BUDGET) & usable
    cost = came.values["delay_mean_ms"] if fits.any() else excess(came.values, BUDGET)
    threshold, silence = np.unravel_index(
        int(np.where(fits if fits.any() else usable, cost, np.inf).argmin()), cost.shape
    )
    return int(threshold), int(silence)


def heard_by_all(audios: Sequence[bytes]) -> list[dict[Ear, Floats]]:
    """Return what every ear makes of each recording."""
    found: list[dict[Ear, Floats]] = [{} for _ in audios]
    for group in groups(map(len, audios)):
        for number, one in zip(group, listened([audios[n] for n in group]), strict=True):
            found[number] = one
    return found


def corpus_of(calls: Sequence[ComposedCall], heard: Sequence[Floats]) -> Corpus:
    return Corpus.of([one.call_id for one in calls], heard, [one.truth for one in calls])


def studied(
    server: Server, calls: Sequence[ComposedCall], told: Sequence[Mapping[Ear, Floats]]
) -> tuple[Calibration, Choice | None]:
    """Do what `study` does, with what all ears heard given, and the composed truth as a person's labels would be."""
    recordings = [recording_of(server, one) for one in calls]
    found = calibrate(cases_of(recordings, {ear: [one[ear] for one in told] for ear in EARS}))
    truths = [one.truth for one in calls]
    found = evolve(found, apart=apart_of(recordings, told, truths, found.others, ENDED_WITHIN_MS))
    if not found.is_good:
        return found, None
    hearing = found.hearing
    corpus = corpus_of(calls, [smoothed(one[hearing.ear], hearing.smoothing) for one in told])
    swept = doubted(sweep(corpus, GRID, hearing, resamples=500), found.apart)
    return found, recommend(swept, BUDGET, IN_FORCE, known=found.known).chosen


def recording_of(server: Server, call: ComposedCall) -> Recording:
    turns = server.turns(call.audio, server.listen(call.audio), IN_FORCE)
    heard = (Heard(IN_FORCE, turns),)
    return Recording(call.call_id, "", "front-desk", call.audio, "none", heard, call.truth.agent)


# ---------------------------------------------------------------- what came of it


def written(tries: Sequence[Try], repeats: int) -> Iterator[str]:
    """Yield the section of the page."""
    yield (
        f"`bench/vad_recovery.py`: servers that the lab knows nothing of hear {CALLS} composed calls, in {repeats}"
        " repeats with other calls. Followed or refused by how far the model is off on calls not used for the fit. What"
        f" the advice promises (95 % intervals) against what the server then does to {FRESH_CALLS} other callers: in"
        " how many repeats that lies within the interval. As brute force: what is best for these other callers is at"
        " most a grid step from the advice (20 ms of silence), or costs them nothing that lies outside the promised"
        " intervals; the last table says how far both lie apart."
    )
    yield ""
    yield f"| hidden server | agreement | followed | advised | {' | '.join(PROMISED.values())} | as brute force |"
    yield f"|---|---|---|---|{'---|' * len(PROMISED)}---|"
    for servers, title in ((SERVERS, "all five"), (LATER, "both made later")):
        names = [one.name for one in servers]
        yield from (row(name, [one for one in tries if one.server == name]) for name in names)
        yield row(f"**{title}**", [one for one in tries if one.server in names])
    yield ""
    yield "| promised less delivered | in the middle | nine of ten within | delivered is more, on average, by |"
    yield "|---|---|---|---|"
    advised = [one for one in tries if one.setting]
    yield from (apart(metric, title, advised) for metric, title in PROMISED.items() if advised)
    yield ""
    yield "| delivered by the advice, less by brute force | on average | nine of ten between |"
    yield "|---|---|---|"
    yield from (beside(metric, title, advised) for metric, title in PROMISED.items() if advised)


def row(name: str, own: Sequence[Try]) -> str:
    agreed = sorted(one.agreement for one in own)
    advised = [one for one in own if one.setting]
    good = sum(one.is_followed for one in own)
    cells = (
        share(sum(one.holds(metric, one.delivered) for one in advised), len(advised)) for metric in PROMISED
    )
    near = share(sum(one.is_near or one.costs_the_same for one in advised), len(advised))
    return (
        f"| {name} | {agreed[0]:.0%} to {agreed[-1]:.0%} | {share(good, len(own))} | {share(len(advised), good)} "
        f"| {' | '.join(cells)} | {near} |"
    )


def share(count: int, of: int) -> str:
    return f"{count} of {of}" if of else "\u2013"


def apart(metric: str, title: str, advised: Sequence[Try]) -> str:
    """Return how far promises lie from what was delivered, of all that are followed."""
    off = [one.delivered[metric] - one.promised[metric][0] for one in advised]
    middle, far = np.quantile(np.abs(off), (0.5, 0.9)).tolist()
    return (
        f"| {title} | {shown(metric, middle)} | {shown(metric, far)} | {shown(metric, float(np.mean(off)))} |"
    )


def beside(metric: str, title: str, advised: Sequence[Try]) -> str:
    """Return how what the advice does to other callers lies beside what brute force on them finds."""
    off = [one.delivered[metric] - one.best[metric] for one in advised]
    low, high = (shown(metric, end) for end in np.quantile(off, (0.05, 0.95)).tolist())
    return f"| {title} | {shown(metric, float(np.mean(off)))} | {low} and {high} |"


def shown(metric: str, value: float) -> str:
    if metric == "delay_mean_ms":
        return f"{value:.0f} ms"
    return f"{value:.0f} an hour" if metric == "false_per_hour" else f"{value * 100:.1f} points"


if __name__ == "__main__":
    main()
