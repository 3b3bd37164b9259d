"""The tools that one call has running: each in a task of its own, which the call's end does not end."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import trio
from attrs import Factory, define, field

from bridge.calls.tool_runs import run_tool
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
    until: float = 0.0
    """When the last of them has its answer, at the latest."""
    _threads: trio.CapacityLimiter = field(default=Factory(_limiter, takes_self=True))

    def start(self, effect: RunTool, nursery: trio.Nursery, on_answer: OnAnswer) -> None:
        """Run a tool in a task of this nursery, and tell `on_answer` what came of it."""
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
