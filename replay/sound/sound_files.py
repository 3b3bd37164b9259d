"""Sound files for the phone stand-in: what a caller says out of a file, and a call into one. 8 kHz, nothing else."""

import io
import wave
from array import array
from pathlib import Path
from typing import Final

from bridge.errors import BridgeError
from bridge.heart.audio import to_pcm16
from bridge.sound.wave_file import WaveError, read_wave

RATE: Final = 8000
MAX_SECONDS: Final = 600
MAX_BYTES: Final = MAX_SECONDS * RATE
BIAS: Final = 0x84
LOUDEST: Final = 32_635
"""The largest sample that µ-law can tell from its neighbours; louder ones are cut to it."""


class SoundError(BridgeError):
    """A file can't be used as the caller's voice."""


def read_voice(path: Path) -> bytes:
    """Return a .ulaw file as it is, or an 8 kHz mono .wav as µ-law. Raises `SoundError`."""
    try:
        audio = _from_wav(path) if path.suffix.lower() == ".wav" else path.read_bytes()
    except OSError as error:
        raise SoundError(f"{path} can't be read: {error.strerror or error}") from error
    if not audio or len(audio) > MAX_BYTES:
        raise SoundError(f"{path} lasts {len(audio) // RATE} s: use up to {MAX_SECONDS} s of sound")
    return audio


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Write two µ-law sounds that begin together as a stereo WAV of 16 bits. Raises `OSError`."""
    length = max(len(left), len(right))
    both = array("h", bytes(4 * length))
    both[0::2] = array("h", to_pcm16(left.ljust(length, b"\xff")))
    both[1::2] = array("h", to_pcm16(right.ljust(length, b"\xff")))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(both.tobytes())


def wav_of(audio: bytes) -> bytes:
    """Return a µ-law sound as a WAV file of 16 bits, one channel."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(to_pcm16(audio))
    return content.getvalue()


def to_ulaw(samples: "array[int]") -> bytes:
    """Encode 16-bit samples as µ-law (ITU-T G.711)."""
    return bytes(map(_code, samples))


def _from_wav(path: Path) -> bytes:
    try:
        sound = read_wave(path, channels=1, rate=RATE)
    except WaveError as error:
        raise SoundError(str(error)) from error
    return to_ulaw(sound.channels[0][: MAX_BYTES + 1])


def _code(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), LOUDEST) + BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF
