"""What calls did alike or not, as columns of labels: traits, facts that must be said, what is new. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from attrs import frozen

from replay.judge.call import Call
from replay.judge.stats import MISSING, Array, Codes, Departures, Draws, departures, novelties
from replay.judge.table import TRAITS, Trait

MOST_FIELDS: Final = 60
"""Fields of a trait that are looked at, the first that are seen: arguments named by the model have no bound."""

MOST_FACTS: Final = 500
"""Facts of a caller that are looked at, the most frequent first: a model that counts to a thousand has no bound."""

FAILED: Final = Trait("max_failed_calls", "calls that failed", lambda measures: {})
UNSAID: Final = Trait("max_unsaid_change", "what must be said", lambda measures: {})
NEWS: Final = Trait("max_new_facts_change", "facts never told before", lambda measures: {})
JUDGED: Final = Trait("max_judged_change", "as the judge wants it", lambda measures: {})


@frozen(eq=False)
class Field:
    """One field of a trait: each call's label as a number, and what each label means to people.

    A call whose label is `fine` never departs; of a promise every other does. `told` is calls x facts where it is
    what was never told before that departs; the labels are then those of the sides as they are.
    """

    trait: Trait
    name: str
    codes: Codes
    texts: tuple[str, ...]
    fine: int | None = None
    is_promise: bool = False
    told: Array | None = None

    def departures(self, draws: Draws) -> Departures:
        """Return how many calls of each side depart, for each draw."""
        if self.told is not None:
            return novelties(draws, self.told, self.codes != MISSING)
        return departures(
            draws,
            self.codes,
            is_of_caller=self.trait.is_of_caller,
            fine=self.fine,
            is_promise=self.is_promise,
        )


def fields_of(
    calls: Sequence[Call], is_now: Sequence[bool], thresholds: Mapping[str, object]
) -> tuple[Field, ...]:
    """Return all fields of these calls; those that are switched off are left out."""
    wanted = [trait for trait in TRAITS if thresholds[trait.allowed] is not False]
    found = [field for trait in wanted for field in _fields(trait, calls, is_now)]
    found += [field for field in _others(calls, is_now) if thresholds[field.trait.allowed] is not False]
    return tuple(found)


def _others(calls: Sequence[Call], is_now: Sequence[bool]) -> Iterator[Field]:
    yield _failed(calls)
    yield from _unsaid(calls)
    yield from _news(calls, is_now)
    yield from _judged(calls, is_now)


# ---------------------------------------------------------------- traits


def _fields(trait: Trait, calls: Sequence[Call], is_now: Sequence[bool]) -> Iterator[Field]:
    labels = [trait.of(call.measures) if call.measures else {} for call in calls]
    fine = [call.measures is not None and trait.is_fine(call.measures) for call in calls]
    for name in list(dict.fromkeys(name for found in labels for name in found))[:MOST_FIELDS]:
        told = [found.get(name) for found in labels]
        if _has_both([known is not None for known in told], is_now):
            yield _field(trait, name, told, fine)


def _has_both(has: Sequence[bool], is_now: Sequence[bool]) -> bool:
    return len({side for side, known in zip(is_now, has, strict=True) if known}) == 2


def _field(trait: Trait, name: str, told: Sequence[tuple[str, str] | None], fine: Sequence[bool]) -> Field:
    """Number the labels; the wanted ones share a number, as none of them is a change."""
    numbers: dict[str | None, int] = {}
    texts: list[str] = []
    codes = np.full(len(told), MISSING, dtype=np.int64)
    for place, (known, is_fine) in enumerate(zip(told, fine, strict=True)):
        if known is None:
            continue
        key = None if is_fine else known[0]
        if key not in numbers:
            numbers[key] = len(texts)
            texts.append(known[1])
        codes[place] = numbers[key]
    return Field(trait, name, codes, tuple(texts), numbers.get(None))


# ---------------------------------------------------------------- promises


def _promise(trait: Trait, name: str, is_kept: Sequence[bool | None], texts: tuple[str, ...]) -> Field:
    """Return a field whose first label alone will do."""
    codes = np.array([MISSING if kept is None else int(not kept) for kept in is_kept], dtype=np.int64)
    return Field(trait, name, codes, texts, fine=0, is_promise=True)


def _failed(calls: Sequence[Call]) -> Field:
    reasons = [call.error for call in calls if call.measures is None]
    return _promise(
        FAILED, "", [call.measures is not None for call in calls], ("no call that failed", *reasons[:1])
    )


def _unsaid(calls: Sequence[Call]) -> Iterator[Field]:
    """Yield a field for each fact that must be said; calls of callers whose fact it is not are left out."""
    for name in list(dict.fromkeys(name for call in calls for name in call.promised))[:MOST_FIELDS]:
        kept = [call.promised.get(name) if call.measures else None for call in calls]
        yield _promise(UNSAID, name, kept, (f"\u201c{name}\u201d said", f"\u201c{name}\u201d not said"))


def _judged(calls: Sequence[Call], is_now: Sequence[bool]) -> Iterator[Field]:
    answers = [call.judged for call in calls]
    if _has_both([answer is not None for answer in answers], is_now):
        yield _promise(JUDGED, "", answers, ("yes, says the judge", "no, says the judge"))


# ---------------------------------------------------------------- news


def _news(calls: Sequence[Call], is_now: Sequence[bool]) -> Iterator[Field]:
    """Yield the field of what was never told before, where anything was said on both sides."""
    said = [call.measures.told if call.measures and call.measures.said else None for call in calls]
    if not _has_both([found is not None for found in said], is_now):
        return
    names = _frequent(said)
    place = {name: number for number, name in enumerate(names)}
    told = np.zeros((len(calls), len(names)))
    for row, found in enumerate(said):
        told[row, [place[name] for name in found or () if name in place]] = 1
    new = list(_new(calls, is_now, told))
    texts = {
        name: number for number, name in enumerate(dict.fromkeys(found for found in new if found >= 0), 1)
    }
    codes = [MISSING if found is None else texts.get(new[row], 0) for row, found in enumerate(said)]
    words = ("nothing new", *(f"\u201c{names[found]}\u201d" for found in texts))
    yield Field(NEWS, "", np.array(codes, dtype=np.int64), words, fine=0, is_promise=True, told=told)


def _frequent(said: Sequence[tuple[str, ...] | None]) -> list[str]:
    times = Counter(name for found in said for name in found or ())
    return sorted(times, key=lambda name: (-times[name], name))[:MOST_FACTS]


def _new(calls: Sequence[Call], is_now: Sequence[bool], told: Array) -> Iterator[int]:
    """Yield for each call a thing that no other of the baseline's with its caller tells; -1 if there is none."""
    known = {call.caller: np.zeros(told.shape[1]) for call in calls}
    for call, is_later, mine in zip(calls, is_now, told, strict=True):
        known[call.caller] += 0 if is_later else mine
    for call, is_later, mine in zip(calls, is_now, told, strict=True):
        others = known[call.caller] - (0 if is_later else mine)
        found = np.flatnonzero((mine > 0) & (others == 0))
        yield int(found[0]) if len(found) else -1
