"""How long a server asks to be left alone before it is asked again: from its words, or from a header. Pure."""

import re
from math import ceil
from typing import Final

LONGEST_MS: Final = 3_600_000
"""Whoever asks for more is taken to ask for an hour."""

UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_SPAN: Final = r"\d{1,9}(?:\.\d{1,9})?\s?(?:ms|h|m|s)[a-z]*"
_PHRASE: Final = re.compile(rf"(?:try again|retry) (?:in|after) ((?:{_SPAN}\s?)+)", re.IGNORECASE)
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?(ms|h|m|s)", re.IGNORECASE)
_HEADER: Final = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*")


def retry_after_ms(words: str) -> int | None:
    """Return the pause in "try again in 1m2.5s", or in the seconds of a `Retry-After` header; None if there is none.

    A header that gives a date needs a clock to be understood, and gives none here.
    """
    if header := _HEADER.fullmatch(words[:40]):
        return _bounded(float(header[1]) * 1000)
    if phrase := _PHRASE.search(words):
        return _bounded(sum(float(part[1]) * UNITS_MS[part[2].lower()] for part in _PART.finditer(phrase[1])))
    return None


def _bounded(ms: float) -> int:
    return min(ceil(ms), LONGEST_MS)
