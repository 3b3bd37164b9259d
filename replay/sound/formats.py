"""The formats a client may ask for, against the µ-law at 8 kHz in which the stand-in hears and speaks.

Resampling is by straight lines, without filters: it is for clients, not for listeners.
"""

import functools
import random
import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence

import attrs

from bridge.heart.audio import LINEAR, SILENCE, bytes_of

Recode = Callable[[bytes], bytes]

_RATIO = 3  # samples of audio/pcm, which the service only has at 24 kHz, for one of 8 kHz
_PCM_BYTES = 2 * _RATIO
_BUCKET = 4  # µ-law's finest step is 8, so a table of every fourth sample loses nothing
_SYLLABLE_MS = 200
_PAUSE_MS = 40
_LOUDNESS = range(300, 3000)  # samples; about -30 dBFS together, which the ears take for speech


def decoder(kind: str) -> Recode:
    """What turns audio of that format, piece by piece, into µ-law."""
    return {"audio/pcm": _Downsampler().take, "audio/pcma": _from_alaw}.get(kind, _same)


def encoder(kind: str) -> Recode:
    """What turns µ-law, piece by piece, into audio of that format."""
    return {"audio/pcm": _Upsampler().take, "audio/pcma": _to_alaw}.get(kind, _same)


@functools.cache
def murmur(ms: int) -> bytes:
    """Speech without words or tones: that many milliseconds of µ-law noise in syllables, always the same."""
    codes = [code for code in range(256) if abs(LINEAR[code]) in _LOUDNESS]
    noise = bytes(random.Random(ms).choices(codes, k=bytes_of(ms)))
    voiced, syllable = bytes_of(_SYLLABLE_MS - _PAUSE_MS), bytes_of(_SYLLABLE_MS)
    cut = (noise[at : at + voiced].ljust(syllable, SILENCE) for at in range(0, len(noise), syllable))
    return b"".join(cut)[: len(noise)]


def ulaw_of(samples: Sequence[int]) -> bytes:
    """16-bit samples as µ-law of the same rate."""
    codes = _ulaw_codes()
    return bytes(codes[(sample + 32768) // _BUCKET] for sample in samples)


@attrs.define
class _Downsampler:
    """What does not fill a sample of 8 kHz waits for the next piece."""

    _rest: bytes = b""

    def take(self, pcm: bytes) -> bytes:
        data = self._rest + pcm
        whole = len(data) - len(data) % _PCM_BYTES
        self._rest = data[whole:]
        samples = struct.unpack(f"<{whole // 2}h", data[:whole])
        triples = (samples[part::_RATIO] for part in range(_RATIO))
        return ulaw_of([sum(triple) // _RATIO for triple in zip(*triples, strict=True)])


@attrs.define
class _Upsampler:
    """Each piece goes on from the last sample of the one before."""

    _last: int = 0

    def take(self, ulaw: bytes) -> bytes:
        samples: list[int] = []
        for now in map(LINEAR.__getitem__, ulaw):
            rise = now - self._last
            samples += (self._last + rise // 3, self._last + 2 * rise // 3, now)
            self._last = now
        return struct.pack(f"<{len(samples)}h", *samples)


def _same(audio: bytes) -> bytes:
    return audio


def _from_alaw(audio: bytes) -> bytes:
    return audio.translate(_alaw_to_ulaw())


def _to_alaw(audio: bytes) -> bytes:
    return audio.translate(_ulaw_to_alaw())


def _alaw_sample(code: int) -> int:
    """Decode one A-law code to a signed 16-bit sample (ITU-T G.711, table 1)."""
    code ^= 0x55
    exponent = code >> 4 & 7
    magnitude = ((code & 0x0F) << 4) + (0x108 if exponent else 8)
    magnitude <<= max(0, exponent - 1)
    return magnitude if code & 0x80 else -magnitude


ALAW = tuple(_alaw_sample(code) for code in range(256))  # the signed 16-bit sample of every A-law code


@functools.cache
def _alaw_to_ulaw() -> bytes:
    return ulaw_of(ALAW)


@functools.cache
def _ulaw_to_alaw() -> bytes:
    codes = {sample: code for code, sample in enumerate(ALAW)}
    return bytes(_nearest(codes, LINEAR[code]) for code in range(256))


@functools.cache
def _ulaw_codes() -> bytes:
    codes = {LINEAR[code]: code for code in range(256)}  # of the two zeros the positive one, which is silence
    return bytes(_nearest(codes, sample) for sample in range(-32768, 32768, _BUCKET))


def _nearest(codes: dict[int, int], sample: int) -> int:
    known = sorted(codes)
    at = bisect_left(known, sample)
    return codes[min(known[max(0, at - 1) : at + 1], key=lambda one: abs(one - sample))]
