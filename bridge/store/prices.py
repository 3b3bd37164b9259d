"""What tokens and seconds cost, as published on the models' own pages, read on the date below."""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

READ_ON: Final = "2026-11-01"


@frozen
class Price:
    """USD per million tokens of one model."""

    text_in: float
    text_cached: float
    text_out: float
    audio_in: float
    audio_cached: float
    audio_out: float


PRICES: Final[Mapping[str, Price]] = {
    "gpt-realtime-2.1": Price(4, 0.40, 24, 32, 0.40, 64),
    "gpt-realtime-2": Price(4, 0.40, 24, 32, 0.40, 64),
    "gpt-realtime-2.1-mini": Price(0.60, 0.06, 2.40, 10, 0.30, 20),
    "gpt-realtime-1.5": Price(4, 0.40, 16, 32, 0.40, 64),
}


TRANSCRIPTION_USD_PER_MINUTE: Final[Mapping[str, float]] = {
    "gpt-transcribe": 0.0045,
    "gpt-live-transcribe": 0.017,
}
"""Of the caller's audio; of the other transcription models no price was read."""


def transcription_usd(model: str, seconds: float) -> float | None:
    """Return what it costs to write down so many seconds, or None for a model without a price."""
    per_minute = TRANSCRIPTION_USD_PER_MINUTE.get(model)
    return None if per_minute is None else seconds / 60 * per_minute


def cost_usd(model: str, tokens: Mapping[str, int]) -> float | None:
    """Return what these tokens cost, or None for a model without a price; cached tokens are part of the input."""
    price = PRICES.get(model)
    if price is None:
        return None
    text_cached, audio_cached = tokens["text_cached"], tokens["audio_cached"]
    total = (
        (tokens["text_in"] - text_cached) * price.text_in
        + text_cached * price.text_cached
        + tokens["text_out"] * price.text_out
        + (tokens["audio_in"] - audio_cached) * price.audio_in
        + audio_cached * price.audio_cached
        + tokens["audio_out"] * price.audio_out
    )
    return round(total / 1_000_000, 6)
