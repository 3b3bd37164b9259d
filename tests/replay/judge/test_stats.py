"""What counts as worse: every planted difference is found, and equal variants are left in peace."""

from pathlib import Path
from random import Random

import numpy as np
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
from replay.compare.days import pooled
from replay.compare.outcome import (
    FORMAT,
    Baseline,
    Comparison,
    IncomparableError,
    compare,
    compare_with_saved,
    load_baseline,
)
from replay.judge.metrics import Measures
from replay.judge.stats import (
    Differences,
    Interval,
    departures,
    differences,
    draw,
    interval_of,
    quantile,
    ranked,
    together,
)
from replay.judge.table import form_of
from replay.judge.thresholds import thresholds_of

FEW = {"resamples": 1000}


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
    assert all(name in names(compared(change, seed=seed, thresholds=FEW, repeats=20)) for seed in range(10))


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
    text = "model: the model left (60 of 60 calls; baseline: tool: the agent hung up, and 6 so)"
    assert verdict.examples == (text,)


def test_calls_that_fail_are_worse() -> None:
    new = [
        evolve(call, measures=None, error="refused") if call.repeat < 3 else call for call in calls("new", 1)
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


def a_day(seed: int, change: Change = same) -> Baseline:
    """Return a saved day of one variant."""
    return Baseline(FORMAT, conditions(), "old", tuple(calls("old", seed, change)))


def test_days_are_taken_together_and_see_more() -> None:
    new = calls("new", 9)
    one, three = (
        compare_with_saved(pooled(days), conditions(), [new], thresholds_of(FEW))
        for days in ([a_day(1)], [a_day(1), a_day(2), a_day(3)])
    )
    few, many = (
        {verdict.name: verdict.seen or 9.0 for verdict in found.verdicts["new"]} for found in (one, three)
    )
    assert many["max_format_change"] < few["max_format_change"]
    assert not three.is_worse


def test_days_of_another_agent_are_not_taken_together() -> None:
    other = evolve(a_day(2), conditions=evolve(conditions(), agent="sales"))
    with pytest.raises(IncomparableError, match="agent: front-desk in the baseline, sales here"):
        pooled([a_day(1), other])


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
    found = [quantile(0.975, 4), quantile(0.995, 2), quantile(0.995, 1), quantile(0.975, 1000)]
    assert found == pytest.approx([2.7764, 9.9248, 63.6567, 1.9623], rel=1e-4)


def found_in(callers: list[str], was: list[float], now: list[float]) -> Differences:
    """Return the differences of one number; both sides have the same callers, in this order."""
    sides = draw(callers * 2, [False] * len(was) + [True] * len(now), resamples=1000, seed=1)
    values = np.array([was + now], dtype=float).T
    return differences(sides, np.nan_to_num(values), np.isfinite(values).astype(float))


def test_calls_are_compared_within_their_caller() -> None:
    """One caller is ten times as slow: that is no spread of the difference."""
    found = found_in(["a", "a", "b", "b"], [1.0, 1.2, 10.0, 10.2], [2.0, 2.2, 11.0, 11.2])
    assert found.mean[0, 0] == pytest.approx(1.0)
    assert found.error[0, 0] == pytest.approx(0.1)
    assert found.freedom[0, 0] == 4


def test_one_call_of_each_caller_is_compared_between_callers() -> None:
    found = found_in(["a", "b", "c"], [1.0, 2.0, 3.0], [2.0, 3.0, 5.0])
    assert found.freedom[0, 0] == 2
    assert found.error[0, 0] == pytest.approx(1 / 3)


def test_a_call_that_lacks_a_number_is_left_out() -> None:
    found = found_in(["a", "a", "a"], [1.0, 1.2, np.nan], [2.0, 2.2, 2.1])
    assert found.mean[0, 0] == pytest.approx(1.0)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """An end is wrong in 1 of 20 draws, also with five calls a side."""
    random, wrong = np.random.default_rng(5), 0
    for _ in range(400):
        found = found_in(["a"] * 5, list(random.normal(0, 1, 5)), list(random.normal(0, 1, 5)))
        ends = interval_of(*(float(part[0, 0]) for part in (found.mean, found.error, found.freedom)))
        wrong += ends.low > 0
    assert wrong <= 400 * 0.05 + 12


@pytest.mark.parametrize(
    ("low", "high", "status"), [(11, 20, "worse"), (-20, -11, "better"), (-5, 5, "same"), (5, 15, "unclear")]
)
def test_an_interval_says_no_more_than_it_proves(low: float, high: float, status: str) -> None:
    assert Interval((low + high) / 2, low, high).status(10) == status


def departing(was: str, now: str) -> tuple[float, float]:
    """Return by how much more calls depart, and the chance of it, nothing borne; a letter is a call's label."""
    sides = draw(["a"] * len(was + now), [False] * len(was) + [True] * len(now), resamples=2000, seed=1)
    codes = np.array([ord(label) - ord("a") for label in was + now])
    beyond = departures(sides, codes, is_of_caller=True).beyond(0.0)[:, None]
    return float(beyond[0, 0]), float(ranked(beyond)[0, 0])


def test_labels_that_swap_places_are_hardly_chance_and_equal_ones_are() -> None:
    assert departing("aaaaaaaaaa", "bbbbbbbbbb")[1] < 0.001
    assert departing("ababababab", "bababababa")[1] == 1.0


def test_a_baseline_that_never_varied_in_few_calls_is_no_promise() -> None:
    """Of five calls a side, one that departs is what equal variants show half the time; five never a tenth so often."""
    assert departing("aaaaa", "aaaab")[1] > 0.4
    assert departing("aaaaa", "bbbbb")[1] == pytest.approx(2 / 252, abs=0.004)


def test_what_is_more_frequent_already_may_become_the_rule() -> None:
    assert departing("aaaaaaabbb" * 2, "aaaaaaaaaa" * 2)[1] == 1.0
    assert departing("aaaaaaabbb" * 2, "bbbbbbbbbb" * 2)[1] < 0.001


def test_chances_are_taken_together_and_what_measures_have_in_common_counts_once() -> None:
    random = np.random.default_rng(1)
    excess = random.normal(size=(4000, 1))
    excess[0] = 2.5
    many = np.hstack([excess, random.normal(size=(4000, 9))])
    own, same_ten, ten = (together(ranked(part))[0] for part in (excess, np.tile(excess, 10), many))
    assert same_ten == own
    assert 6 * own < ten < 10.5 * own


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
