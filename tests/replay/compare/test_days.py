"""The same variant on several days: what the server did by itself is no change of ours."""

import pytest
from attrs import evolve
from measured import Change, calls, conditions, one_more_item

from bench.gate_noise import LIVE, conditions_of, town_of
from bench.gate_noise import Change as Planted
from replay.compare.days import drift, drifted, pooled
from replay.compare.outcome import FORMAT, Baseline, IncomparableError, compare
from replay.judge.metrics import Measures
from replay.judge.thresholds import thresholds_of

THRESHOLDS = thresholds_of({"resamples": 1000})
SETTINGS = {
    "realtime": {"model": "gpt-realtime-2.1"},
    "agent": {"voice": "cedar", "limits": {"lead_ms": 300}},
}


def day(seed: int, change: Change | None = None, **in_force: object) -> Baseline:
    made = calls("today", seed, change) if change else calls("today", seed)
    return Baseline(FORMAT, conditions(), "today", tuple(made), in_force={**SETTINGS, **in_force})


def slower(measures: Measures, repeat: int) -> Measures:
    return evolve(measures, latencies_ms=tuple(ms + 300 for ms in measures.latencies_ms))


def test_what_the_server_changed_since_is_told_by_calls_of_now() -> None:
    found = drift([day(1)], THRESHOLDS, day(2, slower))
    assert list(found) == ["today, now"]
    assert list(drifted(found)) == [
        "The baseline itself drifted: today, now is worse than day 1 in answer heard after."
    ]


def test_a_server_that_did_not_change_did_not_drift() -> None:
    assert list(drifted(drift([day(1), day(2)], THRESHOLDS, day(3)))) == []


def test_one_day_alone_tells_nothing() -> None:
    assert drift([day(1)], THRESHOLDS) == {}


def test_days_on_which_a_variant_was_set_otherwise_are_refused_and_the_settings_named() -> None:
    other = day(2, agent={"voice": "marin", "limits": {"lead_ms": 200}})
    with pytest.raises(
        IncomparableError, match=r"today is set otherwise .*: agent\.voice and agent\.limits\.lead_ms"
    ):
        pooled([day(1), other])


def test_where_a_stand_ins_file_lies_is_no_setting() -> None:
    here, there = ({"file": f"{folder}/model.toml", "sha256": "ab"} for folder in ("a", "b"))
    assert len(pooled([day(1, standin=here), day(2, standin=there)]).calls) == 30


def test_a_change_of_ours_is_no_drift_and_a_drift_no_change_of_ours() -> None:
    """Both sides are called now: what the server did meets both."""
    town = town_of(LIVE, 6, 1)
    yesterday, now = town.calls("today", 10), town.calls("today", 10, Planted(answer_ms=400))
    variant = town.calls("next", 10, Planted(answer_ms=400, other_form=0.6))
    found = compare(conditions_of(6, 10), now, [variant], THRESHOLDS)
    assert {one.name for one in found.with_status("next", "worse")} == {
        "max_format_change",
        "max_argument_change",
    }
    days = [Baseline(FORMAT, conditions_of(6, 10), "today", tuple(made)) for made in (yesterday, now)]
    moved = drift(days[:1], THRESHOLDS, days[1])["today, now"]
    assert "latency_ms" in {one.name for one in moved if one.status == "worse"}
    assert "max_format_change" not in {one.name for one in moved if one.status == "worse"}


def test_more_output_items_on_a_later_day_are_told_with_the_day() -> None:
    told = list(drifted(drift([day(1), day(2), day(3, one_more_item)], THRESHOLDS)))
    assert told == [
        "The baseline itself drifted: today, day 3 is worse than day 1 in output items a response."
    ]
