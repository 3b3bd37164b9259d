"""The tones of a telephone network as µ-law: ringing, the beep of a voicemail, keys, and music to wait by."""

import functools
import math

from bridge.heart.audio import SILENCE
from bridge.sound.g711 import ulaw_of

RATE = 8000
FRAME_BYTES = 160
LOUDNESS = 4000
KEY_MS = KEY_PAUSE_MS = 100

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"


@functools.cache
def tone(ms: int, *frequencies: int) -> bytes:
    """A sound of these frequencies, in whole frames."""
    samples = [
        round(sum(math.sin(2 * math.pi * hertz * index / RATE) for hertz in frequencies) * LOUDNESS)
        for index in range(ms * RATE // 1000)
    ]
    audio = ulaw_of(samples)
    return audio + SILENCE * (-len(audio) % FRAME_BYTES)


@functools.cache
def ringing() -> bytes:
    """A second of ringing in four."""
    ring = tone(1000, 440, 480)
    return ring + SILENCE * (3 * len(ring))


@functools.cache
def beep() -> bytes:
    """The tone after which a message is spoken."""
    return tone(400, 1000)


@functools.cache
def key(digit: str) -> bytes:
    """The two tones of a key."""
    row, column = divmod(KEYS.index(digit.upper()), 4)
    return tone(KEY_MS, ROWS[row], COLUMNS[column])


@functools.cache
def music() -> bytes:
    """Three notes, again and again, for whoever waits in a queue."""
    return b"".join(tone(400, hertz) for hertz in (523, 659, 784, 659))
