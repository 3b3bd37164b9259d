"""What is said of a report card in a few words."""

from attrs import evolve
from report_cards import HEARD, a_card

from replay.conformance.card import Finding, Measure
from replay.conformance.catalogue import CHECKS, PROMPT
from replay.conformance.shown.words import MEASURED, found_of, verdict


def test_what_was_measured_is_told_with_what_it_is() -> None:
    card = a_card(Finding(PROMPT.name, "turns", "passed", "9 ms", ms=9))
    assert found_of(card, PROMPT.name) == "9 ms"
    measured = evolve(card, measures=(Measure(PROMPT.name, 3, 9, 30),))
    told = found_of(measured, PROMPT.name)
    assert told == "from the model's first sound to the caller's ear: median 9 ms, worst 30 ms of 3"
    assert MEASURED.keys() <= {check.name for check in CHECKS}


def test_a_card_that_tells_nothing_is_not_called_good() -> None:
    assert verdict(evolve(a_card(), findings=())).startswith("Nothing could be told")
    assert verdict(a_card(Finding(HEARD.name, "a call", "passed", "so"))).startswith(
        "Callers are treated well"
    )
