"""A call's sound as a file that browsers play: stereo, µ-law, as it was on the line; it begins with the call. Pure."""

import struct
from typing import Final

from bridge.heart.audio import SILENCE, bytes_of
from bridge.store.line_sound import Sound

RATE: Final = 8000
CHANNELS: Final = 2
MU_LAW: Final = 7
"""The format's tag, of RFC 2361."""

HEAD: Final = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")


def wave_of(sound: Sound, length_ms: int) -> bytes:
    """Return a WAV file of a sound from the call's first moment on, with the caller on the left."""
    size = max(bytes_of(length_ms), len(sound.caller))
    both = bytearray(CHANNELS * size)
    both[0::2], both[1::2] = sound.caller.ljust(size, SILENCE), sound.agent.ljust(size, SILENCE)
    return _head(size) + both


def _head(samples: int) -> bytes:
    size = CHANNELS * samples
    return HEAD.pack(
        b"RIFF", HEAD.size - 8 + size, b"WAVE", b"fmt ", 18, MU_LAW, CHANNELS, RATE, RATE * CHANNELS, CHANNELS, 8, 0,
        b"fact", 4, samples, b"data", size,
    )  # fmt: skip
