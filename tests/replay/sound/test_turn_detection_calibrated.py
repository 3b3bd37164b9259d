"""The stand-in's hidden parameters: what it hears with them is what the VAD lab's machine finds with the same."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import cycle
from re import escape
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.extras import install_hint
from bridge.heart.audio import silence
from bridge.settings.turn_detection import ServerVad
from bridge.sound.g711 import LINEAR
from bridge.tapes.reader import Tape
from replay.model.script import Say, Script
from replay.phone.script import Caller, HangUp, Wait, WaitForQuiet
from replay.phone.script import Say as Speak
from replay.simulation.simulate import simulate
from replay.sound.clips import clip, names
from replay.sound.ears import Ear
from replay.sound.hearing import Hearing
from replay.sound.silero import probabilities
from replay.sound.silero_network import Floats, Policy
from replay.sound.turn_detection import (
    Ears,
    Heard,
    MissingExtraError,
    SpeechStarted,
    SpeechStopped,
    open_detector,
)
from replay.vad.engine import machine
from replay.vad.engine.machine import Setting, naive_segments
from replay.vad.truth.recording import read_recording

WINDOW_MS = 32
LEVELS = (0.0, 0.1, 0.3, 0.36, 0.45, 0.5, 0.52, 0.6, 0.7, 0.9, 1.0)
"""Values on, between and just beside the marks that are drawn below."""
PAUSES_MS = cycle((300, 900, 150, 1400, 520))
CODES = sorted(range(256), key=LINEAR.__getitem__)
SAMPLES = [LINEAR[code] for code in CODES]

levels = st.lists(st.tuples(st.sampled_from(LEVELS), st.integers(1, 30)), min_size=1, max_size=25)
wanted = st.builds(
    Setting, st.sampled_from([0.0, 0.3, 0.45, 0.5, 0.6, 0.7, 1.0]), st.integers(0, 1200), st.integers(0, 600)
)
hidden = st.builds(
    Hearing,
    engine=st.just("silero"),
    threshold_shift=st.sampled_from([-0.2, 0.0, 0.15]),
    threshold_slope=st.sampled_from([0.8, 1.0, 1.3]),
    hysteresis=st.sampled_from([0.0, 0.05, 0.15, 0.4]),
    start_windows=st.integers(1, 4),
    lag_ms=st.sampled_from([0, 1, 32, 40, 200, 1000]),
)


@attrs.define
class Told:
    """A detector that is told what to say, one window for each byte."""

    _rest: Iterator[float]

    def hear(self, ulaw: bytes, /) -> Iterable[float]:
        return [probability for _, probability in zip(ulaw, self._rest, strict=False)]


def told(said: Iterable[float], setting: Setting, hearing: Hearing) -> Ears:
    return ears(setting, hearing, detector=Told(iter(said)))


def ears(setting: Setting, hearing: Hearing, **more: Any) -> Ears:
    silence_ms, prefix_ms = setting.silence_duration_ms, setting.prefix_padding_ms
    return Ears(setting.threshold, silence_ms, prefix_ms, hearing=hearing, **more)


def in_the_lab(hearing: Hearing) -> machine.Hearing:
    return machine.Hearing(
        Ear(policy=hearing.policy),
        hearing.threshold_shift,
        hearing.threshold_slope,
        hearing.hysteresis,
        hearing.start_windows,
        hearing.lag_ms,
    )


def found(said: Floats, setting: Setting, hearing: Hearing) -> list[Heard]:
    """What the lab's machine says that should have been told by the end of the audio."""
    lag_ms, events, times = hearing.lag_ms, list[Heard](), list[int]()
    for segment in naive_segments(said, setting, in_the_lab(hearing)):
        start_ms = (segment.first + 1) * WINDOW_MS + lag_ms - setting.prefix_padding_ms
        events.append(SpeechStarted(max(0, start_ms)))
        times.append((segment.heard + 1) * WINDOW_MS + lag_ms)
        if segment.stop is not None:
            events.append(SpeechStopped((segment.stop + 1) * WINDOW_MS + lag_ms))
            times.append((segment.stop + 1) * WINDOW_MS + lag_ms)
    return [event for event, t_ms in zip(events, times, strict=True) if t_ms <= len(said) * WINDOW_MS]


def frames(audio: bytes) -> list[bytes]:
    return [audio[at : at + 160] for at in range(0, len(audio), 160)]


def hear(listening: Ears, audio: bytes) -> list[Heard]:
    return [event for frame in frames(audio) for event in listening.hear(frame)]


def speech() -> bytes:
    """Every clip of the lab, with pauses between them that end a turn or do not, and an end in quiet."""
    return b"".join(silence(next(PAUSES_MS)) + clip(name).audio for name in names()) + silence(3000)


def quieter(audio: bytes, decibels: float) -> bytes:
    factor = 10 ** (-decibels / 20)
    return bytes(CODES[min(bisect_left(SAMPLES, LINEAR[code] * factor), 255)] for code in audio)


SPEECH = speech()


# ---------------------------------------------------------------- as the lab's machine


@settings(max_examples=500)
@given(levels, wanted, hidden, st.integers(1, 50))
def test_whatever_a_detector_says_the_ears_hear_as_the_labs_machine(drawn, setting, hearing, piece):
    said = np.array([level for level, length in drawn for _ in range(length)], dtype=np.float32)
    listening = told(said, setting, hearing)
    heard = [event for _ in range(0, len(said), piece) for event in listening.hear(bytes(piece))]
    assert heard == found(said, setting, hearing)


@pytest.mark.parametrize("policy", ["carry", "reset"])
@pytest.mark.parametrize("setting", [Setting(0.5, 500), Setting(0.3, 200, 0), Setting(0.7, 900, 200)])
@pytest.mark.parametrize(
    "hearing",
    [
        Hearing("silero"),
        Hearing("silero", threshold_shift=0.2, hysteresis=0.05, start_windows=1, lag_ms=40),
        Hearing("silero", threshold_shift=-0.1, threshold_slope=0.8, hysteresis=0.3, lag_ms=160),
    ],
)
def test_recorded_speech_is_heard_as_the_labs_machine_hears_it(
    policy: Policy, setting: Setting, hearing: Hearing
) -> None:
    hearing = attrs.evolve(hearing, policy=policy)
    expected = found(probabilities(SPEECH, policy), setting, hearing)
    assert hear(ears(setting, hearing), SPEECH) == expected
    assert len(expected) >= 8


def test_how_the_audio_is_cut_changes_nothing_for_silero_either() -> None:
    hearing = Hearing("silero", lag_ms=40)
    assert hear(Ears(hearing=hearing), SPEECH) == Ears(hearing=hearing).hear(SPEECH)


def test_a_call_is_taped_as_the_lab_finds_it_in_the_tapes_own_audio() -> None:
    hearing = Hearing("silero", "reset", threshold_shift=0.1, threshold_slope=0.9, hysteresis=0.1, lag_ms=48)
    tape = simulated(hearing)
    recording = read_recording(tape)
    turns = [(turn.start_ms, turn.stop_ms) for turn in recording.heard[0].turns]
    expected = found(probabilities(recording.audio, "reset"), Setting(0.6, 400, 200), hearing)
    assert len(turns) == 3
    assert [ms for turn in turns for ms in turn] == [
        event.start_ms if isinstance(event, SpeechStarted) else event.end_ms for event in expected
    ]


def simulated(hearing: Hearing) -> Tape:
    """A call of three turns, of which the last interrupts a long answer."""
    detection = ServerVad(threshold=0.6, prefix_padding_ms=200, silence_duration_ms=400)
    agent = Agent(name="front-desk", turn_detection=detection)
    answer = Say(clip("agent_hours").audio, clip("agent_hours").text)
    says = Script(opening=(answer,), fallback=(answer,), hearing=hearing)
    spoken = [Speak(clip(name).audio) for name in names() if name.startswith("caller")]
    steps = (WaitForQuiet(500), spoken[0], WaitForQuiet(700), spoken[1], Wait(3000), spoken[2], Wait(2000))
    return simulate(Caller(steps=(*steps, HangUp())), says, agent)


# ---------------------------------------------------------------- each parameter


@pytest.mark.parametrize(("shift", "turns"), [(-0.2, 2), (0.0, 2), (0.35, 1)])
def test_a_hidden_shift_decides_whether_a_quiet_passage_is_heard(shift: float, turns: int) -> None:
    hello = clip("caller_hours").audio
    audio = silence(500) + hello + silence(1500) + quieter(hello, 33) + silence(1500)
    heard = Ears(hearing=Hearing("silero", threshold_shift=shift)).hear(audio)
    assert len(heard) == 2 * turns


@pytest.mark.parametrize("engine", ["level", "silero"])
@pytest.mark.parametrize("lag_ms", [1, 32, 100, 700])
def test_a_lag_moves_both_times_by_exactly_so_much(engine: Any, lag_ms: int) -> None:
    at_once, late = (hear(Ears(hearing=Hearing(engine, lag_ms=ms)), SPEECH) for ms in (0, lag_ms))
    assert late == [moved(event, lag_ms) for event in at_once]


def moved(event: Heard, ms: int) -> Heard:
    if isinstance(event, SpeechStarted):
        return SpeechStarted(event.start_ms + ms)
    return SpeechStopped(event.end_ms + ms)


def test_what_lags_is_told_when_the_audio_has_come_so_far() -> None:
    listening = told([0.9] * 20, Setting(0.5, 500, 0), Hearing(lag_ms=70))
    heard = [(listening.clock_ms, event) for _ in range(20) for event in listening.hear(b"-")]
    assert heard == [
        (192, SpeechStarted(32 + 70))
    ]  # noticed at 96; 192 is the first window's end from 166 on


def test_forgetting_takes_back_what_was_noticed_and_not_yet_told() -> None:
    listening = told([0.9] * 4 + [0.0] * 40, Setting(0.5, 500), Hearing(lag_ms=320))
    assert listening.hear(bytes(4)) == []
    listening.forget()
    assert listening.hear(bytes(40)) == []
    assert listening.clock_ms == 44 * WINDOW_MS


def test_a_threshold_that_is_moved_in_mid_call_counts_from_the_next_window() -> None:
    hearing = Hearing("silero", threshold_slope=0.5, start_windows=1)
    listening = told([0.4] * 20, Setting(0.9, 500, 0), hearing)
    assert listening.hear(bytes(10)) == []
    listening.threshold = 0.7  # 0.35 inside
    assert listening.hear(bytes(10)) == [SpeechStarted(11 * WINDOW_MS)]


@pytest.mark.parametrize(
    ("asked", "inside"),
    [(0.5, 0.55), (0.0, 0.15), (1.0, 0.95)],
)
def test_the_threshold_inside_is_a_line_through_the_sessions(asked: float, inside: float) -> None:
    hearing = Hearing(threshold_shift=0.15, threshold_slope=0.8)
    assert hearing.threshold_for(asked) == pytest.approx(inside)
    assert hearing.release_for(asked) == pytest.approx(max(inside - 0.15, 0.01))


def test_the_threshold_inside_stays_between_nothing_and_all() -> None:
    assert Hearing(threshold_shift=0.9).threshold_for(0.5) == 0.99
    assert Hearing(threshold_shift=-0.9).threshold_for(0.5) == 0.01
    assert (Hearing().threshold_for(0.0), Hearing().threshold_for(1.0)) == (0.0, 1.0)


# ---------------------------------------------------------------- what may be missing


def test_who_asks_for_what_is_not_installed_is_told_how_to_get_it() -> None:
    def not_installed(policy: Policy) -> Told:
        raise ModuleNotFoundError("No module named 'numpy'")

    with pytest.raises(MissingExtraError, match=rf"{escape(install_hint('vad'))}.*'numpy'"):
        open_detector(Hearing("silero"), not_installed)
