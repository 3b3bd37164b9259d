"""The same variant on several days: taken as one baseline, and held against each other, for servers drift. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve

from replay.compare.outcome import Baseline, IncomparableError, compare, listed
from replay.compare.variants import differing
from replay.judge.thresholds import Thresholds
from replay.judge.verdict import Verdict


def pooled(days: Sequence[Baseline]) -> Baseline:
    """Return one baseline with the calls of all days. Raises `IncomparableError` if they were made differently."""
    first = days[0]
    for day in days[1:]:
        reasons = list(day.conditions.differences(first.conditions))
        reasons += not_the_same(first, day)
        if reasons:
            raise IncomparableError(f"these baselines can't be taken together: {'; '.join(reasons)}")
    calls = (
        evolve(call, repeat=call.repeat + place * first.conditions.repeats)
        for place, day in enumerate(days)
        for call in day.calls
    )
    return evolve(first, calls=tuple(calls))


def not_the_same(first: Baseline, other: Baseline) -> Iterator[str]:
    """Yield why two days' calls are not those of one variant: then it is no drift that tells them apart."""
    if first.variant != other.variant:
        yield f"variant: {first.variant} in the first, {other.variant} in another"
    elif found := list(differing(first.in_force, other.in_force)):
        yield f"{other.variant} is set otherwise than on the first day: {listed(found)}"


def drift(
    days: Sequence[Baseline], thresholds: Thresholds, now: Baseline | None = None
) -> dict[str, tuple[Verdict, ...]]:
    """Return the verdicts on each later day, and on the calls of now, against the first: nothing of ours made them."""
    named = [(f"{day.variant}, day {place}", day) for place, day in enumerate(days, start=1)]
    named += [(f"{now.variant}, now", now)] if now else []
    if len(named) < 2:
        return {}
    sides = [[evolve(call, variant=name) for call in day.calls] for name, day in named]
    return dict(compare(days[0].conditions, sides[0], sides[1:], thresholds).verdicts)


def drifted(found: Mapping[str, Sequence[Verdict]]) -> Iterator[str]:
    """Yield a sentence for each day on which the same variant was worse or better than on the first."""
    for name, verdicts in found.items():
        for status in ("worse", "better"):
            titles = [verdict.title for verdict in verdicts if verdict.status == status]
            if titles:
                yield f"The baseline itself drifted: {name} is {status} than day 1 in {listed(titles)}."
