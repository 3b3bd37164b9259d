from replay.conformance.catalogue import CHECKS, FIRST_WORDS_PASSED, NO_FRAMES_LOST, TOOL_ANSWERED
from replay.conformance.situations import FIRST, Known, situations
from replay.conformance.telling import TELLING, telling

TOOL = {"type": "function", "name": "opening_hours", "parameters": {}}
MADE = situations(Known(tools=[TOOL]))


def test_of_each_check_some_call_can_tell() -> None:
    assert list(TELLING) == list(CHECKS)
    names = {one.name for one in MADE} | {FIRST.name}
    assert [check.name for check in CHECKS if not telling(MADE, [check])] == []
    assert len(names) == len(MADE) + 1


def test_whoever_looks_for_one_check_makes_the_calls_that_tell_of_it() -> None:
    assert [one.name for one in telling(MADE, [FIRST_WORDS_PASSED, NO_FRAMES_LOST])] == ["eager", "crowd"]
    assert [one.name for one in telling(MADE, [TOOL_ANSWERED])] == [
        "tool-1", "tools-parallel", "tool-broken-arguments", "tool-undeclared",
    ]  # fmt: skip
