"""The caller's turns as a tape tells of them, and how long each waited for its answer. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from attrs import define, field

Turn: TypeAlias = dict[str, Any]
"""A turn's row, as far as it is known."""


@define
class Turns:
    """One call's turns, in the order in which they began."""

    rows: list[Turn] = field(factory=list)
    of_response: dict[str, Turn] = field(factory=dict)
    """Which turn each response answers."""
    _prompted: dict[str, None] = field(factory=dict)
    """Turns in which the caller said nothing: the server made them, to have the model say something."""

    def begin(self, item_id: str, t_ms: int) -> None:
        """Begin a turn: the caller speaks."""
        self.rows.append({"caller_item_id": item_id, "speech_started_ms": t_ms})

    def of(self, item_id: str) -> Turn:
        """Return the latest turn that is this item; one that nothing was heard of begins here."""
        for turn in reversed(self.rows):
            if turn["caller_item_id"] == item_id:
                return turn
        self.rows.append({"caller_item_id": item_id})
        return self.rows[-1]

    def prompt(self, item_id: str) -> None:
        """Take note of a turn that an idle time-out made."""
        self._prompted[item_id] = None

    def rename(self, item_id: str) -> str | None:
        """Let the open turn be this item, and return which it was: one that the bridge closed may become another item
        than it was told to become. None where the item is known, or no turn is open.
        """
        turn = self.rows[-1] if self.rows else None
        is_known = item_id in self._prompted or any(one["caller_item_id"] == item_id for one in self.rows)
        if turn is None or "committed_ms" in turn or is_known:
            return None
        former: str = turn["caller_item_id"]
        turn["caller_item_id"] = item_id
        return former

    def answer(self, t_ms: int) -> Turn | None:
        """Return the turn that a response which begins now answers, if one is over."""
        if not self.rows or "committed_ms" not in self.rows[-1]:
            return None
        self.rows[-1].setdefault("response_created_ms", t_ms)
        return self.rows[-1]

    def measure(self, ledgers: Iterable[Mapping[str, Any]], silence_ms: int | None) -> None:
        """Give each turn the first audio that the caller heard in answer to it.

        `response_ms` counts from when turn detection spoke; `latency_ms` from the caller's last sound, as they feel it:
        turn detection waited `silence_ms` after that, None if that is unknown.
        Nobody waits since a turn that an idle time-out made, and where no end was heard nobody knows since when.
        """
        for ledger in ledgers:
            turn = self.of_response.get(ledger["response_id"])
            if turn is None or ledger["first_heard"] < 0:
                continue
            heard = min(turn.get("first_heard_ms", ledger["first_heard"]), ledger["first_heard"])
            turn["first_heard_ms"] = heard
            if turn["caller_item_id"] in self._prompted:
                turn["response_ms"] = turn["latency_ms"] = None
                continue
            turn["response_ms"] = heard - turn.get("speech_stopped_ms", turn["committed_ms"])
            was_felt = silence_ms is not None and "speech_stopped_ms" in turn
            turn["latency_ms"] = turn["response_ms"] + silence_ms if was_felt else None
