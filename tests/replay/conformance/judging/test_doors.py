import attrs
from judged_calls import a_call, answer, told, turn

from replay.conformance.judging.doors import judge_survival
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
