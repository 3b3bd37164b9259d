"""Drives a comparison until it is sure: makes calls, looks, and goes on within a number of calls and of dollars.

It decides nothing of its own: see `compare_sure`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from attrs import evolve, frozen

from bridge.errors import BridgeError
from replay.compare.outcome import Comparison, Conditions
from replay.compare.sure import Search, next_usd, schedule, spent_usd
from replay.judge.call import Call
from replay.judge.thresholds import Thresholds

Make: TypeAlias = Callable[[Mapping[tuple[str, str], int]], Sequence[Call]]
"""Makes the calls that are not there yet, of each caller to each variant, and returns all."""


class NoLookError(BridgeError):
    """The budget does not pay for one look; the message says for what it does."""


@frozen
class Limits:
    """How many calls there may be in all, and what they may cost together."""

    most_calls: int
    budget_usd: float | None = None


def searched(
    conditions: Conditions, baseline: str, variants: Sequence[str], thresholds: Thresholds, limits: Limits, *,
    make: Make,
) -> Comparison:  # fmt: skip
    """Return what was found when it was plain, or when the limits were reached. Raises `NoLookError`."""
    callers, names = tuple(conditions.callers), (baseline, *variants)
    plan = schedule(limits.most_calls, len(callers), len(names))
    search = Search(baseline, tuple(variants), callers, plan, thresholds)
    calls: Sequence[Call] = []
    if limits.budget_usd is not None:
        calls = make({(name, caller): 1 for name in names for caller in callers})  # what does a call cost?
    ended = ""
    while not search.is_over and not ended:
        ended = _too_dear(search, calls, limits)
        if not ended:
            calls = make(search.counts)
            search.look(calls)
    if not search.verdicts:
        raise NoLookError(f"no look at the calls was possible: {ended[:1].lower()}{ended[1:]}")
    return Comparison(
        evolve(conditions, repeats=max(search.counts.values())),
        baseline,
        tuple(calls),
        {name: tuple(found) for name, found in search.verdicts.items()},
        thresholds,
        remarks=(_spent(search, calls, limits),),
        cut_short=dict.fromkeys(search.unsettled, ended) if ended else {},
    )


def _too_dear(search: Search, calls: Sequence[Call], limits: Limits) -> str:
    """Return why the next calls can't be paid for; "" if they can."""
    if limits.budget_usd is None:
        return ""
    more, spent = next_usd(search.counts, calls), spent_usd(calls)
    if more is None:
        return "What a call costs is not known, so a budget can't be kept"
    if spent + more <= limits.budget_usd:
        return ""
    return f"The budget of ${limits.budget_usd:.2f} ends here: ${spent:.2f} are spent, the next calls cost ${more:.2f}"


def _spent(search: Search, calls: Sequence[Call], limits: Limits) -> str:
    cost = spent_usd(calls)
    told = f", ${cost:.2f}" if cost else ""
    return (
        f"{len(calls)} calls of at most {limits.most_calls}{told}; looked {search.looked} of {search.plan.looks} "
        "times, each look with its part of the false alarms."
    )
