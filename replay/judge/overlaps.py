"""Callers who spoke while the agent did, as a tape tells of them: in which words, and what became of it. Pure."""

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from bridge.heart.speaking.words import is_backchannel, phrase_of, phrases_of
from bridge.settings.backchannels import known_of
from bridge.store.records import Row
from replay.judge.ears import Span

BEFORE_MS: Final = 200
AFTER_MS: Final = 1000
"""The server tells of a voice so long after it began, at most; and its clock is not ours."""

DECIDED: Final = ("barge_in", "false_interruption")


@define
class Overlaps:
    """What was written down of the caller, and which of it was not meant to interrupt. The list of backchannels is the
    lab's own, the same for every variant: an agent's is part of what is compared."""

    languages: tuple[str, ...]
    detected: list[tuple[int, str]]
    words: Mapping[str, str]
    milestones: list[Row] = field(factory=list)

    def detected_before(self, t_ms: int) -> tuple[int, str] | None:
        """Return the speech that turn detection told of last."""
        return next((found for found in reversed(self.detected) if found[0] <= t_ms), None)

    def is_wordless(self, item_id: str) -> bool:
        """Say whether a turn was written down, and no word was in it."""
        return item_id in self.words and not phrase_of(self.words[item_id])

    def is_backchannel(self, item_id: str) -> bool:
        """Say whether a turn only showed that the caller listens."""
        return is_backchannel(self.words.get(item_id, ""), phrases_of(known_of(self.languages)))

    def is_meant(self, item_id: str) -> bool:
        """Say whether a turn may have been meant to interrupt."""
        return not self.is_wordless(item_id) and not self.is_backchannel(item_id)

    def is_meant_voice(self, voice: Span) -> bool:
        """Say so of an utterance that was heard."""
        first, last = voice.start_ms - BEFORE_MS, voice.end_ms + AFTER_MS
        return all(self.is_meant(item_id) for t_ms, item_id in self.detected if first <= t_ms <= last)

    def decided_ms(self, clear_ms: int) -> int:
        """Return when it was known whether the agent was interrupted that was silenced then."""
        row = self._decision(clear_ms)
        return clear_ms if row is None else int(row["t_ms"])

    def went_on_after_ms(self, clear_ms: int) -> int | None:
        """Return after how long it went on; None for one that did not."""
        row = self._decision(clear_ms)
        return None if row is None or row["name"] != "false_interruption" else int(row["t_ms"]) - clear_ms

    def _decision(self, clear_ms: int) -> Row | None:
        """Return what it turned out to be, where that wasn't known at once."""
        held = any(row["name"] == "barge_in_possible" and row["t_ms"] == clear_ms for row in self.milestones)
        later = (row for row in self.milestones if row["name"] in DECIDED and row["t_ms"] >= clear_ms)
        return next(later, None) if held else None
