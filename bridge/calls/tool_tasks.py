"""The tools that one call has running: each in a task of its own, which the call's end does not end."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import trio
from attrs import Factory, define, evolve, field

from bridge.calls.tool_runs import run_tool
from bridge.given import CallInfo, Given, SecretDigits
from bridge.heart.effects import RunTool
from bridge.heart.events import ToolAnswered, ToolFailed
from bridge.tools import Tool

OnAnswer: TypeAlias = Callable[[ToolAnswered | ToolFailed], None]


def _limiter(tasks: "ToolTasks") -> trio.CapacityLimiter:
    return trio.CapacityLimiter(tasks.threads_at_once)


@define(eq=False)
class ToolTasks:
    """The tools that the agent has, and those of them that run."""

    tools: Mapping[str, Tool]
    threads_at_once: int
    info: CallInfo = field(factory=CallInfo)
    """What each may know of the call, but for how long it has lasted."""
    now_ms: Callable[[], int] = lambda: 0
    until: float = 0.0
    """When the last of them has its answer, at the latest."""
    _threads: trio.CapacityLimiter = field(default=Factory(_limiter, takes_self=True))

    def start(self, effect: RunTool, nursery: trio.Nursery, on_answer: OnAnswer, *, digits: str = "") -> None:
        """Run a tool in a task of this nursery, and tell `on_answer` what came of it; `digits` are its own alone."""
        until = trio.current_time() + self.tools[effect.name].timeout_ms / 1000
        self.until = max(self.until, until)
        info = evolve(self.info, elapsed_seconds=self.now_ms() / 1000)
        given = Given(info, SecretDigits(digits))
        nursery.start_soon(self._run, effect, given, on_answer, name=f"tool {effect.name}")

    async def _run(self, effect: RunTool, given: Given, on_answer: OnAnswer) -> None:
        """Run it to its end, which may come after the call's; only who cancels the call cancels what it began."""
        tool = self.tools[effect.name]
        answer: ToolAnswered | ToolFailed = ToolFailed(effect.call_id, "cancelled", "cancelled with the call")
        try:
            answer = await run_tool(
                tool, effect.call_id, effect.arguments, limiter=self._threads, given=given
            )
        finally:
            on_answer(answer)
