"""Tools that take time, in their tasks: what they tell meanwhile, the key they are given, and being cancelled."""

from collections.abc import Callable

import pytest
import trio

from bridge.calls.tool_tasks import OnTold, ToolTasks
from bridge.given import MOST_UPDATES, CallInfo, IdempotencyKey, Progress, SecretDigits
from bridge.heart.effects import CancelTool, RunTool
from bridge.heart.events import ToolAnswered, ToolFailed, ToolReported
from bridge.tools import Tool, tool

INFO = CallInfo(id="CA1")


async def told_by(
    made: Tool, *, arguments: str = "{}", info: CallInfo = INFO
) -> list[ToolAnswered | ToolFailed | ToolReported]:
    told: list[ToolAnswered | ToolFailed | ToolReported] = []
    async with trio.open_nursery() as nursery:
        ToolTasks({made.name: made}, 2, info).start(RunTool("c1", made.name, arguments), nursery, told.append)
    return told


def in_a_thread(progress: Progress) -> str:
    progress.update("found  three\nflights")
    progress.update("asking for seats")
    return "booked"


async def on_the_loop(progress: Progress) -> str:
    progress.update("found three flights")
    progress.update("asking for seats")
    return "booked"


@pytest.mark.parametrize("function", [in_a_thread, on_the_loop])
async def test_what_a_tool_tells_while_it_runs_comes_before_its_answer(
    function: Callable[..., object],
) -> None:
    assert await told_by(tool(name="book")(function)) == [
        ToolReported("c1", "found three flights"),
        ToolReported("c1", "asking for seats"),
        ToolAnswered("c1", "booked"),
    ]


async def test_a_tool_that_tells_without_end_is_heard_so_many_times() -> None:
    @tool
    async def book(progress: Progress) -> str:
        for number in range(10_000):
            progress.update(f"{number} " + "x" * 1000)
        return "booked"

    *reports, _ = await told_by(book)
    assert len(reports) == MOST_UPDATES
    assert all(isinstance(one, ToolReported) and len(one.text) == 200 for one in reports)


async def test_a_thread_that_was_given_up_tells_nothing_any_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    given_up, has_told = trio.Event(), trio.Event()
    loop = trio.lowlevel.current_trio_token()

    @tool(timeout_ms=10)
    def book(progress: Progress) -> str:
        trio.from_thread.run(given_up.wait)
        progress.update("still at it")
        loop.run_sync_soon(has_told.set)
        return "booked"

    told: list[object] = []
    async with trio.open_nursery() as nursery:
        ToolTasks({"book": book}, 2).start(RunTool("c1", "book", "{}"), nursery, told.append)
    given_up.set()
    await has_told.wait()
    assert told == [ToolFailed("c1", "timeout", "book gave no answer within 10 ms")]


async def test_secret_digits_are_in_no_progress_either() -> None:
    @tool
    def pay(digits: SecretDigits, progress: Progress) -> str:
        progress.update(f"charging {digits.reveal()}")
        return "paid"

    told: list[object] = []
    async with trio.open_nursery() as nursery:
        run = RunTool("c1", "pay", '{"digits": "xxxx"}', 1)
        ToolTasks({"pay": pay}, 2).start(run, nursery, told.append, digits="4711")
    assert told == [ToolReported("c1", "charging xxxx"), ToolAnswered("c1", "paid")]


async def key_of(arguments: str, *, call: str = "CA1", name: str = "book") -> str:
    @tool(name=name)
    def book(key: IdempotencyKey, day: str, people: float = 2) -> str:
        return key

    (answer,) = await told_by(book, arguments=arguments, info=CallInfo(id=call))
    assert isinstance(answer, ToolAnswered)
    return answer.output


async def test_the_same_arguments_in_one_call_have_one_key_however_they_are_written() -> None:
    key = await key_of('{"day": "Friday", "people": 2}')
    assert len(key) == 32
    assert key == await key_of('{"people":2.0,"day":"Friday"}') == await key_of('{"day": "Friday"}')


@pytest.mark.parametrize("other", [{"arguments": '{"day": "Monday"}'}, {"call": "CA2"}, {"name": "cancel"}])
async def test_other_arguments_another_call_or_another_tool_have_another_key(other: dict[str, str]) -> None:
    assert await key_of('{"day": "Friday"}') != await key_of(**{"arguments": '{"day": "Friday"}'} | other)


def until_cancelled(seen: list[str]) -> Tool:
    @tool(cancellable=True)
    async def search() -> str:
        seen.append("began")
        try:
            await trio.sleep_forever()
        finally:
            seen.append("cancelled")
        return "never"

    return search


def into(told: list[object]) -> OnTold:
    return told.append


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_tool_that_is_cancelled_says_so_and_no_other_is(has_begun: bool) -> None:
    seen, told = list[str](), list[object]()
    tasks = ToolTasks({"search": until_cancelled(seen)}, 2)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            tasks.start(RunTool("c1", "search", "{}"), nursery, into(told))
            tasks.start(RunTool("c2", "search", "{}"), nursery, into(told))
            if has_begun:
                await trio.testing.wait_all_tasks_blocked()
            tasks.cancel(CancelTool("c1"))
            await trio.testing.wait_all_tasks_blocked()
            assert [type(one) for one in told] == [ToolFailed]
            assert seen == (["began", "began", "cancelled"] if has_begun else ["began"])
            tasks.cancel(CancelTool("c2"))
            tasks.cancel(CancelTool("c1"))  # it is gone
    assert [(one.call_id, one.kind) for one in told if isinstance(one, ToolFailed)] == [
        ("c1", "cancelled"),
        ("c2", "cancelled"),
    ]
