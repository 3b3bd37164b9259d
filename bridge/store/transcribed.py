"""What writing down the caller's words took, as the server tells with each transcript, and what it costs. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define

from bridge.store.prices import transcription_usd

MOST_SECONDS: Final = 86_400.0
MOST_TOKENS: Final = 100_000_000


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
        if kind == "duration" and (seconds := _number(told.get("seconds"), MOST_SECONDS)) is not None:
            self.seconds = min(self.seconds + seconds, MOST_SECONDS)
        elif kind == "tokens" and None not in (counts := _tokens(told)):
            self.in_tokens += int(counts[0] or 0)
            self.out_tokens += int(counts[1] or 0)
        else:
            self.is_whole = False

    def usd(self, model: str) -> float | None:
        """Return what it cost, or None where something of it has no price."""
        took_nothing = self.is_whole and not (self.seconds or self.in_tokens or self.out_tokens)
        if took_nothing:
            return 0.0
        is_priced = self.is_whole and not (self.in_tokens or self.out_tokens)  # no price by tokens is known
        return transcription_usd(model, self.seconds) if is_priced else None


def _number(value: Any, most: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= most else None


def _tokens(told: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return _number(told.get("input_tokens"), MOST_TOKENS), _number(told.get("output_tokens"), MOST_TOKENS)
