"""What must be said, what was never told before, and what a judge finds: as measures of a comparison."""

import numpy as np
from attrs import evolve
from measured import Change, calls, conditions

from replay.compare.outcome import Comparison, compare
from replay.compare.promises import with_promises
from replay.judge.call import Call
from replay.judge.facts import EVERYBODY, Fact, facts_in
from replay.judge.fields import fields_of
from replay.judge.metrics import Measures
from replay.judge.stats import draw, novelties
from replay.judge.thresholds import Thresholds, thresholds_of
from replay.judge.verdict import Verdict

THRESHOLDS = thresholds_of({"resamples": 1000})
MUST_SAY = {EVERYBODY: (Fact(("7 pm",)),), "books-table": (Fact(("Friday",)),)}


def says(*texts: str) -> Change:
    """Return what lets an agent say these words in each call."""

    def change(measures: Measures, repeat: int) -> Measures:
        return evolve(measures, said=texts, told=tuple(sorted(facts_in(texts))))

    return change


def compared(was: Change, now: Change, thresholds: Thresholds = THRESHOLDS, repeats: int = 5) -> Comparison:
    old, new = (
        with_promises(calls(name, 1, change, repeats=repeats), MUST_SAY)
        for name, change in (("old", was), ("new", now))
    )
    return compare(conditions(repeats), old, [new], thresholds)


def verdict(comparison: Comparison, name: str) -> Verdict:
    [found] = [one for one in comparison.verdicts["new"] if one.name == name]
    return found


FULL = says("A table on Friday at 7 pm.")

# ---------------------------------------------------------------- what must be said


def test_a_fact_that_is_no_longer_said_is_worse_and_named() -> None:
    found = verdict(compared(FULL, says("A table on Friday.")), "max_unsaid_change")
    assert found.status == "worse"
    assert found.examples == ("\u201c7 pm\u201d not said (15 of 15 calls; baseline: \u201c7 pm\u201d said)",)


def test_a_fact_of_one_caller_is_missed_with_that_caller_alone() -> None:
    comparison = compared(FULL, says("A table at 7 pm."), repeats=10)
    found = verdict(comparison, "max_unsaid_change")
    assert (found.status, found.pairs) == ("worse", 10)
    assert {name for name, share in found.by_caller.items() if share > 0} == {"books-table"}


def test_a_baseline_that_seldom_says_it_is_no_excuse_for_never() -> None:
    def seldom(measures: Measures, repeat: int) -> Measures:
        return (
            says("At 7 pm, on Friday.")(measures, repeat)
            if repeat % 5 < 2
            else says("Yes.")(measures, repeat)
        )

    found = verdict(compared(seldom, says("Yes."), repeats=20), "max_unsaid_change")
    assert found.status == "worse"
    assert found.was == 0.6


def test_to_say_it_more_often_is_better_and_to_say_it_otherwise_is_the_same() -> None:
    assert verdict(compared(says("Yes."), FULL), "max_unsaid_change").status == "better"
    assert verdict(compared(FULL, says("It is at 19:00, on Friday.")), "max_unsaid_change").now == 0


def test_no_list_is_no_measure() -> None:
    comparison = compare(conditions(), calls("old", 1, FULL), [calls("new", 1, FULL)], THRESHOLDS)
    assert "max_unsaid_change" not in [one.name for one in comparison.verdicts["new"]]


# ---------------------------------------------------------------- what was never told


def test_a_price_that_was_never_told_before_is_worse_and_named() -> None:
    found = verdict(compared(says("That is 45 euros."), says("That is 54 euros.")), "max_new_facts_change")
    assert found.status == "worse"
    assert found.examples[0].startswith("\u201c54\u201d (15 of 15 calls; baseline: nothing new")


def test_other_words_for_the_same_facts_are_nothing_new() -> None:
    found = verdict(compared(FULL, says("See you at seven o'clock then, on Friday.")), "max_new_facts_change")
    assert (found.was, found.now) == (0.0, 0.0)


def test_a_baseline_that_tells_something_else_each_time_takes_new_things_for_nothing() -> None:
    def counting(start: int) -> Change:
        return lambda measures, repeat: says(f"Your number is {start + repeat}.")(measures, repeat)

    found = verdict(compared(counting(100), counting(500)), "max_new_facts_change")
    assert found.status != "worse"
    assert (found.was, found.now) == (1.0, 1.0)


def test_what_another_caller_was_told_is_new_to_this_one() -> None:
    def of_their_own(call: Call, price: int) -> Call:
        assert call.measures is not None
        return evolve(call, measures=says(f"That is {price} euros.")(call.measures, 0))

    prices = {"asks-hours": 10, "books-table": 20, "interrupts": 30}
    old = [of_their_own(call, prices[call.caller]) for call in calls("old", 1)]
    new = [of_their_own(call, 20) for call in calls("new", 1)]
    found = verdict(compare(conditions(), old, [new], THRESHOLDS), "max_new_facts_change")
    assert found.now == 2 / 3
    assert found.by_caller == {"asks-hours": 1.0, "books-table": 0.0, "interrupts": 1.0}


def test_what_is_new_is_found_anew_in_each_draw() -> None:
    """Counted draw by draw in plain words, it is the same."""
    random = np.random.default_rng(3)
    told = (random.random((12, 6)) < 0.3).astype(float)
    callers, is_now = ["a"] * 6 + ["b"] * 6, [False, False, False, True, True, True] * 2
    draws = draw(callers, is_now, resamples=1000, seed=1)
    has = np.ones(12, dtype=bool)
    has[3] = False
    found = novelties(draws, told, has)
    for number in (0, 1, 17, 500):
        now = np.zeros(12, dtype=bool)
        for rows, side in zip(draws.rows, draws.sides, strict=True):
            now[rows] = side[number] > 0
        new = [
            row
            for row in range(12)
            if has[row]
            and any(
                told[row, fact]
                and not any(
                    told[other, fact]
                    for other in range(12)
                    if other != row and has[other] and not now[other] and callers[other] == callers[row]
                )
                for fact in range(6)
            )
        ]
        assert found.now[number] == sum(now[row] for row in new)
        assert found.was[number] == sum(not now[row] for row in new)


def test_equal_variants_that_tell_news_now_and_then_raise_few_false_alarms() -> None:
    def told(seed: int, name: str) -> list[Call]:
        random = np.random.default_rng([seed, len(name), ord(name[0])])
        return [
            evolve(
                call,
                measures=says(
                    f"45 euros{f', and {random.integers(100, 999)}' if random.random() < 0.1 else ''}"
                )(call.measures, 0),
            )
            for call in calls(name, seed)
            if call.measures is not None
        ]

    only = {
        **dict.fromkeys(THRESHOLDS, False),
        **{name: THRESHOLDS[name] for name in ("false_alarms", "seed")},
    }
    only |= {"resamples": 1000, "max_new_facts_change": 0.0}
    alarms = 0
    for seed in range(60):
        comparison = compare(conditions(), told(seed, "old"), [told(seed, "new")], only)
        alarms += bool(comparison.with_status("new", "worse"))
    assert alarms <= 7  # more than that of sixty come by chance once in a hundred times


# ---------------------------------------------------------------- the judge


def test_calls_that_a_judge_calls_bad_are_worse() -> None:
    old = [evolve(call, judged=True) for call in calls("old", 1)]
    new = [evolve(call, judged=call.caller == "interrupts") for call in calls("new", 1)]
    comparison = compare(conditions(), old, [new], THRESHOLDS)
    assert verdict(comparison, "max_judged_change").status == "worse"


def test_a_judge_that_read_one_side_alone_says_nothing() -> None:
    old = [evolve(call, judged=True) for call in calls("old", 1)]
    names = [
        field.trait.allowed
        for field in fields_of([*old, *calls("new", 1)], [False] * 15 + [True] * 15, THRESHOLDS)
    ]
    assert "max_judged_change" not in names


# ---------------------------------------------------------------- what is critical


def test_what_is_critical_and_in_no_call_is_not_settled() -> None:
    comparison = evolve(compared(FULL, FULL), critical=("max_judged_change",))
    assert comparison.is_worse
    assert comparison.sentence("new").startswith("Not yet: max_judged_change must not get worse")
    settled = evolve(compared(FULL, FULL, repeats=60), critical=("max_unsaid_change", "words_lost"))
    assert settled.answer("new") == "fine"


# ---------------------------------------------------------------- failures


def test_a_baseline_that_mostly_fails_is_no_excuse_for_a_variant_that_always_does() -> None:
    def failing(name: str, share: float) -> list[Call]:
        return [
            evolve(call, measures=None, error="no key") if call.repeat < share * 20 else call
            for call in calls(name, 1, repeats=20)
        ]

    found = compare(conditions(20), failing("old", 0.55), [failing("new", 1)], THRESHOLDS)
    assert "max_failed_calls" in [one.name for one in found.with_status("new", "worse")]
