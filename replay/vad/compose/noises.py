"""What a phone line carries besides the caller's voice, made with numpy: noise beds, hold music, coughs, clicks, keys.

All are as a telephone line leaves them, float64 at 8 kHz, with an RMS of 1: whoever mixes them sets the level. Beds
and tunes are loops without a seam, made once and kept.
"""

from collections.abc import Callable
from functools import cache
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from replay.vad.compose.material import words
from replay.vad.compose.music import tune
from replay.vad.compose.sound import RATE, Samples, at_unity, hz_of, loop_on_the_line, on_the_line

Noise: TypeAlias = Literal["line", "hum", "office", "babble", "street", "none"]
"""line: hiss. hum: the mains and its overtones. office: people talking in the same room, and its ventilation. babble: a
crowd close by, which is speech to any detector. street: wind and cars going by. none: digital silence."""

NOISES: Final[tuple[Noise, ...]] = get_args(Noise)

LOOP: Final = 1 << 18
"""Samples of a bed, 32.8 s: longer than most detectors remember, and a size that Fourier transforms like."""

VARIANTS: Final = 3
"""Beds of each kind: 100 s of different noise, kept in 6 MB."""

SEED: Final = 8000
"""Beds are the same in every process: what differs from call to call is where in them it begins."""

MAINS_HZ: Final = 50
OVERTONES: Final = 40
"""The mains' overtones up to 2 kHz: below 300 Hz the line takes out what is loudest in them."""

CARS_EVERY_S: Final = 6

ROOM_S: Final = 0.6
"""How long it takes until a sound in an office is 60 dB down."""

Random: TypeAlias = np.random.Generator


def bed(noise: Noise, length: int, rng: Random) -> Samples:
    """Return so many samples of a bed, from anywhere in it, with an RMS of 1; zeros for "none"."""
    if noise == "none" or not length:
        return np.zeros(length)
    loop = _loop(noise, int(rng.integers(VARIANTS)))
    return at_unity(_from(loop, int(rng.integers(len(loop))), length))


def _from(loop: Samples, start: int, length: int) -> Samples:
    """Return a stretch of a loop, round and round."""
    turns = -(-(start + length) // len(loop))
    return np.tile(loop, turns)[start : start + length]


@cache
def _loop(noise: Noise, variant: int) -> Samples:
    rng = np.random.default_rng((SEED, NOISES.index(noise), variant))
    return at_unity(loop_on_the_line(_MAKERS[noise](rng)))


def _shaped(rng: Random, shape: Callable[[Samples], Samples]) -> Samples:
    """Return noise with this magnitude over frequency, as a loop."""
    hz = hz_of(LOOP)
    waves = rng.standard_normal(len(hz)) + 1j * rng.standard_normal(len(hz))
    return np.asarray(np.fft.irfft(waves * shape(hz), LOOP))


def _line(rng: Random) -> Samples:
    return at_unity(_shaped(rng, np.ones_like))


def _pink(rng: Random) -> Samples:
    return at_unity(_shaped(rng, lambda hz: np.asarray(np.maximum(hz, 20) ** -0.5)))


def _brown(rng: Random) -> Samples:
    return at_unity(_shaped(rng, lambda hz: 1 / np.maximum(hz, 20)))


def _hum(rng: Random) -> Samples:
    """Return the mains with its overtones, each a third weaker than the one before, over a little hiss."""
    spectrum = np.zeros(LOOP // 2 + 1, dtype=np.complex128)
    step = round(MAINS_HZ * LOOP / RATE)
    for number in range(1, OVERTONES + 1):
        spectrum[step * number] = number**-1.2 * np.exp(2j * np.pi * rng.random())
    return at_unity(np.asarray(np.fft.irfft(spectrum, LOOP))) + 0.02 * _line(rng)


def _street(rng: Random) -> Samples:
    """Return wind, with cars that come and go in it."""
    times = np.arange(LOOP) / LOOP
    cars = LOOP // (CARS_EVERY_S * RATE)
    swell = np.zeros(LOOP)
    for place in rng.random(cars):
        swell += rng.uniform(0.5, 1) * np.exp(4 * (np.cos(2 * np.pi * (times - place)) - 1) * cars)
    return _brown(rng) + 1.5 * swell * _pink(rng)


def _office(rng: Random) -> Samples:
    """Return six people at the far end of a room that echoes, a nearer one now and then, and the air blown into it."""
    far, near = _voices(rng, 6, below_hz=1000), _voices(rng, 1, below_hz=1500, every_s=6)
    return _echoing(far, rng) + 0.4 * near + 0.5 * _pink(rng)


def _echoing(loop: Samples, rng: Random) -> Samples:
    """Return what of a sound arrives by way of a room's walls, as a loop."""
    times = np.arange(LOOP) / RATE
    walls = rng.standard_normal(LOOP) * 10 ** (-3 * times / ROOM_S)
    return at_unity(np.asarray(np.fft.irfft(np.fft.rfft(loop) * np.fft.rfft(walls), LOOP)))


def _babble(rng: Random) -> Samples:
    """Return twelve people, less dulled, and nothing else."""
    return _voices(rng, 12, below_hz=2500)


def _voices(rng: Random, people: int, *, below_hz: float, every_s: float = 0.3) -> Samples:
    """Return people who talk across each other: the lab's own recordings, shifted, at several distances."""
    loop, pieces = np.zeros(LOOP), words()
    for _ in range(people):
        place, distance = int(rng.integers(LOOP)), rng.uniform(0.3, 1)
        end = place + LOOP
        while place < end:
            samples = pieces[rng.integers(len(pieces))].samples
            loop[np.arange(place, place + len(samples)) % LOOP] += distance * samples
            place += len(samples) + int(rng.exponential(every_s) * RATE)
    spectrum = np.fft.rfft(loop)
    spectrum /= np.sqrt(1 + (hz_of(LOOP) / below_hz) ** 4)
    return at_unity(np.asarray(np.fft.irfft(spectrum, LOOP)))


_MAKERS: Final[dict[Noise, Callable[[Random], Samples]]] = {
    "line": _line,
    "hum": _hum,
    "office": _office,
    "babble": _babble,
    "street": _street,
}

# ---------------------------------------------------------------- hold music

TUNES: Final = 4


def music(length: int, rng: Random) -> Samples:
    """Return so many samples of hold music, from the beginning of a tune, with an RMS of 1."""
    return at_unity(_from(_tune_on_the_line(int(rng.integers(TUNES))), 0, length))


@cache
def _tune_on_the_line(number: int) -> Samples:
    return at_unity(loop_on_the_line(tune(number)))


# ---------------------------------------------------------------- coughs, clicks, keys

COUGH_POINTS: Final = ((0.0, 0.0), (0.03, 1.0), (0.22, 0.25), (0.5, 0.3), (0.62, 0.45), (1.0, 0.0))
"""How loud a cough is over its length: the burst, what is blown out after it, and the glottis as it closes again."""

KEYS: Final = "123A456B789C*0#D"
ROWS_HZ: Final = (697, 770, 852, 941)
COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)
"""ITU-T Q.23."""

KEY_FADE: Final = 5 * RATE // 1000
"""Samples: the tones of a key begin and end within 5 ms, as Q.24 has it."""


def cough(rng: Random) -> Samples:
    """Return one cough of 250 to 450 ms: no voice, but a mouth that colours it."""
    length = int(rng.uniform(0.25, 0.45) * RATE)
    times, loud = zip(*COUGH_POINTS, strict=True)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = hz_of(length)
    colour = 0.15 + sum(np.exp(-(((hz - peak) / 250) ** 2)) for peak in rng.uniform((500, 1200), (800, 1800)))
    air = np.fft.irfft(spectrum * colour, length)
    return at_unity(on_the_line(air * np.interp(np.arange(length) / length, times, loud)))


def click(rng: Random) -> Samples:
    """Return one click of 10 to 30 ms: contact, and a decay of a few ms."""
    length = int(rng.uniform(0.01, 0.03) * RATE)
    decay = np.exp(-np.arange(length) / (rng.uniform(0.001, 0.004) * RATE))
    return at_unity(on_the_line(rng.standard_normal(length) * decay))


def key(name: str, ms: int) -> Samples:
    """Return the two tones of a telephone's key, for so long."""
    row, column = divmod(KEYS.index(name), len(COLUMNS_HZ))
    times = np.arange(ms * RATE // 1000) / RATE
    tones = sum(np.sin(2 * np.pi * hz * times) for hz in (ROWS_HZ[row], COLUMNS_HZ[column]))
    edge = np.minimum(1, np.minimum(np.arange(len(times)), np.arange(len(times))[::-1]) / KEY_FADE)
    return at_unity(np.asarray(tones * edge))
