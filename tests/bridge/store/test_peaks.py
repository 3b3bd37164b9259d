"""The waveform: a byte for each side each 40 ms, quiet callers included."""

import time

from bridge.heart.audio import silence
from bridge.store.line_sound import Sound
from bridge.store.peaks import PEAK_MS, peaks_of
from replay.sound.clips import clip
from replay.sound.formats import murmur


def test_silence_is_flat_and_a_voice_is_not() -> None:
    caller, agent = peaks_of(Sound(silence(400) + murmur(400), silence(800)))
    assert len(caller) == len(agent) == 800 // PEAK_MS
    assert not any(caller[:10])
    assert sum(map(bool, caller[10:])) >= 8
    assert not any(agent)


def test_a_piece_that_ends_within_a_window_has_its_peak() -> None:
    caller, _ = peaks_of(Sound(murmur(50), silence(50)))
    assert len(caller) == 2


def test_peaks_of_a_minute_take_a_fraction_of_what_they_may() -> None:
    minute = (clip("agent_hours").audio * 10)[: 60 * 8000]
    sound = Sound(minute, minute)
    took = min(_took(sound) for _ in range(5))
    assert took < 0.05


def _took(sound: Sound) -> float:
    began = time.process_time()
    peaks_of(sound)
    return time.process_time() - began
