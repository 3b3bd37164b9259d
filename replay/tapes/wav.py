"""A tape as a file of sound: stereo, the caller on the left, the agent on the right as the caller heard it."""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.heart.audio import to_pcm16
from bridge.store.line_sound import Sound, sound_of_lines
from bridge.tapes.reader import Tape
from bridge.tapes.tape import decode
from replay.tapes.beside import written_beside

RATE: Final = 8000
BLOCK: Final = RATE
"""Samples decoded at a time: one second, so that an hour of call needs no hour of samples in memory."""


def sound_of(tape: Tape) -> Sound:
    """Return what was on the line; empty when the call had no media stream. Raises `TapeError`."""
    return sound_of_lines(map(decode, tape.lines), tape.header.agent_settings().clips)


def write_wav(tape: Tape, path: Path) -> None:
    """Write a call's sound as a stereo WAV of 16 bits at 8 kHz. Raises `TapeError` and `OSError`."""
    sound = sound_of(tape)
    # A file opened by us: `wave` trips over one that it can't open, and says so on standard error.
    with written_beside(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for block in _stereo(sound):
            file.writeframes(block)


def _stereo(sound: Sound) -> Iterator[bytes]:
    for start in range(0, len(sound.caller), BLOCK):
        left = to_pcm16(sound.caller[start : start + BLOCK])
        right = to_pcm16(sound.agent[start : start + BLOCK])
        both = bytearray(len(left) * 2)
        both[0::4], both[1::4] = left[0::2], left[1::2]
        both[2::4], both[3::4] = right[0::2], right[1::2]
        yield bytes(both)
