"""What is said of a whole report card in a few words, the same wherever it is shown."""

from collections.abc import Mapping
from typing import Final

from bridge.text.wording import counted
from replay.conformance.card import ReportCard, Result

WORDS: Final[Mapping[Result, str]] = {"failed": "failed", "unknown": "could not tell", "passed": "passed"}


def verdict(card: ReportCard) -> str:
    """Return what became of it, in one sentence."""
    failed = len(card.named("failed"))
    if failed:
        return f"{counted(failed, 'thing')} {'goes' if failed == 1 else 'go'} wrong in its calls"
    if card.tells_anything:
        return "Callers are treated well, as far as could be told"
    return "Nothing could be told: this is no good card, only an empty one"
