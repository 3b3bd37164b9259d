from collections.abc import Iterable

from judged_calls import a_call, answer, error, told

from replay.conformance.both_sides import BothSides
from replay.conformance.judging.tool_calls import judge_tools
from replay.conformance.judging.verdicts import ACTIVE
from replay.conformance.session_log import APPEND, Told
from replay.conformance.situations import UNDECLARED


def called(at_ms: int, name: str = "opening_hours", call_id: str = "call_1") -> Told:
    return told(at_ms, "response.function_call_arguments.done", name=name, call_id=call_id)


def output(at_ms: int, call_id: str = "call_1") -> Told:
    item = {"type": "function_call_output", "call_id": call_id, "output": "open"}
    return told(at_ms, "conversation.item.create", "client", item=item)


def frames(since_ms: int, until_ms: int) -> Iterable[Told]:
    return [told(at, APPEND, "client") for at in range(since_ms, until_ms, 20)]


def results(call: BothSides) -> dict[str, str]:
    return {finding.check: finding.result for finding in judge_tools(call)}


TOLD = {"heard": [(5300, 7000)]}


def test_a_tool_that_is_answered_once_and_told_passes() -> None:
    call = a_call(called(5000), output(5100), answer(5250, 2, 1700), **TOLD)
    assert results(call) == {"tool-answered": "passed", "tool-result-told": "passed"}


def test_a_tool_that_is_answered_twice_fails() -> None:
    call = a_call(called(5000), output(5100), output(5110), answer(5250, 2, 1700), **TOLD)
    assert results(call) == {"tool-answered": "failed", "tool-result-told": "passed"}


def test_a_tool_that_is_never_answered_fails_once_there_was_time() -> None:
    assert results(a_call(called(5000))) == {"tool-answered": "failed"}
    assert results(a_call(called(5000), closed_ms=9000)) == {}


def test_a_tool_that_nobody_declared_is_another_check() -> None:
    assert results(a_call(called(5000, UNDECLARED))) == {"tool-undeclared": "failed"}


def test_what_becomes_of_the_answer_to_an_undeclared_tool_is_told_of_that_check_alone() -> None:
    silent = a_call(called(5000, UNDECLARED), output(5100))
    assert [(found.check, found.result) for found in judge_tools(silent)] == [
        ("tool-undeclared", "passed"), ("tool-undeclared", "failed"),
    ]  # fmt: skip
    spoken = a_call(called(5000, UNDECLARED), output(5100), answer(5250, 2, 1700), **TOLD)
    assert {(found.check, found.result) for found in judge_tools(spoken)} == {("tool-undeclared", "passed")}


def test_a_result_of_which_nothing_is_heard_fails() -> None:
    assert results(a_call(called(5000), output(5100)))["tool-result-told"] == "failed"


def test_a_second_request_for_the_answer_fails_whether_it_is_refused_or_not() -> None:
    refused = a_call(called(5000), output(5100), answer(5250, 2, 1700), error(5260, ACTIVE), **TOLD)
    second = a_call(called(5000), output(5100), answer(5250, 2, 1700), answer(5400, 3, 900), **TOLD)
    assert results(refused)["tool-result-told"] == results(second)["tool-result-told"] == "failed"


def test_the_line_is_open_when_frames_go_on_while_a_tool_runs() -> None:
    slow = called(5000), output(7500), answer(7600, 2, 1000)
    assert results(a_call(*slow, frames(5000, 7500), heard=[(7700, 8700)]))["line-open-in-tools"] == "passed"
    assert results(a_call(*slow, frames(7400, 7500), heard=[(7700, 8700)]))["line-open-in-tools"] == "failed"


def test_of_a_fast_tool_nobody_can_tell_whether_it_blocks() -> None:
    call = a_call(called(5000), output(5900), answer(6000, 2, 1000), heard=[(6100, 7100)])
    assert "line-open-in-tools" not in results(call)
