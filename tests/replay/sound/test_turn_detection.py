"""The stand-in's ears: what they take for speech, and the milliseconds they report."""

import random
import time
from bisect import bisect_left

import pytest

from bridge.heart.audio import bytes_of, silence
from bridge.sound.g711 import LINEAR
from replay.sound.clips import clip, names
from replay.sound.turn_detection import Ears, Heard, SpeechStarted, SpeechStopped, speech_probability

CODES = sorted(range(256), key=LINEAR.__getitem__)
SAMPLES = [LINEAR[code] for code in CODES]


def noise(ms: int, dbfs: float) -> bytes:
    """White noise of that RMS level as µ-law."""
    dice, size = random.Random(1), 32124 * 10 ** (dbfs / 20)
    drawn = (bisect_left(SAMPLES, dice.gauss(0, size)) for _ in range(bytes_of(ms)))
    return bytes(CODES[min(at, 255)] for at in drawn)


def frames(audio: bytes) -> list[bytes]:
    return [audio[at : at + 160] for at in range(0, len(audio), 160)]


def hear_in_frames(ears: Ears, audio: bytes) -> list[Heard]:
    return [heard for frame in frames(audio) for heard in ears.hear(frame)]


def test_a_burst_is_one_turn_with_the_prefix_and_the_silence_counted() -> None:
    ears = Ears(threshold=0.5, silence_ms=320, prefix_ms=200)
    heard = hear_in_frames(ears, silence(960) + noise(640, -20) + silence(960))
    assert heard == [SpeechStarted(960 + 32 - 200), SpeechStopped(1600 + 320)]


def test_the_start_is_never_before_the_call() -> None:
    assert Ears(prefix_ms=300).hear(noise(200, -20)) == [SpeechStarted(0)]


@pytest.mark.parametrize("name", names())
def test_every_clip_of_the_lab_is_one_turn_at_threshold_06(name: str) -> None:
    ears = Ears(threshold=0.6, silence_ms=500)
    heard = hear_in_frames(ears, silence(500) + clip(name).audio + silence(1000))
    assert [type(event) for event in heard] == [SpeechStarted, SpeechStopped]


@pytest.mark.parametrize("background", [silence(5000), noise(5000, -50), noise(5000, -42)])
def test_silence_and_line_noise_are_not_speech(background: bytes) -> None:
    assert Ears(threshold=0.6).hear(background) == []


def test_a_click_is_not_speech() -> None:
    assert Ears(threshold=0.3).hear(silence(300) + noise(50, -6) + silence(300)) == []


def test_a_short_pause_does_not_end_the_turn() -> None:
    ears = Ears(silence_ms=500)
    heard = ears.hear(noise(300, -20) + silence(400) + noise(300, -20) + silence(700))
    assert [type(event) for event in heard] == [SpeechStarted, SpeechStopped]


def test_how_the_audio_is_cut_changes_nothing() -> None:
    audio = silence(333) + noise(500, -20) + silence(1000) + noise(400, -25) + silence(900)
    assert hear_in_frames(Ears(), audio) == Ears().hear(audio)


def test_forgetting_drops_the_turn_but_not_the_clock() -> None:
    ears = Ears(prefix_ms=0)
    ears.hear(noise(320, -20))
    ears.forget()
    assert ears.hear(silence(640) + noise(320, -20)) == [SpeechStarted(320 + 640 + 32)]


@pytest.mark.parametrize(("dbfs", "low", "high"), [(-60, 0, 0.01), (-40, 0.4, 0.5), (-20, 0.95, 1)])
def test_three_decibels_are_a_tenth(dbfs: float, low: float, high: float) -> None:
    assert low <= speech_probability(noise(32, dbfs)) <= high


def test_a_frame_costs_little() -> None:
    ears, audio = Ears(), frames(noise(4000, -30))
    took = []
    for _ in range(5):
        began = time.process_time()
        for frame in audio:
            ears.hear(frame)
        took.append((time.process_time() - began) / len(audio))
    assert min(took) < 50e-6  # 2 µs measured; the bound leaves room for a busy machine
