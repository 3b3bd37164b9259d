"""The waveform of a call: how loud each side was, twenty-five times a second. Pure."""

from typing import Final

from bridge.heart.audio import SILENCE, bytes_of
from bridge.sound.g711 import LINEAR
from bridge.store.line_sound import Sound

PEAK_MS: Final = 40
"""A word is some two hundred; at a thousand pixels a call of forty seconds has one a pixel."""

WINDOW: Final = bytes_of(PEAK_MS)
_QUIET: Final = SILENCE * WINDOW
_LOUDNESS: Final = bytes(round((abs(sample) / 32124) ** 0.5 * 255) for sample in LINEAR)
"""By µ-law code, from 0 to 255; by its root, so that quiet callers can be seen."""


def peaks_of(sound: Sound) -> tuple[bytes, bytes]:
    """Return the caller's peaks and the agent's, a byte each, from the beginning of the sound."""
    return _peaks(sound.caller), _peaks(sound.agent)


def _peaks(audio: bytes) -> bytes:
    loud = audio.translate(_LOUDNESS)
    return bytes(
        0 if audio[at : at + WINDOW] == _QUIET else max(loud[at : at + WINDOW])
        for at in range(0, len(audio), WINDOW)
    )
