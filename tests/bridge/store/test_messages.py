"""What the indexer tells its daemon of a record: all that is counted and traced, nothing that was said, in bounds."""

import pickle

import pytest
from recorded import TAPES, record
from recorded import counted as metrics_of

from bridge.observe.spans import spans_of
from bridge.store.messages import MOST_CHARACTERS, MOST_ROWS, counted

NAMES = sorted(path.name.removesuffix(".jsonl.gz") for path in TAPES.glob("*.jsonl.gz"))


@pytest.mark.parametrize("name", NAMES)
def test_metrics_and_traces_of_what_is_told_are_those_of_the_record(name: str) -> None:
    whole = record(name)
    told = counted(whole)
    one, other = metrics_of(whole), metrics_of(told)
    for family in (
        "bridge_turn_latency_seconds_sum",
        "bridge_truncated_items_total",
        "bridge_barge_ins_total",
    ):
        labels = {"agent": whole.call["agent"]}
        assert other.registry.get_sample_value(family, labels) == one.registry.get_sample_value(
            family, labels
        )
    for outcome in ("answered", "not_run", "crashed"):
        labels = {"agent": whole.call["agent"], "outcome": outcome}
        name_ = "bridge_tool_calls_total"
        assert other.registry.get_sample_value(name_, labels) == one.registry.get_sample_value(name_, labels)
    assert spans_of(told) == spans_of(whole)


def test_nothing_that_was_said_is_told() -> None:
    whole = record("interrupted")
    sent = pickle.dumps(counted(whole))
    assert [row["said"] for row in whole.transcript if row["said"]]
    assert not any(row["said"].encode() in sent for row in whole.transcript if len(row["said"]) > 3)


def test_a_record_without_end_is_told_in_bounds() -> None:
    whole = record("interrupted")
    whole.turns.extend(dict(whole.turns[0]) for _ in range(2 * MOST_ROWS))
    whole.tool_calls[0]["name"] = "x" * 10**6
    told = counted(whole)
    assert len(told.turns) == MOST_ROWS
    assert len(told.tool_calls[0]["name"]) == MOST_CHARACTERS
    assert len(pickle.dumps(told)) < 2**20
