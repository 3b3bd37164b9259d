"""Running a tool: an answer within a bounded time, and nothing that it raises or leaves open gets any further."""

import inspect
import re
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import WrapperDescriptorType
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import trio
from attrs import evolve, field, frozen

from bridge.errors import SPEECHLESS, ToolArgumentsError, first_of, in_words
from bridge.given import Given, SecretDigits
from bridge.heart.events import ToolAnswered, ToolFailed, ToolReported
from bridge.heart.keys import HIDDEN, LAST
from bridge.tapes.key_mask import BETWEEN, FEWEST
from bridge.text.validity import valid, valid_value
from bridge.tools import Tool

MAX_OUTPUT_BYTES: Final = 32 * 1024
"""Every byte of an answer is read again by the model at each later turn of the call."""

WORDS_SECONDS: Final = 0.1
"""What an error of an async tool may take to say what it is: the loop waits for it, in real time."""

PLAIN: Final = frozenset({str, bytes, int, float, bool, type(None)})


NOTHING_GIVEN: Final = Given()
DIGITS: Final = "digits"
"""The parameter of a tool that gets its secret digits as a plain text."""

NOT_TYPED: Final = "this tool gets what the caller types, and nothing else: call collect_digits"

KEY: Final = re.compile("[0-9*#A-D]")

Told = TypeVar("Told", bound=ToolAnswered | ToolFailed | ToolReported)
SAID_IN: Final = {ToolAnswered: "output", ToolFailed: "message", ToolReported: "text"}


@trio.lowlevel.enable_ki_protection  # a real Ctrl-C is the main task's: a KeyboardInterrupt here is the tool's own
async def run_tool(
    tool: Tool,
    call_id: str,
    arguments: str,
    *,
    limiter: trio.CapacityLimiter,
    given: Given = NOTHING_GIVEN,
) -> ToolAnswered | ToolFailed:
    """Run a tool and return within its timeout what came of it; only the caller's own cancellation gets out.

    A sync function runs in a thread under `limiter`; past the timeout its thread is left to end alone. Secret digits
    that it is `given` are in no answer.
    """
    answer = await _run(_Job(tool, call_id, arguments, given), limiter)
    return without_digits(answer, given.digits)


@frozen
class _Job:
    """One run of a tool."""

    tool: Tool
    call_id: str
    arguments: str = field(repr=False)
    given: Given

    def keywords(self) -> dict[str, Any] | ToolFailed:
        """Return what the function is called with, or the failure that the model's arguments are."""
        tool, digits = self.tool, self.given.digits
        if tool.takes_digits and not digits:
            return ToolFailed(self.call_id, "arguments", NOT_TYPED)
        try:
            return tool.check(_arguments(tool, self.arguments, digits)) | tool.given(self.given)
        except ToolArgumentsError as error:
            return ToolFailed(self.call_id, "arguments", str(error))


def _arguments(tool: Tool, arguments: str, digits: SecretDigits) -> str:
    """Return the arguments as JSON; a tool that wants its secret digits as a plain text has them among these."""
    if not digits:
        return arguments
    return "{}" if tool.takes_digits else msgspec.json.encode({DIGITS: digits.reveal()}).decode()


@trio.lowlevel.enable_ki_protection
async def _run(job: _Job, limiter: trio.CapacityLimiter) -> ToolAnswered | ToolFailed:
    tool, call_id = job.tool, job.call_id
    try:
        with trio.move_on_after(tool.timeout_ms / 1000):
            if tool.is_async:
                return await _in_a_task(tool, call_id, partial(_on_the_loop, job))
            work = partial(_in_a_thread, job)
            came = await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)
            if not isinstance(came, _Hidden):
                return came
            return await _in_a_task(tool, call_id, partial(_awaited, call_id, came.result))
    except (
        KeyboardInterrupt
    ):  # a real one: a tool's own stays in its thread, or comes from its task in a group
        raise
    except BaseException as error:  # somebody else's code: whatever it raises is an answer
        # Whether we are cancelled is asked of trio: a tool may raise anything meanwhile, or a `Cancelled` of its own.
        await trio.lowlevel.checkpoint_if_cancelled()
        return ToolFailed(call_id, "crashed", _in_words_soon(error))
    return ToolFailed(call_id, "timeout", f"{tool.name} gave no answer within {tool.timeout_ms} ms")


Answers: TypeAlias = list[ToolAnswered | ToolFailed]


@frozen
class _Hidden:
    """What a sync function left to be awaited: behind a plain decorator there was an async one."""

    result: Awaitable[Any]


async def _in_a_task(
    tool: Tool, call_id: str, work: Callable[[Answers], Awaitable[None]]
) -> ToolAnswered | ToolFailed:
    """Run it in a task of its own: what it leaves open there, or cancels, is nobody else's."""
    answers: Answers = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, answers, name=f"tool {tool.name}")
    return answers[0] if answers else ToolFailed(call_id, "crashed", f"{tool.name} cancelled its own task")


@trio.lowlevel.enable_ki_protection
async def _on_the_loop(job: _Job, answers: Answers) -> None:
    keywords = job.keywords()
    if isinstance(keywords, ToolFailed):
        answers.append(keywords)
    else:
        answers.append(_answer(job.call_id, await job.tool.function(**keywords)))


@trio.lowlevel.enable_ki_protection
async def _awaited(call_id: str, result: Awaitable[Any], answers: Answers) -> None:
    answers.append(_answer(call_id, await result))


def _in_a_thread(job: _Job) -> ToolAnswered | ToolFailed | _Hidden:
    """Do all of it where nobody waits, the words for what it raises too; nothing gets out."""
    try:
        keywords = job.keywords()
        if isinstance(keywords, ToolFailed):
            return keywords
        result = job.tool.function(**keywords)
        return _Hidden(result) if inspect.isawaitable(result) else _answer(job.call_id, result)
    except BaseException as error:
        return ToolFailed(job.call_id, "crashed", in_words(error))


def without_digits(answer: Told, digits: SecretDigits) -> Told:
    """Return what the model may read of what a tool says: it may say what it was given, an error may quote it."""
    field_name = SAID_IN[type(answer)]
    said: dict[str, Any] = {field_name: _hidden_in(getattr(answer, field_name), digits.reveal())}
    return evolve(answer, **said)


def _hidden_in(text: str, digits: str) -> str:
    keys = BETWEEN.join(map(re.escape, digits.rstrip(LAST)))
    if not keys:
        return text
    whole = keys if len(digits) >= FEWEST else f"(?<![0-9]){keys}(?![0-9])"  # a "1" is everywhere
    return re.sub(whole, lambda found: KEY.sub(HIDDEN, found[0]), text)


def _answer(call_id: str, result: Any) -> ToolAnswered | ToolFailed:
    output = valid(result) if isinstance(result, str) else _json_of(result)
    if (size := len(output.encode())) > MAX_OUTPUT_BYTES:
        return ToolFailed(call_id, "crashed", f"the answer is {size} bytes, more than {MAX_OUTPUT_BYTES}")
    return ToolAnswered(call_id, output)


def _json_of(result: Any) -> str:
    try:
        return msgspec.json.encode(result).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(valid_value(msgspec.to_builtins(result))).decode()


def _in_words_soon(error: BaseException) -> str:
    """Return what an error says of itself; one that does not come to an end with it is left to a thread."""
    if _is_plain(error):
        return in_words(error)
    words: list[str] = []
    thread = threading.Thread(target=lambda: words.append(in_words(error)), name="words", daemon=True)
    with suppress(RuntimeError, MemoryError):  # no more threads
        thread.start()
        thread.join(WORDS_SECONDS)
    return words[0] if words else SPEECHLESS


def _is_plain(error: BaseException) -> bool:
    """Say whether nobody else's code runs when it is put into words."""
    try:
        first = first_of(error)
        is_pythons_own = isinstance(type(first).__str__, WrapperDescriptorType)
        return is_pythons_own and all(type(argument) in PLAIN for argument in first.args)
    except BaseException:  # then it did
        return False
