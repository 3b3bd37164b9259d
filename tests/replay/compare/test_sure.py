"""How sure a comparison is: the error it holds, what it would have seen, what it takes, and when it stops."""

from pathlib import Path

import pytest
from attrs import evolve

from bench.gate_noise import EQUAL, LIVE, Change, Ledger, conditions_of, fitted, town_of
from bridge.errors import ConfigError
from replay.compare.estimate import estimate, wanted_of
from replay.compare.outcome import Comparison
from replay.compare.search import Limits, NoLookError, searched
from replay.compare.sure import Schedule, schedule
from replay.judge.columns import Call, table_of
from replay.judge.power import Bar, seen_number, seen_share
from replay.judge.thresholds import thresholds_of
from replay.judge.verdict import Verdict, judge

THRESHOLDS = thresholds_of({"resamples": 1000})
LATE = Change(answer_ms=400)


def judged(change: Change, seed: int, callers: int = 6, repeats: int = 5) -> list[Verdict]:
    """Return the verdicts of a comparison of calls that vary like a live model's."""
    town = town_of(LIVE, callers, seed)
    return judge(town.calls("old", repeats), town.calls("new", repeats, change), THRESHOLDS)


def worse(verdicts: list[Verdict]) -> set[str]:
    return {verdict.name for verdict in verdicts if verdict.status == "worse"}


def search(change: Change, seed: int, limits: Limits, callers: int = 6) -> tuple[Comparison, Ledger]:
    """Return what a comparison finds that stops as soon as it is sure, and the calls made for it."""
    ledger = Ledger(town_of(LIVE, callers, seed), {"new": change})
    found = searched(conditions_of(callers, 10), "old", ["new"], THRESHOLDS, limits, make=ledger.make)
    return found, ledger


# ---------------------------------------------------------------- error and power


def test_calls_that_vary_like_a_live_models_raise_few_false_alarms() -> None:
    """At most one of twenty; sixty comparisons have more than seven by chance once in a hundred times."""
    assert sum(bool(worse(judged(EQUAL, seed))) for seed in range(60)) <= 7


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (Change(answer_ms=400), "latency_ms"),
        (Change(silence_ms=400), "onset_to_silence_ms"),
        (Change(tokens_percent=40), "output_tokens_percent"),
        (Change(other_form=0.6), "max_format_change"),
        (Change(reworded=0.6), "max_greeting_change"),
    ],
)
def test_a_plain_change_is_seen_through_the_noise(change: Change, name: str) -> None:
    assert all(name in worse(judged(change, seed)) for seed in range(5))


def test_free_words_are_no_form_and_no_value() -> None:
    names = {verdict.name: verdict.status for verdict in judged(EQUAL, 1, repeats=10)}
    assert "worse" not in (names["max_format_change"], names["max_argument_change"])
    assert names["max_free_argument_change"] in ("same", "unclear")


def test_more_calls_show_smaller_changes() -> None:
    few, many = (
        {verdict.name: verdict.seen for verdict in judged(EQUAL, 3, repeats=repeats)} for repeats in (5, 20)
    )
    for name in ("latency_ms", "onset_to_silence_ms", "max_greeting_change", "output_tokens_percent"):
        fewer, more = few[name], many[name]
        assert fewer is not None
        assert more is not None
        assert more < fewer


def test_a_told_change_of_a_share_is_seen_in_four_of_five_and_a_smaller_one_is_not() -> None:
    """Sixty calls a side, none of which departs by itself; nothing borne, Fisher's chance at most 0.01."""
    seen = seen_share(Bar(0.01, 0.0, 0.0), 0.0, 60, 60)
    assert seen is not None
    assert 0.10 < seen < 0.16  # seven of sixty against none is Fisher's 0.6 %, and comes in 4 of 5 at 15 %
    assert seen_share(Bar(0.01, 0.0, 0.0), 0.0, 3, 3) is None


def test_a_difference_of_means_is_seen_where_the_tolerance_and_chance_are_passed() -> None:
    found = seen_number(Bar(0.01, 2.33, 0.0), 10.0, 10.0, 1000)
    assert found == pytest.approx((2.33 + 0.842) * 10, rel=0.01)
    borne = seen_number(Bar(0.01, 2.33, 100.0), 10.0, 10.0, 1000)
    assert borne == pytest.approx(100 + (1.646 + 0.842) * 10, rel=0.01)


def test_turns_that_are_alike_in_a_call_count_as_one() -> None:
    """A call of ten equal turns weighs no more than a call of one."""

    def with_turns(call: Call, turns: tuple[int, ...]) -> Call:
        assert call.measures is not None
        return evolve(call, measures=evolve(call.measures, latencies_ms=turns))

    calls = town_of(LIVE, 1, 1).calls("old", 6)
    alike = [with_turns(call, (500 + 100 * n,) * (10 if n % 2 else 1)) for n, call in enumerate(calls)]
    table = table_of(alike, [], THRESHOLDS)
    [place] = [n for n, number in enumerate(table.numbers) if number.allowed == "latency_ms"]
    assert max(table.weights[:, place]) < 1.2


# ---------------------------------------------------------------- until it is sure


def test_looks_are_planned_within_the_calls_that_there_may_be() -> None:
    assert schedule(120, callers=6, variants=2) == Schedule(looks=5, step=2)
    assert schedule(24, callers=6, variants=2) == Schedule(looks=1, step=2)


def test_a_plain_regression_takes_few_calls() -> None:
    found, _ = search(LATE, 1, Limits(120))
    assert found.is_worse
    assert len(found.calls) <= 48


def test_equal_variants_take_all_calls_and_no_more() -> None:
    found, _ = search(EQUAL, 1, Limits(120))
    assert not found.is_worse
    assert len(found.calls) == 120
    assert not found.cut_short


def test_callers_who_vary_more_call_more_often_and_both_sides_equally() -> None:
    found, ledger = search(EQUAL, 2, Limits(240))
    old, new = (
        {caller: len(calls) for (variant, caller), calls in ledger.kept.items() if variant == name}
        for name in ("old", "new")
    )
    assert old == new
    assert len(set(old.values())) > 1
    assert found.verdicts["new"]


def test_a_budget_that_ends_first_is_said_in_the_answer() -> None:
    found, _ = search(EQUAL, 1, Limits(120, budget_usd=2.0))
    assert found.answer("new") == "blind"
    assert found.sentence("new").startswith("Not sure yet: 24 calls a side show nothing worse")
    assert "The budget of $2.00 ends here" in found.details("new")[0]
    assert sum(call.measures.cost_usd or 0 for call in found.calls if call.measures) <= 2.0


def test_a_budget_for_no_look_is_refused() -> None:
    with pytest.raises(NoLookError, match=r"the budget of \$0.50 ends here"):
        search(EQUAL, 1, Limits(120, budget_usd=0.5))


def test_what_was_made_before_is_not_made_again() -> None:
    _, ledger = search(LATE, 1, Limits(120))
    kept = {key: list(calls) for key, calls in ledger.kept.items()}
    searched(conditions_of(6, 10), "old", ["new"], THRESHOLDS, Limits(120), make=ledger.make)
    assert ledger.kept == kept


# ---------------------------------------------------------------- before it is paid for


def test_a_smaller_change_takes_more_calls() -> None:
    pilot = town_of(LIVE, 6, 1).calls("old", 3)

    def calls_for(size: str) -> int:
        wanted = wanted_of([f"latency_ms={size}"], THRESHOLDS)
        found = estimate(pilot, THRESHOLDS, callers=6, variants=2, at_once=4, wanted=wanted)
        return next(need.calls for need in found.needs if need.name == "latency_ms") or 0

    assert 6 <= calls_for("400") < calls_for("300") < calls_for("220")


def test_an_estimate_has_minutes_and_dollars() -> None:
    pilot = town_of(LIVE, 6, 1).calls("old", 3)
    found = estimate(pilot, THRESHOLDS, callers=6, variants=2, at_once=4, wanted={})
    assert found.calls == found.repeats * 6 * 2
    assert found.minutes == pytest.approx(found.calls * 14 / 60 / 4)
    assert found.usd == pytest.approx(found.calls * 0.04, rel=0.1)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ("latency=300", "no such measure; did you mean latency_ms"),
        ("latency_ms=soon", "write MEASURE=SIZE"),
        ("latency_ms=100", "use more than what is borne, 150"),
    ],
)
def test_what_is_to_be_seen_is_checked(told: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        wanted_of([told], THRESHOLDS)


# ---------------------------------------------------------------- the noise itself


def test_noise_is_fitted_to_recorded_calls() -> None:
    found = fitted(Path(__file__).parents[2] / "tapes")
    assert 300 < found.answer_ms < 2000
    assert 0 <= found.answer_spread < 1
    assert 0 <= found.reworded < 1


def test_too_few_tapes_fit_no_noise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="five are the least"):
        fitted(tmp_path)
