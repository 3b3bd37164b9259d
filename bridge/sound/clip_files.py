"""A sound file that is played to callers as it stands: read, checked, and put into the µ-law of a telephone line."""

from pathlib import Path
from typing import Final

from bridge.errors import BridgeError
from bridge.sound.g711 import LINEAR, ulaw_of
from bridge.sound.wave_file import WaveError, read_wave

RATE: Final = 8000
LEAST_MS, MOST_MS = 100, 10_000
"""It stands in the settings that each tape begins with, so ten seconds are 107 kB of every call's."""

MOST_FILE_BYTES: Final = 4_000_000
"""Ten seconds of one channel at 96 kHz and 32 bits; what is larger is another file than was meant."""

AUDIBLE: Final = 1000
"""Of 32 767: a clip without one sample as loud, at -30 dB, is heard by nobody."""

BARE: Final = (".ulaw", ".ul", ".pcmu")


class ClipError(BridgeError):
    """A file can't be played to callers; the message says why, and what makes one that can."""


def read_clip(path: Path) -> bytes:
    """Return a clip as µ-law. Raises `ClipError`."""
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise ClipError(
                f"{path} has more than {MOST_FILE_BYTES // 10**6} MB: use up to {MOST_MS // 1000} s of sound"
            )
        sound = path.read_bytes() if path.suffix.lower() in BARE else _of_wave(path)
    except OSError as error:
        raise ClipError(f"{path} can't be read: {error.strerror or error}") from None
    ms = len(sound) * 1000 // RATE
    if not LEAST_MS <= ms <= MOST_MS:
        raise ClipError(f"{path} lasts {ms} ms: use {LEAST_MS} ms to {MOST_MS // 1000} s")
    if max(abs(LINEAR[code]) for code in set(sound)) < AUDIBLE:
        raise ClipError(f"{path} can't be heard: nothing in it is as loud as a quiet voice")
    return sound


def _of_wave(path: Path) -> bytes:
    try:
        return ulaw_of(read_wave(path, channels=1, rate=RATE).channels[0])
    except WaveError as error:
        raise ClipError(str(error)) from None
