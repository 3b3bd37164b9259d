from attrs import evolve

from replay.conformance.card import Check, Finding, Measure, ReportCard, Result, measures_of, worse_than

CHECKS = tuple(Check(name, f"{name} is right", "something", "well") for name in ("a", "b", "c"))


def card(**results: tuple[Result, ...]) -> ReportCard:
    findings = [Finding(name, "a call", one, "so") for name, those in results.items() for one in those]
    return ReportCard(
        bridge="a bridge", url="http://127.0.0.1/", date="2026-01-01T00:00:00+00:00", took_seconds=1.0, checks=CHECKS,
        calls=(), findings=tuple(findings),
    )  # fmt: skip


def test_a_check_fails_by_one_call_and_passes_only_by_one_that_did() -> None:
    made = card(a=("passed", "failed", "unknown"), b=("unknown", "passed"), c=("unknown",))
    assert made.results == {"a": "failed", "b": "passed", "c": "unknown"}


def test_a_check_of_which_nothing_was_found_is_unknown() -> None:
    assert card().results == {"a": "unknown", "b": "unknown", "c": "unknown"}


def test_what_failed_is_shown_first() -> None:
    assert [one.result for one in card(a=("passed", "unknown", "failed")).of("a")] == [
        "failed",
        "unknown",
        "passed",
    ]


def test_without_a_baseline_whatever_failed_counts() -> None:
    made = card(a=("failed",), b=("unknown",), c=("passed",))
    assert worse_than(made, {}, strict=False) == ("a",)
    assert worse_than(made, {}, strict=True) == ("a", "b")


def test_with_a_baseline_only_what_got_worse_counts() -> None:
    made = card(a=("failed",), b=("failed",), c=("unknown",))
    before: dict[str, Result] = {"a": "failed", "b": "passed", "c": "passed"}
    assert worse_than(made, before, strict=False) == ("b",)
    assert worse_than(made, before, strict=True) == ("b", "c")
    assert worse_than(made, {"a": "unknown", "b": "failed"}, strict=False) == ("a",)


def test_what_was_measured_is_told_by_its_middle_and_its_worst() -> None:
    findings = [Finding("a", "a call", "passed", f"{ms} ms", ms=ms) for ms in (30, 9, 12)]
    made = evolve(card(a=("passed",), b=("passed",)), measures=measures_of(findings))
    assert made.measures == (Measure("a", 3, 12, 30),)
    assert (made.measured("a"), made.measured("b")) == (Measure("a", 3, 12, 30), None)
    assert measures_of(findings[:1]) == ()
