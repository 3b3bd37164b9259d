import attrs
from judged_calls import a_call, answer, told, turn

from replay.conformance.judging.doors import STRANGERS, judge_doors, judge_survival
from replay.conformance.session_log import APPEND
from replay.conformance.situations import FIRST

KEYS = attrs.evolve(FIRST, name="keys")
READY = told(10, "session.created")


def test_a_caller_who_is_answered_behind_the_keys_was_not_disturbed_by_them() -> None:
    call = a_call(
        READY, turn(4100), answer(5500, 2, 2000), says=[(4000, 500)], heard=[(5600, 7600)], situation=KEYS
    )
    assert [found.result for found in judge_survival(call)] == ["passed"]


def test_a_call_that_ends_too_soon_failed_and_both_sides_prove_it() -> None:
    (found,) = judge_survival(a_call(READY, situation=KEYS, closed_by="bridge", closed_ms=900))
    assert found.result == "failed"
    assert found.phone is not None
    assert found.model is not None


def test_a_call_without_a_session_was_not_disturbed_by_the_keys() -> None:
    assert list(judge_survival(a_call(situation=KEYS, closed_by="bridge", closed_ms=900))) == []


def test_a_stranger_with_a_token_that_is_not_bound_to_its_call_is_told() -> None:
    for name, who in STRANGERS.items():
        stranger = attrs.evolve(FIRST, name=name)
        talks = a_call(READY, told(300, APPEND, "client"), situation=stranger, upgrade_status=101)
        (found,) = judge_doors(talks)
        assert (found.check, found.result, found.why) == (
            "socket-guarded",
            "failed",
            f"{who} talks to the model",
        )
        (found,) = judge_doors(a_call(situation=stranger, upgrade_status=403))
        assert found.result == "passed"
