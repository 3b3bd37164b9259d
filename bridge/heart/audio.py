"""G.711 µ-law arithmetic for 8 kHz mono telephone audio: lengths, silence, decoding. It resamples nothing."""

import struct
from typing import Final

from bridge.sound.g711 import LINEAR

AUDIO_FORMAT: Final = "audio/pcmu"
"""Its name among media types: what the model is to hear and speak."""

BYTES_PER_MS: Final = 8
"""8 000 samples a second, one byte each: what Twilio sends and takes, and what the model is asked for."""

FRAME_BYTES: Final = 160
"""One Twilio media frame: 20 ms."""

SILENCE: Final = b"\xff"
"""µ-law positive zero."""


def ms_of(audio_bytes: int) -> int:
    """Return the whole milliseconds that many bytes last."""
    return audio_bytes // BYTES_PER_MS


def bytes_of(ms: int) -> int:
    """Return the bytes of audio that last so many milliseconds."""
    return ms * BYTES_PER_MS


def silence(ms: int) -> bytes:
    """Return that many milliseconds of µ-law silence."""
    return SILENCE * bytes_of(ms)


QUIET: Final = bytes([*range(0x78, 0x80), *range(0xF8, 0x100)])
"""µ-law codes below -54 dB of full scale: nobody hears them on a telephone."""


def is_audible(audio: bytes) -> bool:
    """Say whether somebody would hear this: more than a tenth of it is louder than a quiet line."""
    return len(audio.translate(None, QUIET)) * 10 > len(audio)


PAUSE_BYTES: Final = 120 * BYTES_PER_MS
"""Between words; within one, before a hard consonant, a voice stops for shorter than that."""


def next_pause(audio: bytes) -> int | None:
    """Return how many bytes there are before the first pause between words, and of its beginning; None without one."""
    quiet = 0
    for start in range(0, len(audio), FRAME_BYTES):
        quiet = 0 if is_audible(audio[start : start + FRAME_BYTES]) else quiet + FRAME_BYTES
        if quiet >= PAUSE_BYTES:
            return start + FRAME_BYTES
    return None


SENTENCE_PAUSE_BYTES: Final = 300 * BYTES_PER_MS
"""Between sentences; within one people stop for shorter than that, unless they look for a word."""


def start_of_words(audio: bytes) -> int:
    """Return where the words begin that this sound breaks off in: behind its last pause; its end if there is none."""
    place = behind_pause(audio, PAUSE_BYTES)
    return len(audio) if place is None else place


def behind_pause(audio: bytes, pause_bytes: int) -> int | None:
    """Return where the voice goes on after the last pause of at least that length; None if there is none."""
    quiet = 0
    for end in range(len(audio), 0, -FRAME_BYTES):
        frame = audio[max(0, end - FRAME_BYTES) : end]
        quiet = 0 if is_audible(frame) else quiet + len(frame)
        if quiet >= pause_bytes:
            return end - len(frame) + quiet
    return None


def to_pcm16(ulaw: bytes) -> bytes:
    """Decode µ-law bytes to little-endian 16-bit PCM of the same rate."""
    return struct.pack(f"<{len(ulaw)}h", *map(LINEAR.__getitem__, ulaw))
