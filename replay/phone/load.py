"""Many calls, some at once, bounded. It starts them and watches whether this machine keeps up; it judges nothing."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio

T = TypeVar("T")

SPACING_MS = 20  # between two calls' beginnings: a start costs more than a frame, and real callers come apart
TICK_MS = 20


@attrs.define
class Lateness:
    """How late this process itself was, at the pace at which frames are due."""

    ticks: int = 0
    late_ticks: int = 0  # later than a whole frame: what the calls measured then is in doubt
    worst_ms: int = 0

    @property
    def spoils_results(self) -> bool:
        """Whether more than a hundredth of the ticks was late by a frame."""
        return self.late_ticks * 100 > self.ticks

    def note(self, late_ms: int) -> None:
        """One tick came so late."""
        self.ticks += 1
        self.late_ticks += late_ms > TICK_MS
        self.worst_ms = max(self.worst_ms, late_ms)


async def make_calls(
    call: Callable[[int], Awaitable[T]], *, calls: int, at_once: int, on_done: Callable[[T], None]
) -> Lateness:
    """Make that many calls, at_once of them at any time; on_done gets each result as it comes."""
    lateness, free = Lateness(), trio.Semaphore(at_once)

    async def one(index: int) -> None:
        try:
            on_done(await call(index))
        finally:
            free.release()

    async with trio.open_nursery() as watching:
        watching.start_soon(_watch, lateness, name="phone: lateness")
        async with trio.open_nursery() as callers:
            for index in range(calls):
                await free.acquire()
                callers.start_soon(one, index, name=f"phone: call {index}")
                await trio.sleep(SPACING_MS / 1000)
        watching.cancel_scope.cancel(reason="all calls are over")
    return lateness


async def _watch(lateness: Lateness) -> None:
    while True:
        due = trio.current_time() + TICK_MS / 1000
        await trio.sleep_until(due)
        lateness.note(round((trio.current_time() - due) * 1000))
