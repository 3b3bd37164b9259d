"""From measured calls to verdicts: what got worse, by how much, with whom, and whether that is proved. Pure."""

import tomllib
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Final, TypeAlias

from attrs import frozen

from bridge.errors import ConfigError
from replay.compare.metrics import Measures
from replay.compare.stats import Interval, Key, Status, apart, differences, interval_of, shuffled_chance
from replay.compare.table import NUMBERS, TRAITS, Labels, Number, Trait

Thresholds: TypeAlias = Mapping[str, Any]
DEFAULTS: Final = Path(__file__).with_name("defaults.toml")
FAILED: Final = "max_failed_calls"
MOST_EXAMPLES: Final = 4
SHIFTS: Final = 0.2
"""The part of all false alarms that may come from traits becoming more frequent; numbers share the rest."""

SEVERITY: Final[Mapping[Status, int]] = {"worse": 0, "unclear": 1, "better": 2, "same": 3, "no data": 4}


@frozen
class Call:
    """One call of a variant: what was measured, or why nothing could be; `tape` is where to look."""

    variant: str
    caller: str
    repeat: int
    tape: str
    measures: Measures | None
    error: str = ""


@frozen
class Verdict:
    """What is known about one measure of one variant against the baseline.

    Numbers: means, and the interval of the difference (more is worse). Traits: the share of calls that do what no
    call of the baseline does. `by_caller` is the same difference, caller by caller; `blamed` those that prove it.
    """

    variant: str
    name: str
    title: str
    unit: str
    status: Status
    tolerance: float
    was: float | None = None
    now: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    by_caller: Mapping[str, float] = {}
    blamed: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    is_trait: bool = False
    is_better_up: bool = False

    @property
    def severity(self) -> tuple[int, float]:
        """Sort key: the worst first."""
        excess = self.now or 0.0 if self.is_trait else self.low or 0.0
        return SEVERITY[self.status], -excess / (self.tolerance or 1e-9)


def thresholds_of(changes: Thresholds) -> dict[str, Any]:
    """Return the default thresholds with these changes. Raises `ConfigError` for unknown keys and odd values."""
    known: dict[str, Any] = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    faults = [
        f"[thresholds] {key}: unknown key; known are {', '.join(known)}"
        for key in changes
        if key not in known
    ]
    for key, value in changes.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if key in known and not is_number and value is not False:
            faults.append(f"[thresholds] {key} = {value!r}: use a number from 0, or false to leave it out")
    if changes.get("false_alarms", 0.05) is False or not 0 < changes.get("false_alarms", 0.05) < 0.5:
        faults.append("[thresholds] false_alarms: use a share between 0 and 0.5, such as 0.05")
    if not 100 <= changes.get("resamples", 2000) <= 100_000:
        faults.append("[thresholds] resamples: use 100 to 100000")
    if faults:
        raise ConfigError(faults)
    return {**known, **changes}


def judge(baseline: Sequence[Call], calls: Sequence[Call], thresholds: Thresholds) -> list[Verdict]:
    """Return every verdict on one variant's calls against the baseline's, the worst first."""
    variant = calls[0].variant
    numbers = [number for number in NUMBERS if thresholds[number.allowed] is not False]
    present = [number for number in numbers if _values(number, baseline) and _values(number, calls)]
    error = (
        thresholds["false_alarms"] / max(1, len(present)) / 2
    )  # half for all callers together, half for single ones
    judged = [_number(number, variant, baseline, calls, thresholds, error) for number in numbers]
    traits = [trait for trait in TRAITS if thresholds[trait.allowed] is not False]
    judged += [_trait(trait, variant, baseline, calls, thresholds) for trait in traits]
    if thresholds[FAILED] is not False:
        judged.append(_failures(variant, baseline, calls, thresholds[FAILED]))
    return sorted(judged, key=lambda verdict: verdict.severity)


# ---------------------------------------------------------------- numbers


def _values(number: Number, calls: Sequence[Call]) -> dict[Key, float]:
    measured = {(call.caller, call.repeat): number.of(call.measures) for call in calls if call.measures}
    return {key: float(value) for key, value in measured.items() if value is not None}


def _number(
    number: Number, variant: str, baseline: Sequence[Call], calls: Sequence[Call], thresholds: Thresholds, error: float
) -> Verdict:  # fmt: skip
    was, now = _values(number, baseline), _values(number, calls)
    allowed = float(thresholds[number.allowed])
    tolerance = allowed / 100 * fmean(was.values()) if number.is_percent and was else allowed
    found = _worse_up(number, differences(was, now))
    intervals = _intervals(found, thresholds, error)
    whole = intervals.pop("", None)
    if whole is None:
        return Verdict(variant, number.allowed, number.title, number.unit, "no data", tolerance)
    blamed = tuple(name for name, interval in intervals.items() if interval.status(tolerance) == "worse")
    return Verdict(
        variant, number.allowed, number.title, number.unit,
        "worse" if blamed else whole.status(tolerance), tolerance,
        was=fmean(was.values()), now=fmean(now.values()), low=whole.low, high=whole.high, pairs=whole.pairs,
        by_caller={name: fmean(values) for name, values in found.items()}, blamed=blamed,
        is_better_up=number.is_better_up,
    )  # fmt: skip


def _worse_up(number: Number, found: dict[str, list[float]]) -> dict[str, list[float]]:
    sign = -1 if number.is_better_up else 1
    return {name: [sign * value for value in values] for name, values in found.items()}


def _intervals(found: dict[str, list[float]], thresholds: Thresholds, error: float) -> dict[str, Interval]:
    """Return the interval of all callers together under "", and one for each caller that called more than once."""
    groups = {"": [value for values in found.values() for value in values]}
    groups |= {name: values for name, values in found.items() if len(values) > 1 and len(found) > 1}
    chances = {name: error if name == "" else error / len(found) for name in groups}
    intervals = {
        name: interval_of(
            values,
            error=chances[name],
            resamples=int(thresholds["resamples"]),
            random=Random(thresholds["seed"]),
        )
        for name, values in groups.items()
    }
    return {name: interval for name, interval in intervals.items() if interval is not None}


# ---------------------------------------------------------------- traits


@frozen
class _Seen:
    """The labels of one call."""

    caller: str
    labels: Labels
    is_fine: bool


def _seen(trait: Trait, calls: Sequence[Call]) -> list[_Seen]:
    measured = [(call.caller if trait.is_of_caller else "", call.caller, call.measures) for call in calls]
    found = [_Seen(group, trait.of(told), trait.is_fine(told)) for group, _, told in measured if told]
    return [seen for seen in found if seen.labels]


def _trait(
    trait: Trait, variant: str, baseline: Sequence[Call], calls: Sequence[Call], thresholds: Thresholds
) -> Verdict:
    was, now = _seen(trait, baseline), _seen(trait, calls)
    tolerance = float(thresholds[trait.allowed])
    if not was or not now:
        return Verdict(variant, trait.allowed, trait.title, "of calls", "no data", tolerance, is_trait=True)
    new = [_news(one, was) for one in now]
    own = [_news(one, [*was[:place], *was[place + 1 :]]) for place, one in enumerate(was)]
    share, own_share = sum(map(bool, new)) / len(new), sum(map(bool, own)) / len(own)
    low, high = wilson(sum(map(bool, new)), len(new))
    shift = _shift(was, now, thresholds, tolerance)
    # What the baseline always does is a promise: one call that breaks it counts. Where it varies, chance goes first.
    is_worse = (share if _is_steady(was) else low) > own_share + tolerance or bool(shift)
    examples = (shift, *_examples(new, was)) if shift else _examples(new, was)
    return Verdict(
        variant, trait.allowed, trait.title, "of calls", "worse" if is_worse else "same", tolerance,
        was=own_share, now=share, low=low, high=high, pairs=len(now), by_caller=_by_caller(trait, calls, was),
        examples=examples, is_trait=True,
    )  # fmt: skip


def _news(one: _Seen, others: Sequence[_Seen]) -> Labels:
    """Return what a call does that no other call in its group does; nothing where there is no other call."""
    group = [other for other in others if other.caller == one.caller]
    if one.is_fine or not group:
        return {}
    return {
        label: text for label, text in one.labels.items() if not any(label in other.labels for other in group)
    }


def _is_steady(was: Sequence[_Seen]) -> bool:
    """Say whether the baseline's calls of each group are all alike."""
    first: dict[str, Labels] = {}
    return all(first.setdefault(one.caller, one.labels).keys() == one.labels.keys() for one in was)


def _shift(was: Sequence[_Seen], now: Sequence[_Seen], thresholds: Thresholds, tolerance: float) -> str:
    """Return what is known already but became so much more frequent that it can't be chance; "" if nothing did."""
    groups = dict.fromkeys(one.caller for one in now if not one.is_fine)
    error = thresholds["false_alarms"] * SHIFTS / len(TRAITS) / max(1, len(groups))
    for group in groups:
        before, after = (
            [" | ".join(one.labels.values()) for one in side if one.caller == group] for side in (was, now)
        )
        if not before or apart(before, after) <= tolerance:
            continue
        random, resamples = Random(thresholds["seed"]), max(int(thresholds["resamples"]), ceil(2 / error))
        if shuffled_chance(before, after, resamples=resamples, random=random) < error:
            more = max(
                after, key=lambda text: after.count(text) / len(after) - before.count(text) / len(before)
            )
            was_share, share = (f"{side.count(more)} of {len(side)} calls" for side in (before, after))
            return f"more often than before: {more} ({share}; baseline: {was_share})"
    return ""


def _by_caller(trait: Trait, calls: Sequence[Call], was: Sequence[_Seen]) -> dict[str, float]:
    shares: dict[str, list[bool]] = {}
    for call in calls:
        for seen in _seen(trait, [call]):
            shares.setdefault(call.caller, []).append(bool(_news(seen, was)))
    return {name: fmean(values) for name, values in shares.items()}


def _examples(new: Sequence[Labels], was: Sequence[_Seen]) -> tuple[str, ...]:
    """Return what is new, the most frequent first, and what the baseline has in its place."""
    counted: dict[str, int] = {}
    for labels in new:
        for text in labels.values():
            counted[text] = counted.get(text, 0) + 1
    texts = sorted(counted, key=lambda text: -counted[text])[:MOST_EXAMPLES]
    return tuple(
        f"{text} ({counted[text]} of {len(new)} calls; baseline: {_instead(text, was)})" for text in texts
    )


def _instead(text: str, was: Sequence[_Seen]) -> str:
    """Return what the baseline says of the same field, or else what it says most often."""
    known = [other for one in was for other in one.labels.values()]
    field = text.partition(" = ")[0]
    same = [other for other in known if " = " in text and other.partition(" = ")[0] == field] or known
    found = max(same, key=same.count)
    return found.partition(" = ")[2] or found


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    share, weight = hits / count, z * z / count
    middle, half = share + weight / 2, z * ((share * (1 - share) + weight / 4) / count) ** 0.5
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def _failures(variant: str, baseline: Sequence[Call], calls: Sequence[Call], tolerance: float) -> Verdict:
    was, now = (fmean(call.measures is None for call in side) for side in (baseline, calls))
    low, high = wilson(sum(call.measures is None for call in calls), len(calls))
    why = tuple(dict.fromkeys(call.error for call in calls if call.measures is None))[:MOST_EXAMPLES]
    return Verdict(
        variant, FAILED, "calls that failed", "of calls", "worse" if now - was > tolerance else "same", tolerance,
        was=was, now=now, low=low, high=high, pairs=len(calls), examples=why, is_trait=True,
        by_caller={},
    )  # fmt: skip
