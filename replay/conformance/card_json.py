"""A report card as JSON, for machines and for the next time: written, and read back."""

from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from bridge.errors import BridgeError
from replay.conformance.card import ReportCard

FORMAT: Final = 1
"""Goes up when a reader of the one before would misunderstand."""


def as_json(card: ReportCard) -> dict[str, Any]:
    """Return a card for machines: all of it, and how each check went."""
    return {"format": FORMAT, "results": card.results, **attrs.asdict(card)}


def read_card(path: Path) -> ReportCard:
    """Return the card in a file. Raises `BridgeError` for what is none, and `OSError`."""
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise BridgeError(
                f"{path}: no report card of format {FORMAT}: use one that replay judge --json wrote"
            )
        return msgspec.convert(raw, ReportCard)
    except ValueError as error:  # of msgspec: both its errors are one
        raise BridgeError(f"{path}: no report card: {error}") from None
