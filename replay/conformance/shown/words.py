"""What is said of a whole report card in a few words, the same wherever it is shown."""

from collections.abc import Mapping
from typing import Final

from bridge.text.wording import counted
from replay.conformance.card import ReportCard, Result

WORDS: Final[Mapping[Result, str]] = {"failed": "failed", "unknown": "could not tell", "passed": "passed"}

MEASURED: Final[Mapping[str, str]] = {
    "greeting-heard": "from `start` to the greeting",
    "turn-answered": "from the caller's last word to the answer",
    "no-gaps": "the longest hole of an answer",
    "prompt": "from the model's first sound to the caller's ear",
    "heard-as-claimed": "a claim is off by",
    "no-frames-lost": "lost of a caller",
    "session-left": "after the stream's end",
}
"""What the times of a check are."""


def verdict(card: ReportCard) -> str:
    """Return what became of it, in one sentence."""
    failed = len(card.named("failed"))
    if failed:
        return f"{counted(failed, 'thing')} {'goes' if failed == 1 else 'go'} wrong in its calls"
    if card.tells_anything:
        return "Callers are treated well, as far as could be told"
    return "Nothing could be told: this is no good card, only an empty one"


def found_of(card: ReportCard, check: str) -> str:
    """Return what was found about a check in a few words: what was measured, or the first reason."""
    one = card.measured(check)
    if one is None:
        return next((finding.why for finding in card.of(check)), "nothing was tried")
    times = f"median {one.median_ms} ms, worst {one.worst_ms} ms of {one.times}"
    return f"{MEASURED[check]}: {times}" if check in MEASURED else times
