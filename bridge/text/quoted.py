"""A text as JSON has it, for messages and lines that are put together of pieces. Pure."""

from functools import lru_cache
from typing import Final

import msgspec

MOST_KEPT: Final = 1024
"""Ids of streams and items, of which every live call has a few; each is asked for up to fifty times a second."""

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=MOST_KEPT)
def quoted(text: str) -> str:
    """Return a text in quotes and with its escapes, as it stands in JSON.

    >>> print(quoted('an "id"'))
    "an \\"id\\""
    """
    return _encode(text).decode("utf-8")
