"""How much the caller heard of each of the model's items. Pure.

The phone knows how long the agent was heard, not which item it was. But audio comes in the order in which the model
sent it; so wherever the line begins anew (nothing is being played, or all was thrown away) the count does."""

from typing import Final

import attrs

from replay.conformance.both_sides import BothSides, Spoken

IDLE_MS: Final = 60
"""The line has nothing to play when nothing was heard for so long."""


@attrs.frozen
class Passage:
    """Items that are played one behind the other, from the first piece of the first until another passage begins."""

    items: tuple[Spoken, ...]
    began_ms: int
    ended_ms: int

    @property
    def length_ms(self) -> int:
        """How much the model sent of it."""
        return sum(item.length_ms for item in self.items)


def passages(call: BothSides) -> list[Passage]:
    """Return the passages of a call, in order."""
    groups: list[list[Spoken]] = []
    for item in call.spoken():
        if groups and not _begins_anew(call, groups[-1][-1], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    begins = [group[0].first_ms for group in groups]
    ends = [*begins[1:], max(call.over_ms, *begins)] if begins else []
    return [Passage(tuple(group), *times) for group, *times in zip(groups, begins, ends, strict=True)]


def _begins_anew(call: BothSides, before: Spoken, item: Spoken) -> bool:
    was_cleared = any(before.first_ms <= clear_ms <= item.first_ms for clear_ms in call.clears_ms())
    if was_cleared or before.response_id == item.response_id:
        return was_cleared
    is_playing = call.heard_ms(item.first_ms - IDLE_MS, item.first_ms) > 0
    return not is_playing and call.heard_ms(before.first_ms, item.first_ms) > 0


def heard_of(call: BothSides, item_id: str, until_ms: int) -> int | None:
    """Return how much of an item the caller had heard at a moment; None of one that was never sent."""
    for passage in passages(call):
        before_ms = 0
        for item in passage.items:
            if item.item_id == item_id:
                heard_ms = call.heard_ms(passage.began_ms, min(until_ms, passage.ended_ms)) - before_ms
                return min(max(heard_ms, 0), item.length_ms)
            before_ms += item.length_ms
    return None
