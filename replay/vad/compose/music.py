"""Hold music: a few tunes of eight bars, put together from chords, plucked strings and a flute. Pure.

It has what makes music hard for a detector of speech, harmonics that glide and swell, and what tells it from speech:
steady pitches, a beat, several of them at once.
"""

from typing import Final

import numpy as np

from replay.vad.compose.sound import RATE, Samples, at_unity

SEED: Final = 1893
BARS: Final = 8
BEATS: Final = 4
PROGRESSIONS: Final = ((0, 5, 3, 4), (0, 3, 1, 4), (5, 3, 0, 4), (0, 4, 5, 3))
"""Steps of the scale on which the chords of four bars stand."""

SCALE: Final = (0, 2, 4, 5, 7, 9, 11)
"""Major, in semitones."""

PENTATONIC: Final = (0, 1, 2, 4, 5)
"""Steps of the scale that a melody can hold over any of the chords."""

LOWEST_NOTE: Final = 50
"""MIDI's number of the lowest key: D below middle C, so that chords have their fundamentals in the line's band."""

Random = np.random.Generator


def tune(number: int) -> Samples:
    """Return a tune as a loop at 8 kHz with an RMS of 1, always the same for a number."""
    rng = np.random.default_rng((SEED, number))
    beat = round(60 / rng.uniform(76, 108) * RATE)
    root, steps = LOWEST_NOTE + int(rng.integers(10)), PROGRESSIONS[number % len(PROGRESSIONS)]
    loop = np.zeros(BARS * BEATS * beat)
    for bar in range(BARS):
        start, step = bar * BEATS * beat, steps[bar % len(steps)]
        _add_chord(loop, start, BEATS * beat, [_hz(root, step + third) for third in (0, 2, 4)])
        _add_arpeggio(loop, start, beat, [_hz(root + 12, step + third) for third in (0, 2, 4, 7)])
    _add_melody(loop, beat, root + 24, rng)
    return at_unity(loop)


def _hz(root: int, step: int) -> float:
    """Return the frequency of a step of the scale above a key."""
    octave, place = divmod(step, len(SCALE))
    return float(440 * 2 ** ((root + 12 * octave + SCALE[place] - 69) / 12))


def _add(loop: Samples, start: int, note: Samples) -> None:
    """Lay a note into the loop; what reaches beyond its end goes on at its beginning."""
    loop[np.arange(start, start + len(note)) % len(loop)] += note


def _add_chord(loop: Samples, start: int, length: int, pitches: list[float]) -> None:
    """Lay a held chord of soft strings into the loop; each a little off its pitch, as strings are."""
    for number, hz in enumerate(pitches):
        swell = _swell(length + RATE // 3, attack_s=0.25, release_s=0.5)
        voice = _tone(hz, len(swell), (1, 0.5, 0.3, 0.2, 0.1), rate_hz=4.4 + 0.4 * number, depth=0.003)
        _add(loop, start, 0.5 * voice * swell)


def _add_arpeggio(loop: Samples, start: int, beat: int, pitches: list[float]) -> None:
    """Lay plucked strings into the loop, two a beat, up the chord and down again."""
    for number in range(2 * BEATS):
        hz = pitches[(0, 1, 2, 3, 2, 1, 2, 1)[number]]
        times = np.arange(2 * beat) / RATE
        decay = np.exp(-times / 0.35) * np.minimum(1, times / 0.004)
        note = _tone(hz, 2 * beat, (1, 0.6, 0.4, 0.25, 0.15), rate_hz=0, depth=0)
        _add(loop, start + number * beat // 2, 0.8 * note * decay)


def _add_melody(loop: Samples, beat: int, root: int, rng: Random) -> None:
    """Lay a flute into the loop, which walks up and down in notes of one or two beats, and rests."""
    place, step = 0, 4
    while place < BARS * BEATS:
        beats = int(rng.integers(1, 3))
        step = int(np.clip(step + rng.integers(-2, 3), 0, 6))
        octave, degree = divmod(step, len(PENTATONIC))
        if rng.random() < 0.8:
            length = beats * beat
            hz = _hz(root, PENTATONIC[degree] + len(SCALE) * octave)
            note = _tone(hz, length, (1, 0.25, 0.12), rate_hz=5.2, depth=0.006)
            _add(loop, place * beat, 0.6 * note * _swell(length, attack_s=0.06, release_s=0.12))
        place += beats


def _tone(hz: float, length: int, harmonics: tuple[float, ...], *, rate_hz: float, depth: float) -> Samples:
    """Return a tone whose pitch trembles so often a second, by that part of itself."""
    times = np.arange(length) / RATE
    phase = 2 * np.pi * hz * times
    if rate_hz:
        phase -= hz * depth / rate_hz * np.cos(2 * np.pi * rate_hz * times)
    tone = np.zeros(length)
    for number, weight in enumerate(harmonics, 1):
        if number * hz < RATE / 2:
            tone += weight * np.sin(number * phase)
    return tone


def _swell(length: int, *, attack_s: float, release_s: float) -> Samples:
    """Return an envelope that rises and falls along a sine's quarter."""
    times = np.arange(length) / RATE
    rise, fall = np.minimum(1, times / attack_s), np.minimum(1, times[::-1] / release_s)
    return np.asarray(np.sin(np.pi / 2 * rise) * np.sin(np.pi / 2 * fall))
