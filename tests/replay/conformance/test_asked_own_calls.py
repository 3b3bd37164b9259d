from pathlib import Path

import pytest

from bridge.errors import BridgeError
from replay.conformance.asked import job_of, own_calls
from replay.conformance.catalogue import AS_TOLD, CHECKS

SCENARIOS = Path(__file__).parents[3] / "docs" / "scenarios"
PAIR = (SCENARIOS / "judged-phone.toml", SCENARIOS / "judged-model.toml")
TO = "http://127.0.0.1:5050/voice"


def test_a_call_of_one_s_own_is_two_scenarios_with_what_both_expect() -> None:
    (made,) = own_calls([PAIR], [])
    assert made.told is not None
    assert (made.name, made.told.phone.of_both.claims_within_ms, made.told.expect.truncations) == (
        "judged-phone", 600, 1,
    )  # fmt: skip
    assert job_of(TO, own=[made]).checks == (AS_TOLD, *CHECKS)


def test_calls_of_one_name_are_told_apart() -> None:
    assert [one.name for one in own_calls([PAIR, PAIR], [])] == ["judged-phone-1", "judged-phone-2"]


def test_checks_that_are_asked_for_by_name_stay_on_the_card_whatever_calls_there_are() -> None:
    (made,) = own_calls([PAIR], [])
    assert job_of(TO, own=[made], only=["tool-undeclared"]).are_named
    assert not job_of(TO, own=[made]).are_named


def test_what_only_own_calls_can_tell_is_no_check_of_the_card() -> None:
    with pytest.raises(BridgeError, match="--only as-told: there is no such check"):
        job_of(TO, only=["as-told"])
