"""The formats a client may ask for, against the µ-law at 8 kHz in which the stand-in hears and speaks.

Resampling is by straight lines, without filters: it is for clients, not for listeners.
"""

import functools
import random
import struct
from collections.abc import Callable

import attrs

from bridge.heart.audio import SILENCE, bytes_of
from bridge.sound.g711 import ALAW, LINEAR, nearest_code, ulaw_of

Recode = Callable[[bytes], bytes]

_RATIO = 3  # samples of audio/pcm, which the service only has at 24 kHz, for one of 8 kHz
_PCM_BYTES = 2 * _RATIO
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


@functools.cache
def _alaw_to_ulaw() -> bytes:
    return ulaw_of(ALAW)


@functools.cache
def _ulaw_to_alaw() -> bytes:
    codes = {sample: code for code, sample in enumerate(ALAW)}
    return bytes(nearest_code(codes, LINEAR[code]) for code in range(256))
