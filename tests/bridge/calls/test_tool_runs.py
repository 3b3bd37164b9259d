"""Tools at work: how one is run, how they are loaded, and the demo restaurant's."""

import functools
import json
import threading
from asyncio import CancelledError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.lowlevel
import trio.testing

from bridge.calls.tool_runs import MAX_OUTPUT_BYTES, run_tool
from bridge.errors import ToolError
from bridge.heart.events import ToolAnswered, ToolFailed
from bridge.tools import Tool, load_tools, tool
from replay.callers import restaurant
from replay.callers.restaurant import check_table

TABLE = '{"day": "Friday", "people": 4, "time": "19:00"}'
ONE_TOOL = '@tool\ndef {0}(x: int) -> int:\n    """Double it."""\n    return 2 * x\n'


@attrs.frozen
class Guest:
    name: str
    age: int = 30


async def run(made: Tool, arguments: str = "{}", limiter: trio.CapacityLimiter | None = None) -> Any:
    return await run_tool(made, "call_1", arguments, limiter=limiter or trio.CapacityLimiter(2))


def write(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text("from bridge.tools import tool\n" + body)


async def crash_when_cancelled() -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise ValueError("cleaning up failed")


# ---------------------------------------------------------------- running


async def test_a_result_becomes_json_text() -> None:
    answer = await run(restaurant.opening_hours, '{"day": "Friday"}')
    assert answer == ToolAnswered("call_1", '{"day":"Friday","hours":"12:00-23:00"}')


async def test_a_string_is_the_answer_as_it_is() -> None:
    @tool
    async def greet(name: str) -> str:
        await trio.lowlevel.checkpoint()
        return f"Hello {name}"

    assert await run(greet, '{"name": "Ada"}') == ToolAnswered("call_1", "Hello Ada")


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as tools for plain functions do: the wrapper itself is none of the async ones."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as what makes plain functions of async ones does."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return trio.run(functools.partial(function, *args, **kwargs))

    return wrapper


async def look_up(day: str) -> str:
    await trio.lowlevel.checkpoint()
    return f"free on {day}"


@pytest.mark.parametrize(
    "function", [logged(look_up), logged(logged(look_up)), at_once(look_up), logged(at_once(look_up))]
)
async def test_an_async_tool_behind_decorators_gives_its_answer(function: Callable[..., Any]) -> None:
    assert await run(tool(function), '{"day": "Friday"}') == ToolAnswered("call_1", "free on Friday")


async def test_an_attrs_value_is_an_answer() -> None:
    made = tool(name="who")(lambda: [Guest("Ada")])
    assert json.loads((await run(made)).output) == [{"name": "Ada", "age": 30}]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), CancelledError(), SystemExit(3), ValueError("no")])
async def test_whatever_a_tool_raises_in_its_thread_is_an_answer(error: BaseException) -> None:
    def raise_it() -> None:
        raise error

    answer = await run(tool(name="raises")(raise_it))
    assert isinstance(answer, ToolFailed)
    assert answer.kind == "crashed"


async def test_a_sync_tool_runs_beside_the_loop() -> None:
    where = await run(tool(name="where")(lambda: threading.current_thread() is threading.main_thread()))
    assert where == ToolAnswered("call_1", "false")


async def test_wrong_arguments_are_an_answer_and_nothing_runs() -> None:
    answer = await run(check_table, '{"day": 5, "people": 4}')
    assert (answer.kind, "Expected `str`, got `int`" in answer.message) == ("arguments", True)


async def test_a_crash_is_an_answer_without_a_traceback() -> None:
    answer = await run(restaurant.opening_hours, '{"day": "Frayday"}')
    assert answer.kind == "crashed"
    assert answer.message.startswith("ValueError: Frayday is not a day of the week")


async def test_a_tool_that_exits_ends_nothing_but_itself() -> None:
    answer = await run(tool(name="leave")(lambda: exit(3)))
    assert answer == ToolFailed("call_1", "crashed", "SystemExit: 3")


async def test_a_crash_in_the_tools_own_nursery_is_told_as_what_it_was() -> None:
    async def crash() -> None:
        raise ValueError("no such table")

    @tool
    async def book() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)

    assert await run(book) == ToolFailed("call_1", "crashed", "ValueError: no such table")


async def test_an_answer_that_is_not_json_is_a_crash() -> None:
    answer = await run(tool(name="odd")(lambda: object()))
    assert answer == ToolFailed(
        "call_1", "crashed", "TypeError: Encoding objects of type object is unsupported"
    )


async def test_an_answer_too_big_for_the_model_is_a_failure_that_says_so() -> None:
    assert isinstance(await run(tool(name="full")(lambda: "x" * MAX_OUTPUT_BYTES)), ToolAnswered)
    answer = await run(tool(name="fuller")(lambda: "é" * (MAX_OUTPUT_BYTES // 2 + 1)))
    assert answer == ToolFailed("call_1", "crashed", "the answer is 32770 bytes, more than 32768")


async def test_a_slow_async_tool_fails_at_its_timeout(autojump_clock: trio.testing.MockClock) -> None:
    @tool(timeout_ms=1500)
    async def wait() -> None:
        await trio.sleep(60)

    before = autojump_clock.current_time()
    assert await run(wait) == ToolFailed("call_1", "timeout", "wait gave no answer within 1500 ms")
    assert autojump_clock.current_time() - before == pytest.approx(1.5, abs=0.1)


async def test_a_stuck_sync_tool_is_left_behind(autojump_clock: trio.testing.MockClock) -> None:
    release, before = threading.Event(), autojump_clock.current_time()
    try:
        answer = await run(tool(name="stuck", timeout_ms=20_000)(lambda: release.wait(60)))
    finally:
        release.set()
    assert answer.kind == "timeout"
    assert autojump_clock.current_time() - before == pytest.approx(20, abs=0.1)


async def test_waiting_for_a_free_thread_counts_as_time(autojump_clock: trio.testing.MockClock) -> None:
    limiter, before = trio.CapacityLimiter(1), autojump_clock.current_time()
    await limiter.acquire_on_behalf_of("another call")
    assert (await run(check_table, TABLE, limiter)).kind == "timeout"
    assert autojump_clock.current_time() - before == pytest.approx(8, abs=0.1)


async def test_a_crash_at_the_timeout_is_an_answer_too(autojump_clock: trio.testing.MockClock) -> None:
    @tool
    async def wait() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(crash_when_cancelled)

    autojump_clock.rate = 0
    assert await run(wait) == ToolFailed("call_1", "crashed", "ValueError: cleaning up failed")


async def test_cancellation_gets_out_of_a_running_tool() -> None:
    waiting, answers = trio.Event(), []

    @tool
    async def wait() -> None:
        waiting.set()
        await trio.sleep_forever()

    async def keep_answer() -> None:
        answers.append(await run(wait))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_answer)
        await waiting.wait()
        nursery.cancel_scope.cancel()
    assert answers == []


async def test_a_crash_while_cancelled_does_not_outlive_the_cancellation() -> None:
    @tool
    async def wait() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(crash_when_cancelled)

    with trio.move_on_after(0) as scope:
        await run(wait)
    assert scope.cancelled_caught


# ---------------------------------------------------------------- loading


def test_tools_are_loaded_from_modules_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path, "tools_in_a_module.py", ONE_TOOL.format("double"))
    write(tmp_path / "inner", "tools.py", "import tools_in_a_module\n" + ONE_TOOL.format("twice"))
    names = ["tools_in_a_module:double", "inner/tools.py:twice", "replay.callers.restaurant:check_table"]
    tools = load_tools(names, tmp_path)
    assert list(tools) == ["double", "twice", "check_table"]
    assert tools["twice"](4) == 8


def test_a_file_is_run_once_however_many_tools_it_has(tmp_path: Path) -> None:
    write(tmp_path, "two.py", ONE_TOOL.format("a") + ONE_TOOL.format("b"))
    tools = load_tools(["two.py:a", "two.py:b"], tmp_path)
    assert tools["a"].function.__globals__ is tools["b"].function.__globals__


def test_a_file_may_declare_its_own_dataclasses_in_postponed_annotations(tmp_path: Path) -> None:
    body = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    body += "from bridge.tools import tool\n"
    body += "@dataclass\nclass Who:\n    name: str\n@tool\ndef greet(who: Who) -> str:\n    return who.name\n"
    (tmp_path / "postponed.py").write_text(body)
    greet = load_tools(["postponed.py:greet"], tmp_path)["greet"]
    assert greet(**greet.check('{"who": {"name": "Ada"}}')) == "Ada"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("double", 'double: write "module:function" or "path/to/file.py:function"'),
        ("missing.py:double", "missing.py:double: no such file: "),
        ("missing_module:double", "missing_module:double: no module missing_module, neither in "),
        ("mine.py:doubel", 'mine.py:doubel: no tool "doubel" there; did you mean double?'),
        ("mine.py:plain", 'mine.py:plain: no tool "plain" there; write @tool above def plain'),
        ("broken.py:f", "broken.py:f: broken.py can't be imported: ZeroDivisionError: division by zero"),
        ("exits.py:f", "exits.py:f: exits.py can't be imported: SystemExit: "),
        ("mine.py:hang_up", 'mine.py:hang_up: "hang_up" is built in; write @tool(name='),
    ],
)
def test_a_tool_that_cannot_be_loaded_says_why_and_what_to_write(
    tmp_path: Path, name: str, words: str
) -> None:
    write(tmp_path, "mine.py", ONE_TOOL.format("double") + ONE_TOOL.format("hang_up") + "def plain(): ...\n")
    write(tmp_path, "broken.py", "1 / 0\n")
    write(tmp_path, "exits.py", "raise SystemExit(1)\n")
    with pytest.raises(ToolError) as caught:
        load_tools([name], tmp_path)
    assert str(caught.value).startswith(words)


def test_two_tools_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "first.py", ONE_TOOL.format("double"))
    write(tmp_path, "second.py", ONE_TOOL.format("double"))
    with pytest.raises(ToolError, match=r'second.py:double: a tool "double" is already there'):
        load_tools(["first.py:double", "second.py:double"], tmp_path)


# ---------------------------------------------------------------- the demo restaurant


def test_the_restaurant_has_tables_when_it_is_open_and_the_party_is_small() -> None:
    assert restaurant.check_table("Friday", 4, "19:00")["table"] == "by the window"
    assert restaurant.check_table("Friday", 4, "seven")["free"]
    assert restaurant.check_table("Monday", 4, "19:00") == {"free": False, "why": "we are closed on Monday"}
    assert restaurant.check_table("Friday", 9, "19:00")["why"] == "our largest table seats 8"
    assert restaurant.check_table("Sunday", 2, "19:00")["why"] == "on Sunday we are open 11:00-16:00"
    assert restaurant.opening_hours("friday ") == {"day": "friday ", "hours": "12:00-23:00"}
