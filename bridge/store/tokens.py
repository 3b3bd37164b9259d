"""How many tokens of each price class an answer took, as the server tells with it. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

TOKEN_CLASSES: Final = ("text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out")

MOST_TOKENS: Final = 1_000_000
"""Of one response: several times what any model can read."""


def tokens_of(usage: Mapping[str, Any]) -> Counter[str]:
    """Return an answer's tokens by class. What is no usage raises `AttributeError`, `TypeError` or `ValueError`."""
    into = usage.get("input_token_details") or {}
    cached = into.get("cached_tokens_details") or {}
    out = usage.get("output_token_details") or {}
    return Counter(
        text_in=_count(into.get("text_tokens")),
        text_cached=_count(cached.get("text_tokens")),
        text_out=_count(out.get("text_tokens")),
        audio_in=_count(into.get("audio_tokens")),
        audio_cached=_count(cached.get("audio_tokens")),
        audio_out=_count(out.get("audio_tokens")),
    )


def _count(tokens: Any) -> int:
    """Return how many tokens of a class one response took."""
    count = int(tokens or 0)
    if not 0 <= count <= MOST_TOKENS:
        raise ValueError
    return count
