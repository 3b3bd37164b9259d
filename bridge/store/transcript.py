"""Who said what in a call, item by item in the conversation's order, and how much of it was heard. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field

from bridge.text.heard import spoken_part

Ledger: TypeAlias = Mapping[str, Any]
"""What became of one part of the agent's sound: how much was made, sent and heard."""


@define
class Item:
    """An item of the conversation as it became known."""

    item_id: str
    role: str
    text: str = ""
    began_ms: int = -1
    ended_ms: int = -1


@define
class Transcript:
    """One call's items, and where in the conversation each stands."""

    _items: dict[str, Item] = field(factory=dict)
    _order: list[str] = field(factory=list)

    def item(self, item_id: str, role: str = "") -> Item:
        """Return an item, which is known from now on; the first role that is told is its role."""
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = Item(item_id, role)
        item.role = item.role or role
        return item

    def place(self, item_id: str, before: str | None) -> None:
        """Place an item behind the one it follows, unless it has its place."""
        if item_id not in self._order:
            place = self._order.index(before) + 1 if before in self._order else len(self._order)
            self._order.insert(place, item_id)

    def rename(self, former: str, item_id: str) -> None:
        """Let what the caller began to say as one item be another."""
        begun = self._items.pop(former, None)
        self.item(item_id, "caller").began_ms = begun.began_ms if begun else -1

    def rows(self, ledgers: Sequence[Ledger]) -> list[dict[str, Any]]:
        """Return a row for each item that was said."""
        placed = [item_id for item_id in self._order if item_id in self._items]
        known = [*placed, *(item_id for item_id in self._items if item_id not in self._order)]
        items = [self._items[item_id] for item_id in known]
        return [{"position": n, **_row(item, _of(item, ledgers))} for n, item in enumerate(items)]


def _of(item: Item, ledgers: Sequence[Ledger]) -> list[Ledger]:
    return [ledger for ledger in ledgers if ledger["item_id"] == item.item_id]


def _row(item: Item, mine: Sequence[Ledger]) -> dict[str, Any]:
    heard_ms, generated_ms = sum(one["heard_ms"] for one in mine), sum(one["generated_ms"] for one in mine)
    heard = spoken_part(item.text, heard_ms, generated_ms) if item.role == "agent" else item.text
    return {
        "item_id": item.item_id, "role": item.role,
        "said": item.text, "heard": heard, "unheard": item.text[len(heard):].strip(),
        "began_ms": _began(item, mine), "ended_ms": item.ended_ms if item.ended_ms >= 0 else None,
        "interrupted": any(one["cut"] for one in mine),
    }  # fmt: skip


def _began(item: Item, mine: Sequence[Ledger]) -> int | None:
    """Return when the item was first heard; of one without sound, when it was begun."""
    began = mine[0]["first_heard"] if mine and mine[0]["first_heard"] >= 0 else item.began_ms
    return began if began >= 0 else None
