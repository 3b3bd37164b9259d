"""Small studies of turn detection with known ends: synthetic calls, no network and no engine."""

from functools import cache
from pathlib import Path

import numpy as np
from attrs import evolve

from bridge.settings.turn_detection import TurnBudget
from replay.sound.ears import Ear
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.engine.machine import Hearing, Ints, Setting, Track, runs_of, segments_of, silence_windows
from replay.vad.study.agreement import Agreement
from replay.vad.study.calibrate import Calibration
from replay.vad.study.changes import changes
from replay.vad.study.recommend import operating_points, recommend
from replay.vad.study.study import Status, Study
from replay.vad.study.sweep import Grid, sweep
from replay.vad.truth.corpus import Corpus
from replay.vad.truth.recording import Heard, Recording, ServerTurn
from replay.vad.truth.truth import Span, Truth, Turn

NOW = Setting(0.6, 300, 300)
SMALL = Grid((0.3, 0.45, 0.6, 0.75), (200, 300, 500, 720, 1000), (0, 200, 300))
EASY = TurnBudget(turns_cut_percent=15, false_per_hour=2000, missed_above_best_points=10)
HARD = TurnBudget(turns_cut_percent=0.1)


@cache
def a_study(
    calls: int = 6,
    *,
    turns: int = 8,
    status: Status = "change",
    current: Setting | None = NOW,
    budget: TurnBudget = EASY,
    grid: Grid = SMALL,
    shorts: float = 0.45,
    pauses: bool = True,
    agent: str = "front-desk",
    names: str = "CA",
    resamples: int = 50,
) -> Study:
    """Return a study of synthetic calls. Its status is what is asked for, whatever the numbers say."""
    random = np.random.default_rng(7)
    told = [a_call(random, turns, shorts=shorts, pauses=pauses) for _ in range(calls)]
    heard, truths = [one for one, _ in told], [one for _, one in told]
    ids = [f"{names}{number:032x}" for number in range(calls)]
    recordings = [
        a_recording(name, one, truth, current, agent)
        for name, one, truth in zip(ids, heard, truths, strict=True)
    ]
    corpus = Corpus.of(ids, heard, truths)
    hearing = Hearing(Ear(policy="reset"), shift=0.02, lag_ms=30)
    swept = sweep(corpus, grid.including(current) if current else grid, hearing, resamples=resamples)
    advice = recommend(swept, budget, current)
    if status == "keep" and advice.chosen:
        current, advice = advice.chosen.setting, evolve(advice, current=advice.chosen)
    changed = changes(corpus, hearing, current, advice.chosen.setting) if current and advice.chosen else []
    why = {"uncalibrated": "no call has events to compare with", "impossible": advice.why}.get(status, "")
    return Study(
        agent, tuple(recordings), tuple(truths), tuple(heard), a_calibration(hearing, calls), hearing, corpus,
        swept, advice, tuple(changed), operating_points(swept), current, status, why,
    )  # fmt: skip


def a_calibration(hearing: Hearing, calls: int, matched: int = 190) -> Calibration:
    """Return a calibration of 200 events on each side."""
    errors: Ints = np.tile(np.array([-40, -8, 0, 12, 30]), 20)
    agreement = Agreement(200, 200, matched, errors, 20.0)
    return Calibration(hearing, agreement, agreement, calls, (Setting(0.4, 300), NOW, Setting(0.75, 300)))


def a_call(
    random: np.random.Generator, count: int, *, shorts: float = 0.45, pauses: bool = True
) -> tuple[Floats, Truth]:
    """Return one caller: speech probabilities and what is true of them."""
    at, turns = 1000, []
    for _ in range(count):
        at += int(random.integers(1500, 8000))
        speech = list(_speech(random, at, shorts, pauses))
        turns.append(Turn.of_speech(speech, words="yes & <no>"))
        at = speech[-1].end_ms
    windows = (at + 3000) // WINDOW_MS
    heard = 0.02 + 0.05 * random.random(windows)
    for span in (piece for turn in turns for piece in _pieces(turn)):
        first, end = (span.start_ms + 30) // WINDOW_MS, (span.end_ms + 60) // WINDOW_MS
        heard[first:end] = random.normal(0.85, 0.2, end - first)
    for _ in range(3):
        place = int(random.integers(0, windows - 20))
        heard[place : place + 4] = np.maximum(heard[place : place + 4], random.random() * 0.9)
    agent = tuple(Span(turn.span.end_ms + 200, turn.span.end_ms + 1200) for turn in turns[::2])
    truth = Truth(tuple(turns), "composed", windows * WINDOW_MS, agent, (Span(0, 500),))
    return np.clip(heard, 0, 1).astype(np.float32), truth


def _speech(random: np.random.Generator, at: int, shorts: float, pauses: bool) -> list[Span]:
    if random.random() < shorts:
        return [Span(at, at + int(random.integers(150, 700)))]
    found = []
    for _ in range(int(random.integers(2, 4)) if pauses else 1):
        end = at + int(random.integers(900, 1800))
        found.append(Span(at, end))
        at = end + int(1000 * min(1.15, 0.2 + np.exp(-2.09 + 1.48 * random.normal())))
    return found


def _pieces(turn: Turn) -> list[Span]:
    edges = [turn.span.start_ms, *(ms for pause in turn.pauses for ms in (pause.start_ms, pause.end_ms))]
    edges.append(turn.span.end_ms)
    return [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def a_recording(name: str, heard: Floats, truth: Truth, setting: Setting | None, agent: str) -> Recording:
    """Return a recording whose audio is as loud as speech is likely, and whose server heard as the machine does."""
    codes = (255 - np.repeat(np.round(heard * 100), WINDOW_MS * 8)).astype(np.uint8)
    codes[::2] &= 0x7F
    return Recording(
        call_id=name,
        path=str(Path("tapes") / f"{name}.jsonl.gz"),
        agent_name=agent,
        audio=codes.tobytes(),
        noise_reduction="near_field",
        heard=(Heard(setting, _server(heard, setting)),),
        agent=truth.agent,
        places=(np.arange(0, truth.length_ms, 20), np.arange(0, truth.length_ms, 20) + 140),
    )


def _server(heard: Floats, setting: Setting | None) -> tuple[ServerTurn, ...]:
    if setting is None:
        return ()
    runs = runs_of(Track.of([heard]), setting.threshold, setting.threshold - 0.15, 1)
    found = segments_of(runs, silence_windows(setting.silence_duration_ms))
    return tuple(
        ServerTurn(max(0, first * WINDOW_MS - setting.prefix_padding_ms), (stop + 1) * WINDOW_MS)
        for first, stop in zip(found.first.tolist(), found.stop.tolist(), strict=True)
        if stop >= 0
    )
