"""A call's sound as a file that browsers play: stereo, µ-law, as it was on the line; it begins with the call. Pure."""

import struct
from collections.abc import Iterator
from typing import Final

from attrs import define

from bridge.heart.audio import SILENCE, bytes_of
from bridge.store.line_sound import Listener
from bridge.store.peaks import PEAK_MS, WINDOW

RATE: Final = 8000
CHANNELS: Final = 2
MU_LAW: Final = 7
"""The format's tag, of RFC 2361."""

HEAD: Final = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
LATE_MS: Final = 15_000
"""What is so long ago is written, for somebody waits to hear it. A frame that comes later still makes the file anew."""


@define
class SoundFile:
    """Told how long a call was, and what was on its line until now, it gives the file piece by piece."""

    listener: Listener
    length_ms: int
    _given: int = 0

    @property
    def size(self) -> int:
        """Return the bytes of each side: whole windows of the waveform, as the page has them, and one to spare.

        The last frame's place may be a little behind the call's last line, and who plays the file knows its length.
        """
        return (-(-bytes_of(self.length_ms) // WINDOW) + 1) * WINDOW

    def head(self) -> bytes:
        """Return what stands before the sound."""
        return head_of(self.size, CHANNELS)

    def settled(self, t_ms: int) -> bytes:
        """Return what has come to be since it was asked before, at this moment of the call."""
        begin, self._given = self._given, max(self._given, min(bytes_of(t_ms - LATE_MS), self.size))
        return self._between(begin, self._given)

    def whole(self) -> Iterator[bytes]:
        """Yield the whole file, now that all of it is known; it is as long as what was on the line at least."""
        behind = self._zero + max(len(self.listener.caller), len(self.listener.agent))
        self.length_ms = max(self.length_ms, -(-behind * 1000 // RATE) - PEAK_MS)
        yield self.head()
        for begin in range(0, self.size, RATE):
            yield self._between(begin, min(begin + RATE, self.size))

    @property
    def _zero(self) -> int:
        """Return the byte at which the first stream began."""
        return bytes_of(self.listener.begins_ms)

    def _between(self, begin: int, end: int) -> bytes:
        both = bytearray(CHANNELS * (end - begin))
        for channel, side in enumerate((self.listener.caller, self.listener.agent)):
            before = min(max(0, self._zero - begin), end - begin)
            heard = side[max(0, begin - self._zero) : max(0, end - self._zero)]
            both[channel::2] = (SILENCE * before + heard).ljust(end - begin, SILENCE)
        return bytes(both)


def head_of(samples: int, channels: int) -> bytes:
    """Return what stands before so many samples of each channel."""
    size = channels * samples
    return HEAD.pack(
        b"RIFF", HEAD.size - 8 + size, b"WAVE", b"fmt ", 18, MU_LAW, channels, RATE, RATE * channels, channels, 8, 0,
        b"fact", 4, samples, b"data", size,
    )  # fmt: skip


def size_in(head: bytes) -> int:
    """Return how long a file of this head is once it is whole; 0 while there is not enough of it."""
    return HEAD.size + int(HEAD.unpack_from(head)[-1]) if len(head) >= HEAD.size else 0
