"""A call's sound as a file that browsers play: stereo, µ-law, as it was on the line; it begins with the call. Pure."""

import struct
from collections.abc import Callable
from typing import Final

RATE: Final = 8000
CHANNELS: Final = 2
MU_LAW: Final = 7
"""The format's tag, of RFC 2361."""

HEAD: Final = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")


def head_of(samples: int, channels: int) -> bytes:
    """Return what stands before so many samples of each channel."""
    size = channels * samples
    return HEAD.pack(
        b"RIFF", HEAD.size - 8 + size, b"WAVE", b"fmt ", 18, MU_LAW, channels, RATE, RATE * channels, channels, 8, 0,
        b"fact", 4, samples, b"data", size,
    )  # fmt: skip


def size_of(samples: int) -> int:
    """Return how many bytes a file has of so many samples of both sides."""
    return HEAD.size + CHANNELS * samples


def part_of_file(samples: int, first: int, most: int, both: Callable[[int, int], bytes]) -> bytes:
    """Return bytes of the file that has so many samples of each side, from byte `first` on, at most so many.

    `both` gives the sides from one sample to another, interleaved; it is asked for no more than is wanted.

    >>> part_of_file(4, HEAD.size + 1, 3, lambda begin, end: b"aA bB cC dD".replace(b" ", b"")[2 * begin : 2 * end])
    b'AbB'
    """
    behind = min(first + most, size_of(samples))
    head = head_of(samples, CHANNELS)[first:behind]
    begin, end = max(0, first - HEAD.size), behind - HEAD.size
    if end <= begin:
        return head
    whole = both(begin // CHANNELS, -(-end // CHANNELS))
    return head + whole[begin % CHANNELS :][: end - begin]
