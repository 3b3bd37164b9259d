"""The table [must_say] of a plan, and which calls kept what it says."""

import pytest
from attrs import evolve
from measured import calls

from bridge.errors import ConfigError
from replay.compare.promises import check_callers, read_must_say, with_promises
from replay.judge.facts import Fact

RAW = {"*": ["Harbour Table"], "books-table": ["Friday", ["7 pm", "at seven"]]}


def test_facts_are_read_by_caller_with_other_ways_to_say_them() -> None:
    faults: list[str] = []
    assert read_must_say(RAW, faults) == {
        "*": (Fact(("Harbour Table",)),),
        "books-table": (Fact(("Friday",)), Fact(("7 pm", "at seven"))),
    }
    assert faults == []


@pytest.mark.parametrize("odd", [[], "Friday", [3], [[]], [["Friday", 3]], ["..."], {"fact": "Friday"}])
def test_what_is_no_fact_is_refused_with_what_to_write(odd: object) -> None:
    faults: list[str] = []
    assert read_must_say({"call": odd}, faults) == {}
    assert len(faults) == 1
    assert faults[0].startswith("[must_say] call = ")
    assert 'such as ["Friday", ["7 pm", "at seven"]]' in faults[0]


def test_a_table_that_is_none_is_refused() -> None:
    faults: list[str] = []
    read_must_say(["Friday"], faults)
    assert "use a table, written [must_say]" in faults[0]


def test_a_caller_who_does_not_call_is_refused_with_whom_may_be_meant() -> None:
    with pytest.raises(ConfigError, match=r"\[must_say\] book-table: no such caller; .*books-table"):
        check_callers({"book-table": (Fact(("Friday",)),)}, ["asks-hours", "books-table"])
    check_callers(read_must_say(RAW, []), ["books-table"])


def test_each_call_is_held_against_the_facts_of_its_caller() -> None:
    spoken = [
        evolve(call, measures=evolve(call.measures, said=("Harbour Table. On Friday at seven.",)))
        for call in calls("old", 1, repeats=1)
        if call.measures
    ]
    failed = evolve(spoken[0], measures=None, error="no key")
    told = with_promises([*spoken, failed], read_must_say(RAW, []))
    assert [call.promised for call in told] == [
        {"Harbour Table": True},
        {"Harbour Table": True, "Friday": True, "7 pm": True},
        {"Harbour Table": True},
        {},
    ]
