"""Whether a trial of two settings finds what is there, and nothing where nothing is: a section of bench/vad.md.

    OPENBLAS_NUM_THREADS=1 uv run python -m bench.vad_trial     (about one minute)

So many composed callers are a town: what each setting does to all of them is known. In each repeat 200 of them call,
drawn anew and with new call ids, by which the trial deals them their arms. The server hears with what it does not tell.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from attrs import frozen

from bench.sections import put_section
from bridge.settings.trial import ARMS, CONTROL, VARIANT, Trial
from replay.sound.ears import listened, smoothed
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.compose.compose import ComposedCall, Recipe, composed_calls
from replay.vad.engine.machine import Hearing, Setting, naive_segments
from replay.vad.report.words import METRICS
from replay.vad.study.trial import COMPARED, TOGETHER, Compared, compared
from replay.vad.truth.recording import Heard, Recording, ServerTurn

REPORT: Final = Path(__file__).with_name("vad.md")
TOWN, CALLS, REPEATS = 300, 200, 100
TITLES: Final = {metric.name: metric.title for metric in METRICS}
HEARING: Final = Hearing(shift=-0.1, hysteresis=0.2, lag_ms=40)
CASES: Final[Mapping[str, tuple[Setting, Setting]]] = {
    "silence 500 and 350 ms": (Setting(0.6, 500, 300), Setting(0.6, 350, 300)),
    "threshold 0.6 and 0.4": (Setting(0.6, 500, 300), Setting(0.4, 500, 300)),
    "equal": (Setting(0.6, 500, 300), Setting(0.6, 500, 300)),
}


@frozen
class Town:
    """Callers, what was heard of them, and each as a server has heard it under each setting."""

    calls: Sequence[ComposedCall]
    heard: Sequence[Floats]
    under: Mapping[Setting, Sequence[Recording]]

    def told(
        self, chosen: Sequence[int], arms: Sequence[str], pair: tuple[Setting, Setting], seed: int
    ) -> Compared:
        """Return what a trial says if these call, and have these arms."""
        setting = dict(zip(ARMS, pair, strict=True))
        recordings = [self.under[setting[arm]][one] for one, arm in zip(chosen, arms, strict=True)]
        heard, truths = [self.heard[one] for one in chosen], [self.calls[one].truth for one in chosen]
        return compared(recordings, heard, truths, arms, seed=seed)


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        sys.exit("set OPENBLAS_NUM_THREADS=1 first: what it takes is told of one core")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often 200 callers call")
    parser.add_argument("--town", type=int, default=TOWN, help="how many callers there are")
    asked = parser.parse_args()
    town = town_of(list(composed_calls(Recipe(), 77, calls=asked.town)))
    page = "\n".join(written(town, asked.repeats))
    put_section(REPORT, "A trial of two settings", page)
    print(page)


def town_of(calls: Sequence[ComposedCall]) -> Town:
    heard = [listened([call.audio], [HEARING.ear])[0][HEARING.ear] for call in calls]
    windows = [smoothed(one, HEARING.smoothing) for one in heard]
    settings = {setting for pair in CASES.values() for setting in pair}
    return Town(
        calls, heard,
        {one: [recording_of(*own, one) for own in zip(calls, windows, strict=True)] for one in settings},
    )  # fmt: skip


def recording_of(call: ComposedCall, windows: Floats, setting: Setting) -> Recording:
    """Return a call as a server that hears so hears it under a setting."""
    before_ms, last_ms = HEARING.lag_ms - setting.prefix_padding_ms, call.truth.length_ms
    turns = tuple(
        ServerTurn(
            max(0, (one.first + 1) * WINDOW_MS + before_ms),
            None if one.stop is None else min((one.stop + 1) * WINDOW_MS + HEARING.lag_ms, last_ms),
        )
        for one in naive_segments(windows, setting, HEARING)
    )
    return Recording(
        call.call_id, "", "front-desk", call.audio, "none", (Heard(setting, turns),), call.truth.agent
    )


# ---------------------------------------------------------------- what came of it


def written(town: Town, repeats: int) -> Iterator[str]:
    """Yield the section of the page."""
    yield (
        f"`bench/vad_trial.py`: {CALLS} of {len(town.calls)} composed callers call, half of them under either setting"
        f" by their call ids, {repeats} times. *held*: the difference between both settings for all callers lay within"
        f" the interval (each at {TOGETHER:.1%}); *all held*: within all six at once, 95 % are promised. *found*: the"
        " repeats in which a difference was sure, in any metric; of equal settings that is the false alarm."
    )
    yield ""
    heads = (f"{TITLES[name].lower()}: planted, held, found" for name in COMPARED)
    yield f"| settings | all held | found | {' | '.join(heads)} |"
    yield f"|---|---|---|{'---|' * len(COMPARED)}"
    for number, (name, pair) in enumerate(CASES.items()):
        yield row(name, planted_in(town, pair), list(trials(town, pair, repeats, number * 10_000)))


def planted_in(town: Town, pair: tuple[Setting, Setting]) -> Mapping[str, float]:
    """Return the difference if every caller calls under both settings."""
    everybody = range(len(town.calls))
    arms = [CONTROL for _ in everybody] + [VARIANT for _ in everybody]
    made = town.told([*everybody, *everybody], arms, pair, 0)
    return {one.metric: one.apart.value for one in made.differences}


def trials(town: Town, pair: tuple[Setting, Setting], repeats: int, seed: int) -> Iterator[Compared]:
    trial = Trial("bench", 0.5)
    for number in range(seed, seed + repeats):
        chosen = np.random.default_rng((5, number)).integers(len(town.calls), size=CALLS).tolist()
        yield town.told(chosen, [trial.arm(f"CA{number}-{place}") for place in range(CALLS)], pair, number)


def row(name: str, planted: Mapping[str, float], made: Sequence[Compared]) -> str:
    held, found = Counter[str](), Counter[str]()
    for one in (one for each in made for one in each.differences):
        held[one.metric] += one.apart.low <= planted[one.metric] <= one.apart.high
        found[one.metric] += one.verdict in ("less", "more")
    whole = sum(
        all(one.apart.low <= planted[one.metric] <= one.apart.high for one in each.differences)
        for each in made
    )
    cells = (f"{shown(metric, planted[metric])}, {held[metric]}, {found[metric]}" for metric in COMPARED)
    some = sum(bool(one.found) for one in made)
    return f"| {name} | {whole} of {len(made)} | {some} of {len(made)} | {' | '.join(cells)} |"


def shown(metric: str, value: float) -> str:
    if metric == "delay_mean_ms":
        return f"{value:+.0f} ms"
    return f"{value:+.1f} an hour" if metric == "false_per_hour" else f"{value * 100:+.1f} points"


if __name__ == "__main__":
    main()
