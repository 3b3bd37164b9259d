"""The tools that one call has running: each in a task of its own, which the call's end does not end; and how one of
them is given keys that were asked for off the stream.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
import trio
from attrs import Factory, define, evolve, field

from bridge.calls.tool_runs import run_tool
from bridge.heart.effects import RunTool
from bridge.heart.events import ToolAnswered, ToolFailed
from bridge.heart.keys import HIDDEN, LAST
from bridge.tapes.key_mask import BETWEEN, FEWEST
from bridge.tools import Tool

OnAnswer: TypeAlias = Callable[[ToolAnswered | ToolFailed], None]


def _limiter(tasks: "ToolTasks") -> trio.CapacityLimiter:
    return trio.CapacityLimiter(tasks.threads_at_once)


@define(eq=False)
class ToolTasks:
    """The tools that the agent has, and those of them that run."""

    tools: Mapping[str, Tool]
    threads_at_once: int
    until: float = 0.0
    """When the last of them has its answer, at the latest."""
    _threads: trio.CapacityLimiter = field(default=Factory(_limiter, takes_self=True))

    def start(self, effect: RunTool, nursery: trio.Nursery, on_answer: OnAnswer, *, digits: str = "") -> None:
        """Run a tool in a task of this nursery, and tell `on_answer` what came of it; `digits` are its own alone."""
        if digits:
            effect, on_answer = with_digits(effect, digits), partial(_answered_without, digits, on_answer)
        until = trio.current_time() + self.tools[effect.name].timeout_ms / 1000
        self.until = max(self.until, until)
        nursery.start_soon(self._run, effect, on_answer, name=f"tool {effect.name}")

    async def _run(self, effect: RunTool, on_answer: OnAnswer) -> None:
        """Run it to its end, which may come after the call's; only who cancels the call cancels what it began."""
        tool = self.tools[effect.name]
        answer: ToolAnswered | ToolFailed = ToolFailed(effect.call_id, "cancelled", "cancelled with the call")
        try:
            answer = await run_tool(tool, effect.call_id, effect.arguments, limiter=self._threads)
        finally:
            on_answer(answer)


# ---------------------------------------------------------------- keys that one tool alone is given

ARGUMENT: Final = "digits"
"""The argument that the tool gets them as."""


def with_digits(effect: RunTool, digits: str) -> RunTool:
    """Return what is run: with the keys in place of those that were hidden."""
    arguments: dict[str, Any] = msgspec.json.decode(effect.arguments)
    return evolve(effect, arguments=msgspec.json.encode(arguments | {ARGUMENT: digits}).decode())


def _answered_without(digits: str, on_answer: OnAnswer, answer: ToolAnswered | ToolFailed) -> None:
    on_answer(without_digits(answer, digits))


def without_digits(answer: ToolAnswered | ToolFailed, digits: str) -> ToolAnswered | ToolFailed:
    """Return what the model may read of a tool's answer: a tool may say what it was given."""
    if isinstance(answer, ToolAnswered):
        return evolve(answer, output=_hidden_in(answer.output, digits))
    return evolve(answer, message=_hidden_in(answer.message, digits))


def _hidden_in(text: str, digits: str) -> str:
    keys = BETWEEN.join(map(re.escape, digits.rstrip(LAST)))
    if not keys:
        return text
    whole = keys if len(digits) >= FEWEST else f"(?<![0-9]){keys}(?![0-9])"  # a "1" is everywhere
    return re.sub(whole, lambda found: _KEY.sub(HIDDEN, found[0]), text)


_KEY: Final = re.compile("[0-9*#A-D]")
