"""Arithmetic of telephone sound in numpy: µ-law, levels, the band of a phone line, what of a sound is audible. Pure.

Samples are float64 from -1 to 1 at 8 kHz. float64, and no library for anything that a composed call is made of: so
the last bit of a sum, which may differ between processors, is nowhere near a step of µ-law.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.heart.audio import BYTES_PER_MS
from bridge.sound.g711 import LINEAR

RATE: Final = 8000
FULL_SCALE: Final = 32768

LOW_HZ, HIGH_HZ = 300, 3400
"""The band of a telephone line, where the filter is 3 dB down."""

STEEPNESS: Final = 8
"""Twice the order of the Butterworth slopes at both ends: 24 dB an octave, what a line card's filter has at least."""

EDGE_MS: Final = 20
"""Silence round a sound while it is filtered, for what the filter adds before and after it."""

FRAME_MS: Final = 10
FRAME: Final = FRAME_MS * BYTES_PER_MS
AUDIBLE_DB: Final = 30
"""A frame of 10 ms is audible if it is within so many dB of the recording's loudest frame. The quietest phonemes, as
the f in "four", are about 30 dB below a stressed vowel; breath and room are further down."""

Samples: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

_SAMPLE: Final[Samples] = np.array(LINEAR, dtype=np.float64) / FULL_SCALE


def _nearest_codes() -> NDArray[np.uint8]:
    """Return the code of every 16-bit sample, in the order of the same bits without a sign."""
    codes = {sample: code for code, sample in enumerate(LINEAR)}  # of the two zeros the positive one: silence
    known = np.array(sorted(codes))
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.float64)
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, samples)
    return np.array([codes[int(sample)] for sample in known], dtype=np.uint8)[nearest]


_CODES: Final = _nearest_codes()


def samples_of(ulaw: bytes) -> Samples:
    """Return the samples of µ-law, one a byte."""
    return _SAMPLE[np.frombuffer(ulaw, dtype=np.uint8)]


def ulaw_of(samples: Samples) -> bytes:
    """Return samples as µ-law, one byte each; what is too loud is cut off, as on a line."""
    whole = samples * FULL_SCALE
    np.rint(whole, out=whole)
    np.clip(whole, -FULL_SCALE, FULL_SCALE - 1, out=whole)
    return _CODES[whole.astype(np.int16).view(np.uint16)].tobytes()


def gain_of(db: float) -> float:
    """Return the factor that so many dB are."""
    return float(10 ** (db / 20))


def rms(samples: Samples) -> float:
    """Return the root of the mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def level_db(samples: Samples) -> float:
    """Return the level in dBFS: 0 is the RMS of a square wave at full scale."""
    return float(20 * np.log10(max(rms(samples), 1e-9)))


def at_unity(samples: Samples) -> Samples:
    """Return the samples with an RMS of 1; silence as it is."""
    level = rms(samples)
    return samples / level if level else samples


def hz_of(length: int) -> Samples:
    """Return the frequencies of a real transform of so many samples."""
    return np.arange(length // 2 + 1, dtype=np.float64) * np.float64(RATE / length)


def line_response(hz: Samples) -> Samples:
    """Return what a telephone line leaves of each frequency, from 0 to 1."""
    low = (LOW_HZ / np.maximum(hz, 1.0)) ** STEEPNESS
    high = (hz / HIGH_HZ) ** STEEPNESS
    return np.asarray(1 / np.sqrt((1 + low) * (1 + high)))


def on_the_line(samples: Samples) -> Samples:
    """Return a sound as it comes out of a telephone line: as long as before, and not later."""
    edge = EDGE_MS * BYTES_PER_MS
    length = 1 << (len(samples) + 2 * edge - 1).bit_length()
    spectrum = np.fft.rfft(samples, length) * line_response(hz_of(length))
    return np.asarray(np.fft.irfft(spectrum, length)[: len(samples)])


def loop_on_the_line(samples: Samples) -> Samples:
    """Return a loop as it comes out of a telephone line: its end still goes over into its beginning."""
    spectrum = np.fft.rfft(samples) * line_response(hz_of(len(samples)))
    return np.asarray(np.fft.irfft(spectrum, len(samples)))


def audible_frames(samples: Samples) -> Bools:
    """Return for each whole frame of 10 ms whether it is audible: within 30 dB of the loudest."""
    power = np.mean(np.square(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)), axis=1)
    loudest = float(power.max(initial=0.0))
    return np.asarray((power > loudest * gain_of(-AUDIBLE_DB) ** 2) & (loudest > 0))


def spoken_level(samples: Samples) -> float:
    """Return the RMS of the audible frames: how loud somebody speaks, whatever the pauses are."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return rms(frames[audible_frames(samples)].ravel())
