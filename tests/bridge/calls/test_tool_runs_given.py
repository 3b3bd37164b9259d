"""Tools that ask for their call: what they get when they run, and what never gets out of them."""

from typing import Any

import pytest
import trio

from bridge.calls.tool_runs import NOT_TYPED, run_tool
from bridge.calls.tool_tasks import ToolTasks
from bridge.given import CallInfo, Given, SecretDigits
from bridge.heart.effects import RunTool
from bridge.heart.events import ToolAnswered, ToolFailed
from bridge.tools import Tool, tool

INFO = CallInfo(id="CA1", caller="+15550123456", elapsed_seconds=12.5)
PIN = SecretDigits("4711")


async def run(made: Tool, arguments: str = "{}", given: Given | None = None) -> Any:
    return await run_tool(
        made, "c1", arguments, limiter=trio.CapacityLimiter(2), given=given or Given(INFO, PIN)
    )


async def test_a_tool_learns_who_calls_in_a_thread_and_on_the_loop() -> None:
    @tool
    def who(day: str, call: CallInfo) -> str:
        return f"{call.caller} on {day} after {call.elapsed_seconds} s"

    @tool
    async def who_else(day: str, call: CallInfo) -> str:
        await trio.lowlevel.checkpoint()
        return f"{call.caller} on {day} after {call.elapsed_seconds} s"

    for one in (who, who_else):
        answer = await run(one, '{"day": "Friday"}', Given(INFO))
        assert answer == ToolAnswered("c1", "+15550123456 on Friday after 12.5 s")


async def test_a_tool_run_by_nobody_knows_of_nobody() -> None:
    @tool
    def who(call: CallInfo) -> str:
        return f"[{call.caller}]"

    assert await run_tool(who, "c1", "", limiter=trio.CapacityLimiter(1)) == ToolAnswered("c1", "[]")


async def test_each_tool_is_told_how_long_the_call_has_lasted_when_it_began() -> None:
    @tool
    def how_long(call: CallInfo) -> float:
        return call.elapsed_seconds

    tasks = ToolTasks({"how_long": how_long}, 2, CallInfo(), iter([1000, 2500]).__next__)
    answers: list[ToolAnswered | ToolFailed] = []
    async with trio.open_nursery() as nursery:
        for call_id in ("c1", "c2"):
            tasks.start(RunTool(call_id, "how_long", "{}"), nursery, answers.append)
    assert sorted(answer.output for answer in answers if isinstance(answer, ToolAnswered)) == ["1.0", "2.5"]


async def test_digits_reach_the_tool_that_is_started_with_them_and_no_other() -> None:
    seen: list[str] = []

    @tool
    def check_pin(digits: SecretDigits) -> bool:
        seen.append(digits.reveal())
        return True

    tasks, answers = ToolTasks({"check_pin": check_pin}, 2), list[ToolAnswered | ToolFailed]()
    async with trio.open_nursery() as nursery:
        tasks.start(
            RunTool("c1", "check_pin", '{"digits": "xxxx"}', 1), nursery, answers.append, digits="4711"
        )
    async with trio.open_nursery() as nursery:
        tasks.start(RunTool("c2", "check_pin", '{"digits": "4711"}'), nursery, answers.append)
    assert seen == ["4711"]
    assert answers == [ToolAnswered("c1", "true"), ToolFailed("c2", "arguments", NOT_TYPED)]


async def test_a_tool_may_have_them_as_a_plain_text_too() -> None:
    @tool
    def check_pin(digits: str) -> bool:
        return digits == "4711"

    answer = await run(check_pin, '{"digits": "xxxx"}')
    assert answer == ToolAnswered("c1", "true")


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_tool_says_of_its_digits_is_told_without_them(is_async: bool) -> None:
    def blurt(digits: SecretDigits) -> str:
        return f"the PIN {digits.reveal()} is right, 4-7-1-1, and no 94711"

    async def blurt_later(digits: SecretDigits) -> str:
        await trio.lowlevel.checkpoint()
        return blurt(digits)

    answer = await run(tool(blurt_later if is_async else blurt))
    assert answer == ToolAnswered("c1", "the PIN xxxx is right, x-x-x-x, and no 9xxxx")


async def test_an_error_that_quotes_the_digits_is_told_without_them() -> None:
    @tool
    def look(digits: SecretDigits) -> None:
        raise KeyError(digits.reveal())

    answer = await run(look)
    assert isinstance(answer, ToolFailed)
    assert "xxxx" in answer.message
    assert "4711" not in answer.message
