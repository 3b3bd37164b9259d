"""What counts as worse: every planted difference is found, and equal variants are left in peace."""

from pathlib import Path
from random import Random

import pytest
from attrs import evolve
from measured import (
    Change,
    calls,
    compared,
    conditions,
    one_more_item,
    other_greeting_in_one_of_five,
    other_time_format,
    same,
    silent_300_ms_later,
)

from bridge.errors import ConfigError
from replay.compare.metrics import Measures
from replay.compare.outcome import (
    FORMAT,
    Baseline,
    Comparison,
    IncomparableError,
    compare,
    compare_with_saved,
    load_baseline,
)
from replay.compare.stats import Interval, differences, interval_of, shuffled_chance, student
from replay.compare.table import form_of
from replay.compare.verdict import thresholds_of

FEW = {"resamples": 100}


def names(comparison: Comparison, status: str = "worse") -> set[str]:
    """Return which measures came out so."""
    return {verdict.name for verdict in comparison.with_status("new", status)}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (other_greeting_in_one_of_five, "max_greeting_change"),
        (silent_300_ms_later, "onset_to_silence_ms"),
        (other_time_format, "max_format_change"),
        (one_more_item, "items_per_response"),
    ],
)
def test_what_was_planted_is_found_every_time(change: Change, name: str) -> None:
    assert all(name in names(compared(change, seed=seed, thresholds=FEW)) for seed in range(20))


def test_only_what_was_planted_is_found() -> None:
    assert names(compared(one_more_item)) == {"items_per_response"}


def test_equal_variants_give_false_alarms_in_at_most_one_comparison_of_twenty() -> None:
    alarms = sum(compared(same, seed=seed, thresholds=FEW).is_worse for seed in range(200))
    assert alarms <= 10


def test_even_where_nothing_is_borne_equal_variants_give_few_false_alarms() -> None:
    """Without tolerances only the arithmetic stands between chance and an alarm."""
    strict = {
        **FEW,
        "latency_ms": 0,
        "first_heard_ms": 0,
        "tool_called_ms": 0,
        "onset_to_silence_ms": 0,
        "cost_percent": 0,
    }
    alarms = sum(compared(same, seed=seed, thresholds=strict).is_worse for seed in range(200))
    assert alarms <= 10


def test_what_is_worse_with_one_caller_alone_is_found() -> None:
    def worse(one: Measures, repeat: int) -> Measures:
        return evolve(one, latencies_ms=(one.latencies_ms[0] + 400,))

    old, new = calls("old", 3), calls("new", 3)
    late = [
        evolve(c, measures=worse(c.measures, 0)) if c.measures and c.caller == "interrupts" else c
        for c in new
    ]
    found = compare(conditions(), old, [late], thresholds_of({}))
    [verdict] = [one for one in found.with_status("new", "worse") if one.name == "latency_ms"]
    assert verdict.blamed == ("interrupts",)


def test_a_baseline_that_varies_by_itself_may_vary_as_much_tomorrow() -> None:
    old = calls("old", 1, other_greeting_in_one_of_five)
    new = calls("new", 2, other_greeting_in_one_of_five)
    assert not compare(conditions(), old, [new], thresholds_of(FEW)).is_worse


def test_a_baseline_that_is_unsteady_raises_few_false_alarms() -> None:
    """An ending that comes in a tenth of all calls: what is new in one of them is no news."""
    alarms = 0
    for seed in range(40):
        random = Random(seed)

        def at_times(one: Measures, repeat: int, random: Random = random) -> Measures:
            return evolve(one, why="lost") if random.random() < 0.1 else one

        sides = (calls(name, seed, at_times, repeats=10) for name in ("old", "new"))
        old, new = sides
        alarms += compare(conditions(10), old, [new], thresholds_of(FEW)).is_worse
    assert alarms <= 2


def test_the_wanted_greeting_is_never_a_change() -> None:
    def other(one: Measures, repeat: int) -> Measures:
        return evolve(one, greeting="Good evening.", greeting_agreement=0.2)

    found = compare(conditions(), calls("old", 1, other), [calls("new", 1)], thresholds_of(FEW))
    assert "max_greeting_change" not in names(found)
    assert "greeting_agreement" in names(found, "better")


def test_an_ending_that_was_rare_and_became_the_rule_is_found() -> None:
    def lost(one: Measures, repeat: int) -> Measures:
        return evolve(one, ended_by="model", why="the model left")

    def at_times(one: Measures, repeat: int) -> Measures:
        return lost(one, repeat) if repeat < 2 else one

    found = compare(
        conditions(20),
        calls("old", 1, at_times, repeats=20),
        [calls("new", 1, lost, repeats=20)],
        thresholds_of(FEW),
    )
    [verdict] = found.with_status("new", "worse")
    assert verdict.examples[0].startswith("more often than before: model: the model left (20 of 20 calls")


def test_calls_that_fail_are_worse() -> None:
    new = [
        evolve(call, measures=None, error="refused") if call.repeat == 0 else call for call in calls("new", 1)
    ]
    found = compare(conditions(), calls("old", 1), [new], thresholds_of(FEW))
    assert names(found) == {"max_failed_calls"}


def test_a_single_call_proves_nothing_about_numbers() -> None:
    def slow(one: Measures, repeat: int) -> Measures:
        return evolve(one, latencies_ms=(5000,))

    old, new = (
        calls(name, 1, change, repeats=1, callers=("one",)) for name, change in (("old", same), ("new", slow))
    )
    found = compare(conditions(1, ("one",)), old, [new], thresholds_of(FEW))
    assert "latency_ms" in names(found, "unclear")
    assert not found.is_worse


def test_a_measure_that_is_switched_off_is_not_judged() -> None:
    found = compared(one_more_item, thresholds={"items_per_response": False})
    assert not found.is_worse


def test_thresholds_are_checked() -> None:
    with pytest.raises(ConfigError, match="latency: unknown key"):
        thresholds_of({"latency": 3})
    with pytest.raises(ConfigError, match="use a number from 0"):
        thresholds_of({"latency_ms": -1})


# ---------------------------------------------------------------- what can't be compared


def test_a_baseline_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    saved = Baseline(FORMAT, conditions(), "old", tuple(calls("old", 1)))
    saved.save(path)
    assert load_baseline(path) == saved


def test_a_saved_baseline_is_compared_like_a_variant() -> None:
    saved = Baseline(FORMAT, conditions(), "old", tuple(calls("old", 1)))
    found = compare_with_saved(saved, conditions(), [calls("new", 1, one_more_item)], thresholds_of(FEW))
    assert names(found) == {"items_per_response"}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (evolve(conditions(), agent="sales"), "agent: front-desk in the baseline, sales here"),
        (conditions(3), "repeats: 5 in the baseline, 3 here"),
        (conditions(5, ("asks-hours", "books-table")), "caller interrupts: in the baseline only"),
        (
            evolve(conditions(), callers={**conditions().callers, "interrupts": "1" * 64}),
            "interrupts: says other audio",
        ),
        (evolve(conditions(), mode="clock"), "mode: turns in the baseline, clock here"),
    ],
)
def test_what_can_not_be_compared_is_refused_with_the_reason(other: object, reason: str) -> None:
    saved = Baseline(FORMAT, conditions(), "old", tuple(calls("old", 1)))
    with pytest.raises(IncomparableError, match=reason):
        compare_with_saved(saved, other, [calls("new", 1)], thresholds_of(FEW))  # type: ignore[arg-type]


def test_a_variant_that_was_called_less_often_is_refused() -> None:
    with pytest.raises(IncomparableError, match="more or less often"):
        compare(conditions(), calls("old", 1), [calls("new", 1, repeats=4)], thresholds_of(FEW))


def test_a_baseline_of_failed_calls_is_refused() -> None:
    failed = [evolve(call, measures=None, error="no key") for call in calls("old", 1)]
    with pytest.raises(IncomparableError, match="no key"):
        compare(conditions(), failed, [calls("new", 1)], thresholds_of(FEW))


# ---------------------------------------------------------------- arithmetic


def test_students_quantiles_are_those_of_the_tables() -> None:
    found = [student(0.975, 4), student(0.995, 2), student(0.995, 1), student(0.975, 1000)]
    assert found == pytest.approx([2.7764, 9.9248, 63.6567, 1.9623], rel=1e-4)


def test_calls_are_paired_by_caller_and_repeat_and_what_is_left_over_in_order() -> None:
    was = {("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): 5.0}
    now = {("a", 1): 3.0, ("a", 2): 7.0, ("c", 0): 9.0}
    assert differences(was, now) == {"a": [1.0, 6.0]}


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """An end is wrong in at most 1 of 20 draws, also with five pairs."""
    random, wrong = Random(5), 0
    for _ in range(300):
        values = [random.gauss(0, 1) for _ in range(5)]
        found = interval_of(values, error=0.05, resamples=200, random=random)
        assert found is not None
        wrong += found.low > 0
    assert wrong <= 300 * 0.05 + 10


@pytest.mark.parametrize(
    ("low", "high", "status"), [(11, 20, "worse"), (-20, -11, "better"), (-5, 5, "same"), (5, 15, "unclear")]
)
def test_an_interval_says_no_more_than_it_proves(low: float, high: float, status: str) -> None:
    assert Interval((low + high) / 2, low, high, 9).status(10) == status


def test_labels_that_swap_places_are_hardly_chance_and_equal_ones_are() -> None:
    assert shuffled_chance(["a"] * 10, ["b"] * 10, resamples=500, random=Random(1)) < 0.01
    assert shuffled_chance(["a", "b"] * 5, ["b", "a"] * 5, resamples=500, random=Random(1)) > 0.5


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("19:00", "8:30", True),
        ("19:00", "7 pm", False),
        ("2026-11-27", "27.11.2026", False),
        (4, 11, True),
        (4, "4", False),
        ("Friday", "Sunday", True),
        ("Friday", "friday", False),
        ("by the window", "a quiet corner please", True),
        (True, 1, False),
    ],
)
def test_the_form_of_an_argument_is_how_it_is_written(one: object, other: object, is_same: bool) -> None:
    assert (form_of(one) == form_of(other)) == is_same
