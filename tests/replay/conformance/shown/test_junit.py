"""A report card in CI: a case a check, with the lines that prove it."""

from attrs import evolve
from report_cards import a_card

from replay.conformance.shown.junit import cases_of


def test_a_check_is_a_case_and_what_could_not_be_told_is_skipped() -> None:
    cases = list(cases_of(a_card(), strict=False))
    assert [(case.name, case.outcome) for case in cases] == [
        ("cleared", "passed"), ("heard-as-told", "failure"), ("signature-checked", "skipped"),
    ]  # fmt: skip


def test_strictly_what_could_not_be_told_failed() -> None:
    assert [case.outcome for case in cases_of(a_card(), strict=True)] == ["passed", "failure", "failure"]


def test_a_failure_brings_both_lines_of_each_call() -> None:
    failed = next(case for case in cases_of(a_card(), strict=False) if case.outcome == "failure")
    assert failed.message == "told as heard: 7620 ms; heard by the caller: 4720 ms"
    assert failed.text.count("    5.21  phone  clear 3100 ms unheard") == 2
    assert "    5.21  model  client says item item_4 was heard for 7620 ms" in failed.text
    assert "callers notice: the agent believes it has said what nobody heard" in failed.text


def test_where_nothing_could_be_told_no_suite_looks_green() -> None:
    cases = cases_of(evolve(a_card(), findings=()), strict=False)
    assert {case.outcome for case in cases} == {"error"}
