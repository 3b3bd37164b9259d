import attrs
import pytest
from judged_calls import a_call

from replay.conformance.card import Check, Result
from replay.conformance.catalogue import SIGNATURE_CHECKED, TURN_ANSWERED
from replay.conformance.judging.verdicts import blamed, found
from replay.conformance.machine import Hurry


@pytest.mark.parametrize(
    ("check", "result", "late_ms", "told"),
    [
        (TURN_ANSWERED, "failed", 300, "failed"),
        (TURN_ANSWERED, "failed", 500, "unknown"),
        (TURN_ANSWERED, "passed", 500, "passed"),
        (SIGNATURE_CHECKED, "failed", 500, "failed"),
    ],
)
def test_nobody_is_blamed_for_what_a_full_machine_did(
    check: Check, result: Result, late_ms: int, told: Result
) -> None:
    call = a_call(hurry=Hurry(late_ms))
    assert blamed(found(check, call, result, "so"), call).result == told


@pytest.mark.parametrize(
    ("check", "at_once", "percent", "told"),
    [
        (TURN_ANSWERED, 20, 96.0, "unknown"),
        (TURN_ANSWERED, 20, 80.0, "failed"),
        (TURN_ANSWERED, 1, 96.0, "failed"),  # what it can't do for one caller it can't do
        (SIGNATURE_CHECKED, 20, 96.0, "failed"),
    ],
)
def test_a_bridge_that_has_no_time_left_for_many_calls_is_not_blamed_for_being_late(
    check: Check, at_once: int, percent: float, told: Result
) -> None:
    call = attrs.evolve(a_call(hurry=Hurry(bridge_percent=percent)), at_once=at_once)
    finding = blamed(found(check, call, "failed", "so"), call)
    assert (finding.result, finding.hindrance) == (told, "bridge" if told == "unknown" else "")
