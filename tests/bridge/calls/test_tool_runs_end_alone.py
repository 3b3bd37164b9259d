"""A tool can end nothing but itself: whatever it raises, returns, swallows or leaves open, the call hears an answer."""

import json
import signal
import threading
from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.tool_runs import run_tool
from bridge.errors import ToolError, first_of
from bridge.heart.events import ToolAnswered, ToolFailed
from bridge.tapes import tape
from bridge.tools import Tool, afresh, load_tools, tool

HALF = "\ud83d"
Answer = ToolAnswered | ToolFailed


class FunctionTimedOut(BaseException):
    """As func_timeout's."""


class PanicException(BaseException):
    """As PyO3's."""


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit(4)


class Endless(Exception):
    def __str__(self) -> str:
        while not ENOUGH.wait(0.01):
            pass
        return ""


class Wordless(BaseException):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


class Armed(BaseException):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt


class Halves(BaseException):
    def __str__(self) -> str:
        return f"cut {HALF} off"


ENOUGH = threading.Event()
"""Set at the end of the tests, for threads that are left behind."""

KINDS: dict[str, Callable[[], BaseException]] = {
    "FunctionTimedOut": FunctionTimedOut,
    "PanicException": lambda: PanicException("called `Option::unwrap()` on a `None` value"),
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "asyncio's CancelledError": CancelledError,
    "StopIteration": lambda: StopIteration(1),
    "StopAsyncIteration": StopAsyncIteration,
    "a forged Cancelled": lambda: trio.Cancelled._create(source="unknown"),
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "a group": lambda: BaseExceptionGroup("several", [PanicException("one"), KeyboardInterrupt()]),
    "a group with a Cancelled": lambda: BaseExceptionGroup(
        "several", [trio.Cancelled._create(source="unknown"), PanicException("two")]
    ),
    "an error whose words raise": Mute,
    "an error whose arguments raise": Armed,
    "an error whose words are none": Wordless,
    "an error whose words have no end": Endless,
    "an error with half an emoji": Halves,
    "a plain error with half an emoji": lambda: ValueError(f"no {HALF}"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _enough() -> Iterator[None]:
    ENOUGH.clear()
    yield
    ENOUGH.set()


async def run(made: Tool, arguments: str = "{}") -> Answer:
    """Run a tool, and hold that what came of it can be put on a tape."""
    answer = await run_tool(made, "call_1", arguments, limiter=trio.CapacityLimiter(2))
    tape.encode(tape.tool_line(0, answer))
    return answer


# ---------------------------------------------------------------- what a tool raises

Way = Callable[[BaseException], Tool]


def in_a_thread(error: BaseException) -> Tool:
    def raise_it() -> None:
        raise error

    return tool(name="raises", timeout_ms=50)(raise_it)


def at_once(error: BaseException) -> Tool:
    @tool(name="raises")
    async def raise_it() -> None:
        raise error

    return raise_it


def after_a_wait(error: BaseException) -> Tool:
    @tool(name="raises")
    async def raise_it() -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return raise_it


def in_a_nursery(error: BaseException) -> Tool:
    @tool(name="raises")
    async def raise_it() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(_raise, error)

    return raise_it


async def _raise(error: BaseException) -> None:
    await trio.lowlevel.checkpoint()
    raise error


def while_checking(error: BaseException) -> Tool:
    @attrs.define
    class Guest:
        name: str = ""

        def __attrs_post_init__(self) -> None:
            raise error

    async def greet(guest: Guest) -> None: ...

    greet.__annotations__ = {"guest": Guest}
    return tool(greet)


WAYS: list[Way] = [in_a_thread, at_once, after_a_wait, in_a_nursery]


@every_kind
@pytest.mark.parametrize("way", WAYS)
async def test_whatever_a_tool_raises_the_call_goes_on(kind: str, way: Way) -> None:
    answer = await run(way(KINDS[kind]()))
    is_its_own = way is in_a_nursery and kind == "a forged Cancelled"  # then only its nursery was cancelled
    assert isinstance(answer, Answer if is_its_own else ToolFailed)


@every_kind
async def test_whatever_a_type_of_the_arguments_raises_the_call_goes_on(kind: str) -> None:
    answer = await run(while_checking(KINDS[kind]()), '{"guest": {"name": "Ada"}}')
    assert isinstance(answer, ToolFailed)


@every_kind
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_is_cancelled_is_just_that_whatever_its_tool_raises_meanwhile(
    kind: str, way: Way
) -> None:
    with trio.CancelScope() as call:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, way(KINDS[kind]()))
            nursery.start_soon(_raise_when_cancelled, KINDS[kind]())
            await trio.lowlevel.checkpoint()
            call.cancel()
    assert call.cancelled_caught


async def _raise_when_cancelled(error: BaseException) -> None:
    """Run a tool that raises as soon as it is cancelled."""

    @tool
    async def waits() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    await run(waits)


@every_kind
async def test_a_tool_that_raises_at_its_time_out_has_crashed_or_timed_out(kind: str) -> None:
    @tool(timeout_ms=10)
    async def waits() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KINDS[kind]()

    answer = await run(waits)
    assert isinstance(answer, ToolFailed)
    assert answer.kind in ("crashed", "timeout")


async def test_an_error_without_an_end_holds_the_loop_up_for_a_moment_alone() -> None:
    answer = await run(at_once(Endless()))
    assert answer == ToolFailed("call_1", "crashed", "an error that can't be put into words")


async def test_words_of_an_error_are_valid_and_bounded() -> None:
    answer = await run(at_once(PanicException(HALF + "x" * 10_000)))
    assert isinstance(answer, ToolFailed)
    assert answer.message.startswith("PanicException: \ufffdxxx")
    assert len(answer.message) == 500


async def test_a_tool_too_deep_in_itself_has_crashed() -> None:
    def deeper() -> Any:
        return [deeper()]

    answer = await run(tool(name="deep")(deeper))
    assert isinstance(answer, ToolFailed)
    assert answer.message.startswith("RecursionError: ")


# ---------------------------------------------------------------- what it does with cancellation


async def test_a_tool_that_swallows_the_calls_cancellation_ends_with_it() -> None:
    @tool
    async def stays() -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.01)
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return "I stay"
        return "never"

    with trio.CancelScope() as call:
        call.cancel()
        await run(stays)
        await trio.lowlevel.checkpoint()
    assert call.cancelled_caught


@pytest.mark.parametrize("leaves", ["a scope", "a nursery", "a cancelled parent"])
async def test_what_a_tool_leaves_open_or_cancels_is_nobody_elses(leaves: str) -> None:
    async def leave() -> str:
        if leaves == "a scope":
            trio.CancelScope().__enter__()
        elif leaves == "a nursery":
            nursery = await trio.open_nursery().__aenter__()
            nursery.start_soon(trio.sleep_forever)
        else:
            parent = trio.lowlevel.current_task().parent_nursery
            assert parent is not None
            parent.cancel_scope.cancel()
            await trio.sleep(1)
        return "left"

    async with trio.open_nursery() as call:
        call.start_soon(run, tool(name="leaves")(leave))
        await trio.lowlevel.checkpoint()
        assert (await run(tool(name="fine")(lambda: "fine"))) == ToolAnswered("call_1", "fine")
    assert not call.cancel_scope.cancelled_caught


def test_a_real_interrupt_ends_the_program_and_is_not_taken_for_the_tools() -> None:
    async def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    async def program() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, tool(interrupted))

    with pytest.raises(BaseExceptionGroup) as caught:
        trio.run(program)
    assert isinstance(first_of(caught.value), KeyboardInterrupt)


def test_a_real_interrupt_while_a_thread_works_ends_the_program() -> None:
    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        ENOUGH.wait(20)

    with pytest.raises(KeyboardInterrupt):
        trio.run(run, tool(interrupted))


# ---------------------------------------------------------------- what it returns


class Text(str):
    __slots__ = ()


class Day(StrEnum):
    FRIDAY = "Friday"


@attrs.define
class Grudging:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt

    @property
    def __class__(self) -> Any:
        raise PanicException


def numbers() -> Iterator[int]:
    yield 1


async def many() -> AsyncIterator[int]:
    yield 1


def endless() -> Any:
    endless: list[Any] = []
    endless.append(endless)
    return endless


RESULTS: dict[str, Callable[[], Any]] = {
    "a value that raises when it is looked at": Grudging,
    "a class": lambda: Text,
    "an object": object,
    "a generator": numbers,
    "an asynchronous generator": many,
    "a list in itself": endless,
    "keys that JSON has not": lambda: {1j: 2},
    "bytes": lambda: b"\xff",
    "no number": lambda: float("nan"),
    "half an emoji": lambda: {HALF: [HALF]},
}


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_whatever_a_tool_returns_the_call_goes_on(result: str, is_async: bool) -> None:
    async def later() -> Any:
        return RESULTS[result]()

    assert isinstance(await run(tool(name="odd")(later if is_async else RESULTS[result])), Answer)


@pytest.mark.parametrize("result", [Text("Friday"), Day.FRIDAY])
async def test_a_text_of_ones_own_kind_is_a_text(result: str) -> None:
    assert await run(tool(name="day")(lambda: result)) == ToolAnswered("call_1", "Friday")


async def test_half_an_emoji_in_an_answer_is_a_replacement_character() -> None:
    assert await run(tool(name="cut")(lambda: f"till ten {HALF}")) == ToolAnswered(
        "call_1", "till ten \ufffd"
    )
    answer = await run(tool(name="cut")(lambda: {"note": (HALF, 1), HALF: None}))
    assert isinstance(answer, ToolAnswered)
    assert json.loads(answer.output) == {"note": ["\ufffd", 1], "\ufffd": None}


async def test_half_an_emoji_in_the_arguments_is_a_replacement_character() -> None:
    @tool
    def echo(day: str) -> str:
        return day

    assert await run(echo, '{"day": "\\ud83d"}') == ToolAnswered("call_1", "\ufffd")
    assert await run(echo, f'{{"day": "{HALF}"}}') == ToolAnswered("call_1", "\ufffd")
    assert await run(echo, '{"day": "\\\\ud83d"}') == ToolAnswered("call_1", "\\ud83d")


any_text = st.text(st.characters(exclude_categories=()))  # halves of pairs, too


@given(any_text, any_text)
def test_no_text_of_a_tool_keeps_its_answer_off_the_tape(result: str, arguments: str) -> None:
    def speak() -> str:
        return result

    def fail() -> None:
        raise ValueError(result)

    async def both() -> None:
        assert isinstance(await run(tool(speak)), ToolAnswered)
        assert isinstance(await run(tool(fail), arguments), ToolFailed)

    trio.run(both)


def test_half_an_emoji_in_a_tools_description_is_a_replacement_character() -> None:
    def cut(day: str = HALF) -> None: ...

    cut.__doc__ = f"Cut {HALF}."
    assert "\\ufffd" in json.dumps(tool(cut).definition)
    assert "\\ud83d" not in json.dumps(tool(cut).definition)


# ---------------------------------------------------------------- while it is loaded

IMPORTS = {
    "GeneratorExit": "raise GeneratorExit",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "its own BaseException": "class Panic(BaseException): ...\nraise Panic('at import')",
    "a group": "raise BaseExceptionGroup('several', [KeyboardInterrupt()])",
    "half an emoji": "raise ValueError('\\ud83d')",
    "words that raise": "class Mute(Exception):\n    def __str__(self): raise SystemExit\nraise Mute",
    "a name that raises": "def __getattr__(name): raise GeneratorExit",
}


@pytest.mark.parametrize("body", IMPORTS.values(), ids=IMPORTS)
def test_whatever_a_module_raises_at_import_it_is_a_tool_that_cannot_be_loaded(
    tmp_path: Path, body: str
) -> None:
    (tmp_path / "mine.py").write_text(body)
    with pytest.raises(ToolError, match=r"^mine.py:look: mine.py can't be imported: ") as caught:
        load_tools(["mine.py:look"], tmp_path)
    assert str(caught.value).encode()


@pytest.mark.parametrize("body", IMPORTS.values(), ids=IMPORTS)
def test_a_module_that_raises_when_it_is_read_again_leaves_the_old_one(tmp_path: Path, body: str) -> None:
    names, file = ["mine.py:look"], tmp_path / "mine.py"
    file.write_text("from bridge.tools import tool\n@tool\ndef look() -> int: return 1\n")
    before = load_tools(names, tmp_path)
    file.write_text(f"{body}\n# longer than before, so that no cached bytecode is taken for it\n")
    with pytest.raises(ToolError), afresh(names, tmp_path):
        load_tools(names, tmp_path)
    assert load_tools(names, tmp_path)["look"] is before["look"]
