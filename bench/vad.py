"""What the VAD lab costs on one core, and what its calibration finds: the figures of bench/vad.md.

    OPENBLAS_NUM_THREADS=1 uv run python -m bench.vad          (about five minutes)

Calls are composed (`replay vad compose`), so their truth is known; the server is the Realtime stand-in with ears whose
parameters the lab is not told.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final, TypeVar

from attrs import evolve

from bench.sections import put_section
from bridge.agents import Agent
from bridge.settings.turn_detection import ServerVad, TurnBudget
from replay.model.script import Say, Script
from replay.phone.script import Caller, HangUp
from replay.phone.script import Say as Speak
from replay.simulation.simulate import simulate
from replay.sound.ears import EARS, Ear, groups, listened
from replay.sound.formats import murmur
from replay.sound.hearing import Hearing as Hidden
from replay.sound.silero import probabilities
from replay.sound.silero_network import POLICIES, Floats
from replay.vad.compose.compose import ComposedCall, Recipe, composed_calls
from replay.vad.engine.machine import Setting
from replay.vad.study.agreement import cases_of
from replay.vad.study.calibrate import Calibration, calibrate
from replay.vad.study.recommend import recommend
from replay.vad.study.sweep import Grid, Sweep, sweep
from replay.vad.study.trust import apart_of
from replay.vad.truth.corpus import ENDED_WITHIN_MS, MS_PER_HOUR, Corpus
from replay.vad.truth.derive import WITNESS, derive
from replay.vad.truth.recording import Recording, read_recording

T = TypeVar("T")
REPORT: Final = Path(__file__).with_suffix(".md")
HOURS: Final = 10.0
LISTENED_HOURS: Final = 1.0
RUNS: Final = 3
PROBABILITIES_GOAL_S: Final = 6
SWEEP_GOAL_S: Final = 8
EARS_GOAL_S: Final = 12
CALLS: Final = 20
HIDDEN: Final = {
    "Silero, threshold -0.12, hysteresis 0.22, starts after 2 windows, lag 70 ms":
        Hidden(engine="silero", threshold_shift=-0.12, hysteresis=0.22, start_windows=2, lag_ms=70),
    "Silero, threshold +0.1, hysteresis 0.05, starts after 1, lag 0, memory reset":
        Hidden(engine="silero", policy="reset", threshold_shift=0.1, hysteresis=0.05, start_windows=1),
    "Silero, threshold 0, hysteresis 0.15, starts after 3, lag 200 ms":
        Hidden(engine="silero", start_windows=3, lag_ms=200),
    "another detector: a level meter": Hidden(engine="level"),
}  # fmt: skip


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds of processor time that work took, and its result."""
    began = process_time()
    result = work()
    return process_time() - began, result


def hours_of(calls: list[ComposedCall]) -> float:
    return sum(call.truth.length_ms for call in calls) / MS_PER_HOUR


def listening() -> Iterator[str]:
    """Yield the figures of listening: CPU seconds for an hour of calls, each policy."""
    calls = list(composed_calls(Recipe(), 1, minutes=LISTENED_HOURS * 60))
    probabilities(calls[0].audio)  # loads the weights
    for policy in POLICIES:
        took = [timed(lambda: [probabilities(call.audio, policy) for call in calls])[0] for _ in range(RUNS)]  # noqa: B023 - called at once
        per_hour = [one / hours_of(calls) for one in took]
        spread = f"{min(per_hour):.2f} to {max(per_hour):.2f}"
        figure = f"{median(per_hour):.2f} s CPU an hour of audio ({spread})"
        yield f"| probabilities, policy {policy} | {figure} | {PROBABILITIES_GOAL_S} s |"
    took = [timed(lambda: ears_of([call.audio for call in calls]))[0] / hours_of(calls) for _ in range(RUNS)]
    figure = f"{median(took):.2f} s CPU an hour of audio ({min(took):.2f} to {max(took):.2f})"
    yield f"| probabilities, all {len(EARS)} ears in one pass | {figure} | {EARS_GOAL_S} s |"


def sweeping() -> Iterator[str]:
    """Yield the figures of the whole grid over ten hours, with intervals."""
    calls = list(composed_calls(Recipe(), 2, minutes=HOURS * 60))
    heard: list[Floats] = [probabilities(call.audio) for call in calls]
    corpus = Corpus.of([call.call_id for call in calls], heard, [call.truth for call in calls])
    took, found = zip(*(timed(lambda: sweep(corpus)) for _ in range(RUNS)), strict=True)
    grid = Grid()
    what = (
        f"{len(grid.thresholds)} x {len(grid.silences_ms)} x {len(grid.prefixes_ms)} settings, 1000 resamples"
    )
    yield (
        f"| {what}, {corpus.hours:.1f} h in {corpus.calls} calls, {len(corpus.turns.start)} turns "
        f"| {median(took):.2f} s CPU ({min(took):.2f} to {max(took):.2f}) | {SWEEP_GOAL_S} s |"
    )
    yield from advice(found[0])


def advice(found: Sweep) -> Iterator[str]:
    """Yield what would be recommended on those calls, as a sign of life."""
    made = recommend(found, TurnBudget(), Setting(0.6, 500, 300))
    for name, choice in (("now", made.current), ("recommended", made.chosen), ("safer", made.safer)):
        if choice:
            setting, measured = choice.setting, choice.measured
            yield (
                f"| {name}: threshold {setting.threshold:g}, silence {setting.silence_duration_ms} ms, prefix "
                f"{setting.prefix_padding_ms} ms | cut off {measured['turns_cut'].value:.1%}, short replies missed "
                f"{measured['short_missed'].value:.1%}, {measured['false_per_hour'].value:.0f} false starts an hour, "
                f"delay {measured['delay_mean_ms'].value:.0f} ms | |"
            )


def calibrating() -> Iterator[str]:
    """Yield what the fit makes of each hidden detector, from 20 calls."""
    for what, hidden in HIDDEN.items():
        recordings = rung(hidden)
        found = calibration_of(recordings)
        hearing, told = found.hearing, found.held_out
        fitted = (
            f"threshold {hearing.threshold(0.6) - 0.6:+.2f}, hysteresis {hearing.hysteresis:.2f}, "
            f"starts after {hearing.start_windows}, lag {hearing.lag_ms} ms, {hearing.described}"
        )
        answer = "recommends" if found.is_good else "refuses"
        yield f"| {what} | {fitted} | {told.share:.1%} of {told.server} | {answer} |"


def rung(hidden: Hidden) -> list[Recording]:
    script = Script(
        opening=(Say(murmur(600), "Hello."),), fallback=(Say(murmur(700), "Yes."),), hearing=hidden
    )
    agent = Agent(name="front-desk", turn_detection=ServerVad(threshold=0.6, silence_duration_ms=500))
    calls = composed_calls(Recipe(turns=(3, 5)), 3, calls=CALLS)
    tapes = (
        simulate(Caller(steps=(Speak(call.audio), HangUp())), script, agent, seed=n)
        for n, call in enumerate(calls)
    )
    return [read_recording(tape) for tape in tapes]


def calibration_of(recordings: list[Recording]) -> Calibration:
    heard = ears_of([one.audio for one in recordings])
    found = calibrate(cases_of(recordings, heard))
    told = [{ear: own[number] for ear, own in heard.items()} for number in range(len(recordings))]
    truths = [derive(one, own[WITNESS]) for one, own in zip(recordings, told, strict=True)]
    return evolve(found, apart=apart_of(recordings, told, truths, found.others, ENDED_WITHIN_MS))


def ears_of(audios: Sequence[bytes]) -> dict[Ear, list[Floats]]:
    """Return what every ear makes of each recording."""
    found: list[dict[Ear, Floats]] = [{} for _ in audios]
    for group in groups(map(len, audios)):
        for number, one in zip(group, listened([audios[n] for n in group]), strict=True):
            found[number] = one
    return {ear: [one[ear] for one in found] for ear in EARS}


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        sys.exit("set OPENBLAS_NUM_THREADS=1 first: these are figures of one core")
    lines = [
        "# What the VAD lab costs, and what its calibration finds",
        "",
        f"One core, Python {platform.python_version()}, {platform.machine()}, {platform.system()}; median of "
        f"{RUNS} runs in one process. `bench/vad.py` makes this page.",
        "",
        "| what | figure | goal |",
        "|---|---|---|",
        *listening(),
        *sweeping(),
        "",
        f"Calibration on {CALLS} calls, the server hearing with what it does not tell. Agreement: events within"
        " 150 ms, on calls not used for the fit.",
        "",
        "| hidden | fitted | agreement | the lab |",
        "|---|---|---|---|",
        *calibrating(),
    ]
    put_section(REPORT, "", "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
