"""The tools that one call has running: each in a task of its own, which the call's end does not end."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

import trio
from attrs import Factory, define, evolve, field

from bridge.calls.tool_runs import run_tool, without_digits
from bridge.given import CallInfo, Given, IdempotencyKey, Progress, SecretDigits
from bridge.heart.effects import CancelTool, RunTool
from bridge.heart.events import ToolAnswered, ToolFailed, ToolReported
from bridge.tool_rules import canonical, idempotency_key
from bridge.tools import Tool

OnTold: TypeAlias = Callable[[ToolAnswered | ToolFailed | ToolReported], None]


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
    _scopes: dict[str, trio.CancelScope] = field(factory=dict)

    def start(self, effect: RunTool, nursery: trio.Nursery, on_told: OnTold, digits: str = "") -> None:
        """Run a tool in a task of this nursery, and tell `on_told` what it says; `digits` are its own alone."""
        tool = self.tools[effect.name]
        self.until = max(self.until, trio.current_time() + tool.timeout_ms / 1000)
        info = evolve(self.info, elapsed_seconds=self.now_ms() / 1000)
        hidden = SecretDigits(digits)
        reports = Reports(effect.call_id, on_told, hidden, trio.lowlevel.current_trio_token())
        given = Given(info, hidden, Progress(reports.tell), key_of(tool, self.info.id, effect))
        self._scopes[effect.call_id] = trio.CancelScope()
        nursery.start_soon(self._run, effect, given, reports, name=f"tool {effect.name}")

    def cancel(self, effect: CancelTool) -> None:
        """Cancel a tool if it still runs: what comes of it is that it was cancelled."""
        if (scope := self._scopes.get(effect.call_id)) is not None:
            scope.cancel(reason="its call was interrupted, or is over")

    async def _run(self, effect: RunTool, given: Given, reports: "Reports") -> None:
        """Run it to its end, which may come after the call's, unless it is cancelled, or whoever has the call is."""
        tool, call_id = self.tools[effect.name], effect.call_id
        answer: ToolAnswered | ToolFailed = ToolFailed(call_id, "cancelled", "cancelled with the call")
        try:
            with self._scopes[call_id]:
                await trio.lowlevel.checkpoint_if_cancelled()
                answer = await run_tool(tool, call_id, effect.arguments, limiter=self._threads, given=given)
        finally:
            del self._scopes[call_id]
            reports.is_open = False
            reports.on_told(answer)


def key_of(tool: Tool, call: str, effect: RunTool) -> IdempotencyKey:
    """Return what a tool may name this work by; of secret digits it is the excursion in which they were typed."""
    arguments = canonical(effect.arguments, tool.parameters)
    same = f"digits of {effect.digits_of}" if effect.digits_of else arguments
    return IdempotencyKey(idempotency_key(call, tool.name, same))


@define(eq=False)
class Reports:
    """What one run of a tool tells while it runs, from the loop or from a thread of its own; later it tells nothing."""

    call_id: str
    on_told: OnTold
    hidden: SecretDigits
    loop: trio.lowlevel.TrioToken
    is_open: bool = True

    def tell(self, text: str) -> None:
        """Hand a line over to the call, before anything that the tool does after it."""
        report = without_digits(ToolReported(self.call_id, text), self.hidden)
        if self._is_on_loop:
            return self._hand_over(report)
        with suppress(trio.RunFinishedError):
            self.loop.run_sync_soon(self._hand_over, report)

    @property
    def _is_on_loop(self) -> bool:
        try:
            return trio.lowlevel.current_trio_token() is self.loop
        except RuntimeError:
            return False

    def _hand_over(self, report: ToolReported) -> None:
        if self.is_open:
            self.on_told(report)
