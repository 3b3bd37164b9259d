"""Calls spent where they decide: looks at a comparison while it goes on, each with a part of its false alarms. Pure.

A look may stop a variant for good: because it is worse, or because nothing is unclear any more. The chance of a false
alarm over all looks is the sum of what each may have. Who calls next is decided by how much callers vary, both sides
taken as one: so it says nothing about which side is better, and draws of sides stay as likely as they were.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

import numpy as np
from attrs import define, field, frozen

from replay.judge.call import Call
from replay.judge.columns import table_of
from replay.judge.thresholds import Thresholds
from replay.judge.verdict import Verdict, judge

MOST_LOOKS: Final = 5
FEWEST: Final = 2
"""Calls of each caller before the first look: one has no spread."""


@frozen
class Schedule:
    """So many looks, each after so many more calls of an average caller to each variant."""

    looks: int
    step: int


def schedule(most_calls: int, callers: int, variants: int) -> Schedule:
    """Return the looks that so many calls allow, the baseline being one of the variants."""
    each = max(1, most_calls // (callers * variants))
    step = max(FEWEST, ceil(each / MOST_LOOKS))
    return Schedule(max(1, each // step), min(step, each))


@define
class Search:
    """A comparison that goes on until it is sure, or the looks are over; `counts` is how often each caller calls."""

    baseline: str
    variants: tuple[str, ...]
    callers: tuple[str, ...]
    plan: Schedule
    thresholds: Thresholds
    looked: int = 0
    verdicts: dict[str, list[Verdict]] = field(factory=dict)
    _counts: dict[str, dict[str, int]] = field(init=False)
    _open: list[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._open = list(self.variants)
        self._counts = {name: dict.fromkeys(self.callers, self.plan.step) for name in self._names}

    @property
    def _names(self) -> tuple[str, ...]:
        return self.baseline, *self.variants

    @property
    def is_over(self) -> bool:
        """Say whether no more calls are wanted."""
        return not self._open or self.looked >= self.plan.looks

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Return the variants of which something is still unclear."""
        return tuple(self._open)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many calls of each caller to each variant there must be for the next look."""
        return {(name, caller): count for name in self._names for caller, count in self._counts[name].items()}

    def look(self, calls: Sequence[Call]) -> None:
        """Judge what is still open with this look's part of the false alarms, and say who calls next."""
        self.looked += 1
        for name in tuple(self._open):
            was, now = _matching(self.baseline, name, calls)
            self.verdicts[name] = judge(
                was, now, self.thresholds, variants=len(self.variants), looks=self.plan.looks
            )
            statuses = {verdict.status for verdict in self.verdicts[name]}
            if "worse" in statuses or "unclear" not in statuses:
                self._open.remove(name)
        if not self.is_over:
            self._plan_calls(calls)

    def _plan_calls(self, calls: Sequence[Call]) -> None:
        """Give every caller one more call, and the rest of the step to those that vary most."""
        shares = _shared(spreads_of(calls, self.thresholds), self.callers, self.plan.step)
        for name in (self.baseline, *self._open):
            for caller in self.callers:
                self._counts[name][caller] += shares[caller]


def _matching(baseline: str, variant: str, calls: Sequence[Call]) -> tuple[list[Call], list[Call]]:
    """Return the calls of a variant, and the baseline's of the same callers and repeats."""
    now = [call for call in calls if call.variant == variant]
    keys = {(call.caller, call.repeat) for call in now}
    return [call for call in calls if call.variant == baseline and (call.caller, call.repeat) in keys], now


def spreads_of(calls: Sequence[Call], thresholds: Thresholds) -> dict[str, float]:
    """Return how much each caller's calls vary, all sides as one, averaged over numbers; 1 is as the others do."""
    table = table_of(calls, [], thresholds)
    names, callers = list(dict.fromkeys(table.callers)), np.array(table.callers)
    ratios = []
    for values, weights in zip(table.values.T, table.weights.T, strict=True):
        own = [values[(callers == name) & (weights > 0)] for name in names]
        spreads = np.array([part.std() if len(part) else 0.0 for part in own])
        if spreads.any():
            ratios.append(spreads / spreads.mean())
    average = np.mean(ratios, axis=0) if ratios else np.ones(len(names))
    return dict(zip(names, map(float, average), strict=True))


def _shared(spreads: Mapping[str, float], callers: Sequence[str], step: int) -> dict[str, int]:
    """Return how many of the next calls each caller makes: one at least, then whoever varies most for their calls."""
    shares = dict.fromkeys(callers, 1)
    for _ in range((step - 1) * len(callers)):
        neediest = max(callers, key=lambda name: spreads.get(name, 1.0) / shares[name])
        shares[neediest] += 1
    return shares


# ---------------------------------------------------------------- money


def spent_usd(calls: Sequence[Call]) -> float:
    """Return what calls cost, as far as it is known."""
    return sum(call.measures.cost_usd or 0.0 for call in calls if call.measures)


def usd_each(calls: Sequence[Call]) -> dict[str, float] | None:
    """Return what a call to each variant costs on average; None if it is not known of one."""
    found: dict[str, list[float]] = {call.variant: [] for call in calls}
    for call in calls:
        if call.measures and call.measures.has_usage and call.measures.cost_usd is not None:
            found[call.variant].append(call.measures.cost_usd)
    if not all(found.values()):
        return None
    return {name: sum(costs) / len(costs) for name, costs in found.items()}


def next_usd(counts: Mapping[tuple[str, str], int], calls: Sequence[Call]) -> float | None:
    """Return what the calls that are still to be made will cost; None if that is not known."""
    each = usd_each(calls)
    if each is None:
        return None
    made: dict[tuple[str, str], int] = {}
    for call in calls:
        made[call.variant, call.caller] = made.get((call.variant, call.caller), 0) + 1
    return sum(each.get(key[0], 0.0) * max(0, count - made.get(key, 0)) for key, count in counts.items())
