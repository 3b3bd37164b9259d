"""Saved baselines of several days: taken as one, and held against each other, for servers drift. Pure."""

from collections.abc import Iterator, Sequence

from attrs import evolve

from replay.compare.outcome import Baseline, IncomparableError, compare, listed
from replay.judge.thresholds import Thresholds


def pooled(days: Sequence[Baseline]) -> Baseline:
    """Return one baseline with the calls of all days. Raises `IncomparableError` if they were made differently."""
    first = days[0]
    for day in days[1:]:
        reasons = list(day.conditions.differences(first.conditions))
        if day.variant != first.variant:
            reasons.append(f"variant: {first.variant} in the first, {day.variant} in another")
        if reasons:
            raise IncomparableError(f"these baselines can't be taken together: {'; '.join(reasons)}")
    calls = (
        evolve(call, repeat=call.repeat + place * first.conditions.repeats)
        for place, day in enumerate(days)
        for call in day.calls
    )
    return evolve(first, calls=tuple(calls))


def drift(days: Sequence[Baseline], thresholds: Thresholds) -> Iterator[str]:
    """Yield what the same variant does worse or better on a later day than on the first: no change of ours did that."""
    names = [f"{day.variant}, day {place}" for place, day in enumerate(days, start=1)]
    named = [
        [evolve(call, variant=name) for call in day.calls] for name, day in zip(names, days, strict=True)
    ]
    if len(days) < 2:
        return
    found = compare(days[0].conditions, named[0], named[1:], thresholds)
    for name in names[1:]:
        for status in ("worse", "better"):
            titles = [verdict.title for verdict in found.with_status(name, status)]
            if titles:
                yield f"The baseline itself drifted: {name} is {status} than day 1 in {listed(titles)}."
