"""What a call took and cost, class by class. Pure."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from bridge.prices import Prices
from bridge.usage import TOKEN_CLASSES

Row: TypeAlias = dict[str, Any]

NAMES: Final = {
    "audio_in": "Audio in",
    "audio_cached": "Audio in, cached",
    "audio_out": "Audio out",
    "text_in": "Text in",
    "text_cached": "Text in, cached",
    "text_out": "Text out",
}


def costs_of(call: Mapping[str, Any], prices: Prices) -> Row:
    """Return a call's tokens and dollars by class; those of a model without a price have none."""
    tokens = {name: int(call[f"{name}_tokens"] or 0) for name in TOKEN_CLASSES}
    for kind in ("text", "audio"):
        tokens[f"{kind}_in"] = max(0, tokens[f"{kind}_in"] - tokens[f"{kind}_cached"])
    classes = [
        {"name": NAMES[name], "tokens": tokens[name], "usd": _usd(prices, name, tokens[name])}
        for name in NAMES
        if tokens[name]
    ]
    return {
        "classes": [*classes, *_transcription(call, classes)],
        "usd": call["cost_usd"],
        "without": call.get("cost_without") or "",
    }


def _usd(prices: Prices, name: str, tokens: int) -> float | None:
    whole = name.replace("_cached", "_in")
    return prices.tokens_usd(dict.fromkeys(TOKEN_CLASSES, 0) | {whole: tokens, name: tokens})


def _transcription(call: Mapping[str, Any], classes: list[Row]) -> list[Row]:
    """Return the writing down of the caller's words: what the whole costs beyond the classes."""
    seconds, tokens = call.get("transcription_seconds") or 0, call.get("transcription_in_tokens") or 0
    if not seconds and not tokens:
        return []
    known = [row["usd"] for row in classes]
    is_known = call["cost_usd"] is not None and None not in known and not call.get("cost_without")
    usd = round(call["cost_usd"] - sum(known), 6) if is_known else None
    count = tokens + (call.get("transcription_out_tokens") or 0)
    return [{"name": "Transcription", "tokens": count or None, "seconds": seconds or None, "usd": usd}]
