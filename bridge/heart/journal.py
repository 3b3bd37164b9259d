"""What the heart writes down beside what it does: milestones, counts, log lines, item accounts. Pure."""

from collections import Counter
from typing import Any

from attrs import define, field

from bridge.heart.audio import ms_of
from bridge.heart.effects import WriteNote
from bridge.heart.playout import Ledger


@define
class Journal:
    """Notes for the tape, kept until the heart hands them out with its other effects."""

    notes: list[WriteNote] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)
    _once: dict[str, None] = field(factory=dict)

    def note(self, kind: str, **data: Any) -> None:
        """Write a fact of some kind."""
        self.notes.append(WriteNote(kind, data))

    def milestone(self, name: str, **data: Any) -> None:
        """Write that the call got somewhere."""
        self.note("milestone", name=name, **data)

    def first(self, name: str, **data: Any) -> None:
        """Write a milestone the first time it is reached."""
        if name not in self._once:
            self._once[name] = None
            self.milestone(name, **data)

    def count(self, what: str, **data: Any) -> None:
        """Count something odd, and log it the first time it happens in this call."""
        self.counts[what] += 1
        if self.counts[what] == 1:
            self.note("log", text=what, **data)

    def dead_air(self, did: str, waited_ms: int, waiting_for: str) -> None:
        """Write that a caller waited too long, and what was done: each time a milestone, counted, and logged once."""
        self.milestone("dead_air", did=did, waited_ms=waited_ms, waiting_for=waiting_for)
        self.count(f"dead air: {did}", waited_ms=waited_ms, waiting_for=waiting_for)

    def item(self, ledger: Ledger) -> None:
        """Write an item's account: lengths in ms, times on the call's clock."""
        self.note(
            "item",
            item_id=ledger.item_id,
            content_index=ledger.content_index,
            response_id=ledger.response_id,
            generated_ms=ms_of(ledger.generated),
            sent_ms=ms_of(ledger.sent),
            heard_ms=ms_of(ledger.heard),
            first_sent=ledger.first_sent,
            first_heard=ledger.first_heard,
            cut=ledger.is_cut and ledger.heard < ledger.generated,
        )

    def close(self) -> None:
        """Write the counts; nothing is counted after it."""
        self.note("counts", **dict(sorted(self.counts.items())))
