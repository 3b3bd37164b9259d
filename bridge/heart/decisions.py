"""What the heart has decided and written down, and not handed out yet; the time it is, and the ids of its messages.
Pure, int ms.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final, TypeAlias

from attrs import define, field

from bridge.heart.audio import ms_of
from bridge.heart.effects import Effect, WriteNote
from bridge.heart.playout import Ledger

Ring: TypeAlias = Callable[[], None]
Alarm: TypeAlias = tuple[int, Ring]
"""A time, and what happens then."""

NEVER_MS: Final = 2**62
NEVER: Final[Alarm] = (NEVER_MS, lambda: None)


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


@define
class Decisions:
    """One for a call: each of its parts writes here what is to be done, in the order in which it is to be done."""

    now: int = 0
    """When the event happened that is being decided on, in ms since the call's birth."""
    journal: Journal = field(factory=Journal)
    _effects: list[Effect] = field(factory=list)
    _ids: Iterator[int] = field(factory=lambda: count(1))

    def say(self, effect: Effect) -> None:
        """Decide that this is to be done, after what was noted so far."""
        if self.journal.notes:
            self._take_notes()
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return everything decided since the last time."""
        if self.journal.notes:
            self._take_notes()
        out, self._effects = self._effects, []
        return out

    def _take_notes(self) -> None:
        self._effects += self.journal.notes
        self.journal.notes.clear()

    def new_id(self) -> str:
        """Return a fresh event id: a counter, so that a replay makes the same ones."""
        return f"b{next(self._ids)}"
