import attrs
import pytest
from judged_calls import a_call, answer, error, told, turn

from replay.conformance.both_sides import BothSides
from replay.conformance.judging.turns import judge_turns
from replay.conformance.judging.verdicts import ACTIVE
from replay.conformance.machine import Hurry
from replay.conformance.situations import FIRST


def results(call: BothSides) -> dict[str, str]:
    found: dict[str, str] = {}
    for finding in judge_turns(call):
        found[finding.check] = (
            "failed" if "failed" in (found.get(finding.check), finding.result) else finding.result
        )
    return found


GOOD = {"says": [(4000, 500)], "heard": [(1000, 3000), (5600, 7600)]}


def test_a_call_as_it_should_be_passes() -> None:
    call = a_call(answer(990, 1, 2000), turn(4100), answer(5500, 2, 2000), **GOOD)
    assert results(call) == dict.fromkeys(
        ("turn-answered", "one-answer", "whole-answers", "prompt", "no-gaps"), "passed"
    )


def test_a_turn_that_nobody_answers_fails_and_says_how_far_it_came() -> None:
    call = a_call(turn(4100), says=[(4000, 500)])
    assert [(one.check, one.result, one.why) for one in judge_turns(call)] == [
        ("turn-answered", "failed", "the turn was committed, and no response was made")
    ]


def test_what_a_tool_gave_and_is_said_twice_is_another_check() -> None:
    item = {"type": "function_call_output", "call_id": "call_1", "output": "open"}
    outputs = [told(at, "conversation.item.create", "client", item=item) for at in (5000, 5010)]
    call = a_call(turn(4100), outputs, answer(5100, 1, 1000), answer(6300, 2, 1000), says=[(4000, 500)])
    assert results(call)["one-answer"] == "passed"


def test_words_that_were_said_before_the_model_was_there_are_another_check() -> None:
    said = {"says": [(1000, 500)]}
    assert results(a_call(told(3000, "session.created"), **said)) == {}
    assert results(a_call(told(900, "session.created"), **said))["turn-answered"] == "failed"


def test_what_was_not_long_enough_ago_can_not_be_told() -> None:
    assert results(a_call(turn(4100), says=[(4000, 500)], closed_ms=9000)) == {}


def test_two_answers_to_one_turn_are_one_too_many() -> None:
    call = a_call(
        answer(990, 1, 2000), turn(4100), answer(5500, 2, 500), answer(5600, 3, 500),
        says=[(4000, 500)], heard=[(1000, 3000), (5600, 6600)],
    )  # fmt: skip
    assert results(call)["one-answer"] == "failed"


def test_a_response_that_is_asked_for_while_one_is_active_is_one_too_many() -> None:
    call = a_call(answer(990, 1, 2000), turn(4100), answer(5500, 2, 2000), error(5510, ACTIVE), **GOOD)
    assert results(call)["one-answer"] == "failed"


def test_a_second_answer_to_something_else_is_none_too_many() -> None:
    item = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    output = told(5550, "conversation.item.create", "client", item=item)
    call = a_call(
        answer(990, 1, 2000), turn(4100), answer(5500, 2, 500), output, answer(5600, 3, 500),
        says=[(4000, 500)], heard=[(1000, 3000), (5600, 6600)],
    )  # fmt: skip
    assert results(call)["one-answer"] == "passed"


def test_an_answer_of_which_the_first_piece_is_missing_is_not_whole() -> None:
    call = a_call(answer(990, 1, 2000), heard=[(1000, 2600)])
    assert results(call)["whole-answers"] == "failed"


def test_an_answer_that_the_model_never_finished_need_not_be_whole() -> None:
    call = a_call(answer(990, 1, 2000, status="incomplete"), heard=[(1000, 2600)])
    assert "whole-answers" not in results(call)


def test_an_answer_into_which_the_caller_spoke_need_not_be_whole() -> None:
    call = a_call(answer(990, 1, 9000), heard=[(1000, 2600)], says=[(900, 800)])
    assert "whole-answers" not in results(call)


@pytest.mark.parametrize(
    ("hurry", "result"),
    [(Hurry(), "failed"), (Hurry(late_ms=400), "unknown"), (Hurry(idle_percent=1.0), "unknown")],
)
def test_a_hole_counts_unless_the_machine_was_full(hurry: Hurry, result: str) -> None:
    call = a_call(answer(990, 1, 2000), heard=[(1000, 1500), (2100, 3600)], hurry=hurry)
    assert results(call).get("no-gaps") == result


def test_an_answer_that_comes_two_seconds_after_the_model_has_spoken_is_late() -> None:
    assert results(a_call(answer(990, 1, 2000), heard=[(3000, 5000)]))["prompt"] == "failed"


def test_where_something_goes_wrong_on_purpose_an_answer_may_be_missing() -> None:
    call = a_call(turn(4100), says=[(4000, 500)], situation=attrs.evolve(FIRST, is_broken=True))
    assert results(call) == {}
