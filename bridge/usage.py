"""What a call has taken of its models so far, as the server tells with each answer and each transcript, and what that
costs. The heart and the records count with it alike. Pure.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from bridge.prices import Prices

TOKEN_CLASSES: Final = ("text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out")

MOST_TOKENS: Final = 1_000_000
"""Of one response: several times what any model can read."""

MOST_IN_ALL: Final = 2**31 - 1
MOST_TRANSCRIBED_SECONDS: Final = 86_400.0
MOST_TRANSCRIBED_TOKENS: Final = 100_000_000


@define
class Transcribed:
    """One call's sum: some transcription models count seconds, some tokens."""

    seconds: float = 0.0
    in_tokens: int = 0
    out_tokens: int = 0
    is_whole: bool = True
    """Whether each transcript came with what it took."""

    def add(self, usage: Any) -> None:
        """Take account of one transcript; numbers that can't be are as good as none."""
        told = usage if isinstance(usage, Mapping) else {}
        kind = told.get("type")
        seconds, counts = _number(told.get("seconds"), MOST_TRANSCRIBED_SECONDS), _tokens(told)
        if kind == "duration" and seconds is not None:
            self.seconds = min(self.seconds + seconds, MOST_TRANSCRIBED_SECONDS)
        elif kind == "tokens" and None not in counts:
            self.in_tokens += int(counts[0] or 0)
            self.out_tokens += int(counts[1] or 0)
        else:
            self.is_whole = False


@define
class Spent:
    """What one call has cost so far, by the prices that it began with."""

    prices: Prices
    tokens: Counter[str] = field(factory=Counter)
    transcribed: Transcribed = field(factory=Transcribed)

    def add_response(self, usage: Any) -> bool:
        """Take account of an answer; False for what is no usage, or more than can be."""
        try:
            tokens = self.tokens + _tokens_of(usage or {})
        except (AttributeError, TypeError, ValueError):
            return False
        if tokens and max(tokens.values()) > MOST_IN_ALL:
            return False
        self.tokens = tokens
        return True

    @property
    def model_usd(self) -> float | None:
        """Return what the answers cost; None for a model without a price."""
        return self.prices.tokens_usd({name: self.tokens[name] for name in TOKEN_CLASSES})

    @property
    def transcription_usd(self) -> float | None:
        """Return what it cost to write down the caller's words; None where something of it has no price."""
        took = self.transcribed
        if took.is_whole and not (took.seconds or took.in_tokens or took.out_tokens):
            return 0.0
        is_priced = took.is_whole and not (took.in_tokens or took.out_tokens)  # no price by tokens is known
        return self.prices.transcription_usd(took.seconds) if is_priced else None

    @property
    def usd(self) -> float:
        """Return what is known to have been spent: what has no price is left out."""
        return round((self.model_usd or 0.0) + (self.transcription_usd or 0.0), 6)

    @property
    def without(self) -> str:
        """Return what of it has no price, in words; empty when nothing is left out."""
        costs = (("the model", self.model_usd), ("transcription", self.transcription_usd))
        return " and ".join(name for name, usd in costs if usd is None)


def _tokens_of(usage: Mapping[str, Any]) -> Counter[str]:
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


def _number(value: Any, most: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= most else None


def _tokens(told: Mapping[str, Any]) -> tuple[float | None, float | None]:
    most = MOST_TRANSCRIBED_TOKENS
    return _number(told.get("input_tokens"), most), _number(told.get("output_tokens"), most)
