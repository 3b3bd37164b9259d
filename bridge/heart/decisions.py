"""What the heart has decided and not handed out yet, with the time it is and the ids of its messages. Pure, int ms."""

from collections.abc import Iterator
from itertools import count

from attrs import define, field

from bridge.heart.effects import Effect
from bridge.heart.journal import Journal


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
        self._effects += self.journal.notes
        self.journal.notes.clear()
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return everything decided since the last time."""
        out = [*self._effects, *self.journal.notes]
        self._effects.clear()
        self.journal.notes.clear()
        return out

    def new_id(self) -> str:
        """Return a fresh event id: a counter, so that a replay makes the same ones."""
        return f"b{next(self._ids)}"
