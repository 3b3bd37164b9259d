"""A whole comparison as a value: which calls were made under which conditions, and what was found. It prints nothing.

A baseline is one variant's measured calls, saved to be compared with later; only what was measured under the same
conditions can be compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec
from attrs import evolve, frozen

from bridge.errors import BridgeError
from bridge.tapes.odd_tapes import about
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from bridge.text.wording import counted
from replay.compare.model_judge import Agreement
from replay.compare.words import size
from replay.judge.call import Call
from replay.judge.metrics import measures_of
from replay.judge.thresholds import Thresholds
from replay.judge.verdict import Verdict, judge
from replay.tapes.beside import written_beside

Answer: TypeAlias = Literal["worse", "unproved", "blind", "fine"]

FORMAT: Final = 3
"""The number in a saved baseline; it counts up when measures change their meaning."""


class IncomparableError(BridgeError):
    """What was asked for can't be compared; the message says why."""


@frozen
class Conditions:
    """What must be the same on both sides: the agent, how callers take turns, who calls with which audio, how often."""

    agent: str
    mode: str
    callers: Mapping[str, str]
    repeats: int

    def differences(self, other: Self) -> Iterator[str]:
        """Yield why calls made under other conditions can't be compared with these."""
        for what in ("agent", "mode", "repeats"):
            was, now = getattr(other, what), getattr(self, what)
            if was != now:
                yield f"{what}: {was} in the baseline, {now} here"
        for name in dict.fromkeys((*other.callers, *self.callers)):
            if name not in self.callers:
                yield f"caller {name}: in the baseline only"
            elif name not in other.callers:
                yield f"caller {name}: not in the baseline"
            elif self.callers[name] != other.callers[name]:
                yield f"caller {name}: says other audio, or at another time, than in the baseline"


@frozen
class Baseline:
    """One variant's calls, as saved to a file: with the settings that were in force, and which judge read them."""

    format: int
    conditions: Conditions
    variant: str
    calls: tuple[Call, ...]
    in_force: Mapping[str, Any] = {}
    judge: str = ""

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        with written_beside(path) as part:
            part.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def load_baseline(path: Path) -> Baseline:
    """Read a saved baseline. Raises `IncomparableError`."""
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise IncomparableError(f"{path}: can't be read: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise IncomparableError(f"{path}: no saved baseline: {error}") from None
    if saved.format != FORMAT:
        raise IncomparableError(
            f"{path}: a baseline of format {saved.format}; this version compares format {FORMAT}"
        )
    return saved


@frozen
class Comparison:
    """What was found; `verdicts` by variant, the worst first. `calls` holds the baseline's too.

    `remarks` is what else to know before the verdicts are believed; `critical` names measures that must be settled;
    `cut_short` says of variants that were not settled yet why no more calls were made. `drift` holds the same variant
    on later days against its first, by day; `agreement` is what the judge is worth, where a model is one.
    """

    conditions: Conditions
    baseline: str
    calls: tuple[Call, ...]
    verdicts: Mapping[str, tuple[Verdict, ...]]
    thresholds: Thresholds
    remarks: tuple[str, ...] = ()
    critical: tuple[str, ...] = ()
    cut_short: Mapping[str, str] = {}
    drift: Mapping[str, tuple[Verdict, ...]] = {}
    agreement: Agreement | None = None

    def with_status(self, variant: str, status: str) -> list[Verdict]:
        """Return a variant's verdicts of one status, the worst first."""
        return [verdict for verdict in self.verdicts[variant] if verdict.status == status]

    @property
    def is_worse(self) -> bool:
        """Say whether any variant got worse in anything, or may have where the plan wants proof."""
        return any(self.answer(variant) in ("worse", "unproved") for variant in self.verdicts)

    def answer(self, variant: str) -> Answer:
        """Say in one word whether one may switch to this variant, and whether these calls could have told."""
        if self.with_status(variant, "worse"):
            return "worse"
        if self._open(variant):
            return "unproved"
        unclear = self.with_status(variant, "unclear")
        if variant in self.cut_short:
            return "blind"
        return "blind" if len(unclear) > self._judged(variant) * BLIND else "fine"

    def sentence(self, variant: str) -> str:
        """Return the answer to "may I switch to this variant?", in one sentence."""
        judged, calls = self._judged(variant), self._calls(variant)
        worse, unclear = self.with_status(variant, "worse"), self.with_status(variant, "unclear")
        match self.answer(variant):
            case "worse":
                return f"No: {variant} is worse than {self.baseline} in {len(worse)} of {judged} measures."
            case "unproved":
                missing = listed(self._open(variant))
                return f"Not yet: {missing} must not get worse, and {calls} a side can't tell."
            case "blind" if variant in self.cut_short:
                return (
                    f"Not sure yet: {calls} a side show nothing worse in {variant} than in {self.baseline}, "
                    "and no more can be paid."
                )
            case "blind":
                return (
                    f"Nothing shows that {variant} is worse than {self.baseline}, but {calls} a side "
                    f"can't tell in {len(unclear)} of {judged} measures."
                )
        return f"Yes: nothing got worse from {self.baseline} to {variant}, in {judged} measures."

    def details(self, variant: str) -> list[str]:
        """Return what the answer stands on: what got worse, how sure that is, and what is not settled."""
        worse, unclear, better = (
            self.with_status(variant, status) for status in ("worse", "unclear", "better")
        )
        told = [
            f"{what}: {listed([verdict.title for verdict in found])}."
            for what, found in (("Worse", worse), ("Better", better), ("Too few calls to tell", unclear))
            if found
        ]
        return [*self._sureness(variant), " ".join(told)] if told else list(self._sureness(variant))

    def _sureness(self, variant: str) -> Iterator[str]:
        """Yield how often chance alone gives a red answer, or what a green one would not have missed."""
        if variant in self.cut_short:
            yield f"{self.cut_short[variant]}."
        worse = self.with_status(variant, "worse")
        if worse:
            chance = min(verdict.chance or 0.0 for verdict in worse)
            least = 1 / self.thresholds["resamples"]
            rate = f"fewer than {_one_of(least)}" if chance <= 2 * least else _one_of(chance)
            yield f"Of comparisons of equal variants, {rate} would look like this."
            return
        by_name = {verdict.name: verdict for verdict in self.verdicts[variant]}
        told = [by_name[name] for name in TOLD if name in by_name and by_name[name].seen is not None]
        if told:
            sizes = listed([TOLD[verdict.name].format(size(verdict)) for verdict in told], most=len(TOLD))
            yield f"8 of 10 such comparisons would have shown {sizes}."

    def _open(self, variant: str) -> list[str]:
        """Return what is critical and not settled; what no call has is not."""
        by_name = {verdict.name: verdict for verdict in self.verdicts[variant]}
        return [
            by_name[name].title if name in by_name else name
            for name in self.critical
            if name not in by_name or by_name[name].status in ("unclear", "no data")
        ]

    def _judged(self, variant: str) -> int:
        return sum(verdict.status != "no data" for verdict in self.verdicts[variant])

    def _calls(self, variant: str) -> str:
        return counted(sum(call.variant == variant for call in self.calls), "call")


def _one_of(chance: float) -> str:
    return f"1 in {round(1 / max(chance, 1e-9))}"


TOLD: Final = {
    "latency_ms": "answers {} later",
    "onset_to_silence_ms": "interruptions heeded {} later",
    "max_greeting_change": "another greeting {}",
    "max_format_change": "another form of an argument {}",
    "max_unsaid_change": "a fact left out {}",
}
"""Whose smallest visible change the headline names: what callers notice first, and what breaks programs."""

BLIND: Final = 1 / 3
"""The part of all measures that may be unclear in a comparison that is still an answer."""


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names as an enumeration."""
    shown = [*names[:most], f"{len(names) - most} more"] if len(names) > most else list(names)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def compare(
    conditions: Conditions,
    baseline: Sequence[Call],
    variants: Iterable[Sequence[Call]],
    thresholds: Thresholds,
) -> Comparison:
    """Judge every variant's calls against the baseline's. Raises `IncomparableError`."""
    if not any(call.measures for call in baseline):
        why = baseline[0].error if baseline else "no call was made"
        raise IncomparableError(f"the baseline has no call that could be measured: {why}")
    sides = list(variants)
    if not sides:
        raise IncomparableError("there is nothing to compare the baseline with: name a second variant")
    expected = {
        (call.caller, call.repeat) for call in baseline if call.repeat < conditions.repeats
    }  # of one day
    for calls in sides:
        if {(call.caller, call.repeat) for call in calls} != expected:
            raise IncomparableError(
                f"{calls[0].variant}: called by others, or more or less often, than the baseline"
            )
    verdicts = {
        calls[0].variant: tuple(judge(baseline, calls, thresholds, variants=len(sides))) for calls in sides
    }
    every = (*baseline, *(call for calls in sides for call in calls))
    return Comparison(conditions, baseline[0].variant, every, verdicts, thresholds)


def compare_with_saved(
    saved: Baseline, conditions: Conditions, variants: Iterable[Sequence[Call]], thresholds: Thresholds
) -> Comparison:
    """Judge calls against a saved baseline. Raises `IncomparableError` with all reasons why that means nothing."""
    reasons = list(conditions.differences(saved.conditions))
    if reasons:
        raise IncomparableError("this can't be compared with the saved baseline: " + "; ".join(reasons))
    name = f"{saved.variant} (saved)"
    return compare(conditions, [evolve(call, variant=name) for call in saved.calls], variants, thresholds)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for machines."""
    told: dict[str, Any] = msgspec.to_builtins(comparison)
    answers = {name: comparison.sentence(name) for name in comparison.verdicts}
    return {"worse": comparison.is_worse, "answers": answers, **told}


def measured(variant: str, caller: str, repeat: int, tape: Path, error: str | None) -> Call:
    """Return a call as its tape tells it; one that can't be read is a call that failed."""
    if error:
        return Call(variant, caller, repeat, str(tape), None, error)
    try:
        with about(tape):
            found = read_tape(tape)
            measures = measures_of(found.header, map(decode, found.lines))
    except BridgeError as problem:
        return Call(variant, caller, repeat, str(tape), None, f"its tape can't be measured: {problem}")
    return Call(variant, caller, repeat, str(tape), measures)
