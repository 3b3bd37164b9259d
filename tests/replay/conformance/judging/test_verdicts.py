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
