"""A comparison that is to be made, everything checked before the first call; and what its calls come to.

It makes no call, and prints nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from bridge.errors import TapeError
from replay.compare.days import drift, drifted, not_the_same, pooled
from replay.compare.model_judge import Agreement, load_labels, without_answers
from replay.compare.outcome import (
    FORMAT,
    Baseline,
    Comparison,
    Conditions,
    IncomparableError,
    compare,
    compare_with_saved,
    load_baseline,
)
from replay.compare.plan import callers_of, load_plan
from replay.compare.promises import check_callers, with_promises
from replay.compare.types import NamedCaller, Plan
from replay.compare.variants import in_force
from replay.judge.call import Call
from replay.judge.thresholds import Thresholds, critical_of, thresholds_of

UNTOLD = (
    "What the server changed since the baseline was saved counts as a change of yours: --interleave calls that variant "
    "again, and tells them apart."
)
BOTH_NOW = "Both sides of the answer were called now: what drifted is no part of it."


@attrs.frozen
class Job:
    """What is to be compared: `days` are saved baselines, `labels` people's answers for the judge.

    With `is_interleaved` the baseline's variant is called again now, beside the others, and they are held against that.
    """

    plan: Plan
    callers: Sequence[NamedCaller]
    thresholds: Thresholds
    faults: Sequence[TapeError]
    critical: tuple[str, ...] = ()
    days: Sequence[Baseline] = ()
    is_interleaved: bool = False
    labels: Mapping[Path, bool] = {}
    agreement: Agreement | None = None

    @property
    def saved(self) -> Baseline | None:
        """Return the saved days as one baseline."""
        return pooled(self.days) if self.days else None

    @property
    def conditions(self) -> Conditions:
        """Return what a saved baseline must have in common with it."""
        who_calls = {caller.name: caller.sha256 for caller in self.callers}
        return Conditions(self.plan.agent, self.plan.mode, who_calls, self.plan.repeats)

    @property
    def variants(self) -> list[str]:
        """Return the names of all variants that are called."""
        return [variant.name for variant in self.plan.variants]

    @property
    def sides(self) -> int:
        """Return how many sides of calls are made."""
        return len(self.variants) + (self.saved is not None and not self.is_interleaved)

    @property
    def calls_planned(self) -> int:
        """Return how many calls the plan makes."""
        return self.plan.repeats * len(self.callers) * len(self.plan.variants)

    @property
    def is_judged(self) -> bool:
        """Say whether a model is to read the calls: it is asked for, and agrees with people as far as it must."""
        return self.plan.judge is not None and (self.agreement is None or self.agreement.is_enough)

    def judge(self, calls: Iterable[Call]) -> Comparison | None:
        """Return what was found; None when there is but one variant, and nothing to compare it with."""
        made = list(calls)
        sides = {name: [call for call in made if call.variant == name] for name in self.variants}
        if self.saved is None or self.is_interleaved:
            baseline = sides.pop(self.plan.baseline)
            if not sides:
                return None
            found = compare(self.conditions, baseline, sides.values(), self.thresholds)
            now = self.baseline_of(made)
        else:
            found, now = (
                compare_with_saved(self.saved, self.conditions, sides.values(), self.thresholds),
                None,
            )
        moved = drift(self.days, self.thresholds, now) if self.days else {}
        return self.with_all_known(attrs.evolve(found, drift=moved))

    def with_all_known(self, found: Comparison) -> Comparison:
        """Return what was found with all that the plan and the days before say of it."""
        found = attrs.evolve(found, critical=self.critical, agreement=self.agreement)
        return attrs.evolve(found, remarks=(*found.remarks, *self._remarks(found)))

    def _remarks(self, found: Comparison) -> Iterator[str]:
        if self.agreement is not None and self.plan.judge is not None:
            yield self.agreement.sentence(self.plan.judge.model)
        moved = list(drifted(found.drift))
        yield from moved
        if moved and self.is_interleaved:
            yield BOTH_NOW
        if self.days and not self.is_interleaved and found.is_worse:
            yield UNTOLD

    def baseline_of(self, calls: Iterable[Call]) -> Baseline:
        """Return the baseline's calls as they are saved."""
        [variant] = [one for one in self.plan.variants if one.name == self.plan.baseline]
        mine = tuple(call for call in calls if call.variant == variant.name)
        return Baseline(
            FORMAT, self.conditions, variant.name, mine,
            in_force=in_force(variant, self.plan.base, self.plan.agent),
            judge=self.plan.judge.identity if self.plan.judge and self.is_judged else "",
        )  # fmt: skip


def job_of(
    path: Path, repeats: int | None, saved: Sequence[Path], *, interleave: bool = False, marked: str = ""
) -> Job:
    """Return the job of a plan. Raises `BridgeError` if it can't come to anything."""
    plan = load_plan(path)
    plan = attrs.evolve(plan, repeats=repeats or plan.repeats, marked=marked or plan.marked)
    days = [load_baseline(file) for file in saved]
    if days and not interleave and len(plan.variants) > 1:
        others = tuple(variant for variant in plan.variants if variant.name != plan.baseline)
        plan = attrs.evolve(
            plan, variants=others, baseline=others[0].name
        )  # what was saved stands in its place
    faults = list[TapeError]()
    thresholds = thresholds_of(plan.thresholds)
    job = Job(
        plan, callers_of(plan, faults), thresholds, faults, critical_of(plan.critical, thresholds),
        [_as_judged_now(day, plan) for day in days], interleave,
        load_labels(Path(plan.judge.labels)) if plan.judge else {},
    )  # fmt: skip
    check_callers(plan.must_say, job.conditions.callers)
    if job.saved and (reasons := list(_differences(job, job.saved))):
        raise IncomparableError(
            f"this can't be compared with {', '.join(map(str, saved))}: {'; '.join(reasons)}"
        )
    return job


def _as_judged_now(day: Baseline, plan: Plan) -> Baseline:
    """Return a saved day with what the plan of today wants to know of its calls."""
    calls = with_promises(day.calls, plan.must_say)
    is_read = plan.judge is not None and day.judge == plan.judge.identity
    return attrs.evolve(day, calls=tuple(calls if is_read else without_answers(calls)))


def _differences(job: Job, saved: Baseline) -> Iterator[str]:
    yield from job.conditions.differences(saved.conditions)
    if job.is_interleaved:
        yield from not_the_same(saved, job.baseline_of(()))
