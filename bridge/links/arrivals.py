"""Who is told that bytes have come: one epoll for all connections of a process, and one task that waits for it.

trio registers a connection anew for each wait, and wakes a task of its own for it: fifty times a second in each call.
Here a connection is registered once, and whoever owns it is told in the task that waits for all of them. What they do
with it stays theirs: a fault of it is raised where they `listen`, in their own nursery, and ends nobody else.
"""

import select
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Final

import trio
from attrs import define, field

from bridge.links.pipes import Pipe


@define(eq=False)
class Listener:
    """Whoever listens to one connection: `come` takes what has come, and says whether more may."""

    come: Callable[[], bool]
    context: Context
    """Of the task that listens: what is done with bytes is done in it, so that a line in the log has its call."""
    is_over: trio.Event = field(factory=trio.Event)
    fault: Exception | None = None


@define(eq=False)
class Arrivals:
    """All connections of a process that are listened to. Only Linux has it: elsewhere `run` does nothing."""

    _epoll: "select.epoll | None" = None
    _listeners: dict[int, Listener] = field(factory=dict)

    async def run(self) -> None:
        """Tell everybody of what comes, until cancelled; then whoever still listens has to wait by themselves."""
        if sys.platform != "linux":
            return
        with select.epoll() as self._epoll:
            PRESENT.set(self)
            try:
                while True:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                    for number, _ in self._epoll.poll(0):
                        self._tell(number)
            finally:
                PRESENT.set(None)
                self._epoll = None
                for listener in self._listeners.values():
                    listener.is_over.set()

    def _tell(self, number: int) -> None:
        if (listener := self._listeners.get(number)) is None:
            return
        try:
            if listener.context.run(listener.come):
                return
        except Exception as fault:  # of one connection, whose nursery it is raised in
            listener.fault = fault
        self._let_go(number)
        listener.is_over.set()

    async def listen(self, pipe: Pipe, come: Callable[[], bool]) -> None:
        """Have `come` called now and whenever bytes have come, until it says that no more will, or `run` ends."""
        if sys.platform != "linux" or self._epoll is None or not come():
            return
        number = pipe.number  # of an open socket: it was just read
        self._listeners[number] = listener = Listener(come, trio.lowlevel.current_task().context)
        self._epoll.register(number, select.EPOLLIN)
        try:
            await listener.is_over.wait()
        finally:
            self._let_go(number)
        if listener.fault is not None:
            raise listener.fault

    def _let_go(self, number: int) -> None:
        if self._listeners.pop(number, None) is not None and self._epoll is not None:
            with suppress(OSError):  # closed meanwhile
                self._epoll.unregister(number)


PRESENT: Final = trio.lowlevel.RunVar[Arrivals | None]("arrivals", None)
"""Those of the present `trio.run`, as trio's own epoll is; None unless somebody runs them."""
