"""G.711: µ-law and A-law codes as signed 16-bit samples, and samples as µ-law. Pure."""

import functools
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

_BUCKET: Final = 4  # µ-law's finest step is 8, so a table of every fourth sample loses nothing


def _ulaw_sample(code: int) -> int:
    """Decode one µ-law code to a signed 16-bit sample (ITU-T G.711, table 2)."""
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw_sample(code: int) -> int:
    """Decode one A-law code to a signed 16-bit sample (ITU-T G.711, table 1)."""
    code ^= 0x55
    exponent = code >> 4 & 7
    magnitude = ((code & 0x0F) << 4) + (0x108 if exponent else 8)
    magnitude <<= max(0, exponent - 1)
    return magnitude if code & 0x80 else -magnitude


LINEAR: Final = tuple(_ulaw_sample(code) for code in range(256))
"""The signed 16-bit sample of every µ-law code."""

ALAW: Final = tuple(_alaw_sample(code) for code in range(256))
"""The signed 16-bit sample of every A-law code."""


def ulaw_of(samples: Sequence[int]) -> bytes:
    """Return 16-bit samples as µ-law of the same rate."""
    codes = _ulaw_codes()
    return bytes(codes[(sample + 32768) // _BUCKET] for sample in samples)


@functools.cache
def _ulaw_codes() -> bytes:
    codes = {LINEAR[code]: code for code in range(256)}  # of the two zeros the positive one, which is silence
    return bytes(nearest_code(codes, sample) for sample in range(-32768, 32768, _BUCKET))


def nearest_code(codes: dict[int, int], sample: int) -> int:
    """Return the code whose sample is nearest to this one, of codes by their samples."""
    known = sorted(codes)
    at = bisect_left(known, sample)
    return codes[min(known[max(0, at - 1) : at + 1], key=lambda one: abs(one - sample))]
