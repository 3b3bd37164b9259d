"""What of the agent's audio a caller has heard, as marks prove it: one call's ledger in the relay with switches."""

from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Final

from attrs import define, field, frozen

MOST_WAITING: Final = 6000
"""Pieces that were sent and not proved heard: ten minutes of talk."""

MOST_ITEMS: Final = 100


@frozen
class Piece:
    """A piece of one item's audio, on its way to the ear; the mark of that name comes back when it was played."""

    mark: str
    item_id: str
    ms: int


@define
class Ledger:
    """Pieces in the order in which they were sent. After `cut` nothing is on its way."""

    _waiting: deque[Piece] = field(factory=deque)
    _heard_ms: dict[str, int] = field(factory=dict)
    _sent_ms: dict[str, int] = field(factory=dict)
    _numbers: Iterator[int] = field(factory=lambda: count(1))

    @property
    def is_full(self) -> bool:
        """Whether more waits than anybody listens to."""
        return len(self._waiting) >= MOST_WAITING

    def send(self, item_id: str, ms: int) -> str:
        """Note a piece that is sent, and name the mark that is to follow it."""
        piece = Piece(f"p{next(self._numbers)}", item_id, ms)
        self._waiting.append(piece)
        for amounts in (self._sent_ms, self._heard_ms):
            if item_id not in amounts and len(amounts) >= MOST_ITEMS:
                del amounts[next(iter(amounts))]
        self._sent_ms[item_id] = self._sent_ms.get(item_id, 0) + ms
        self._heard_ms.setdefault(item_id, 0)
        return piece.mark

    def prove(self, mark: str) -> None:
        """Take a mark that came back: all before it was heard. One of before a cut proves nothing."""
        if all(piece.mark != mark for piece in self._waiting):
            return
        while self._waiting:
            piece = self._waiting.popleft()
            if piece.item_id in self._heard_ms:
                self._heard_ms[piece.item_id] += piece.ms
            if piece.mark == mark:
                return

    def cut(self) -> list[str]:
        """Give up what is on its way, and return the items that lose audio by it, in order."""
        items = list(dict.fromkeys(piece.item_id for piece in self._waiting))
        self._waiting.clear()
        return items

    def heard_ms(self, item_id: str) -> int:
        """Return how much of an item was heard."""
        return self._heard_ms.get(item_id, 0)

    def sent_ms(self, item_id: str) -> int:
        """Return how much of an item was sent."""
        return self._sent_ms.get(item_id, 0)
