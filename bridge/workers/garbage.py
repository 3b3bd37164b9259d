"""Garbage that reference counting leaves: looked for in small steps while calls go on, in a large one between them.

A collection stops every call of its process for as long as it takes, and a full one takes longer the more calls live.
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import trio
from attrs import define, field

from bridge.machine import give_back_memory, settle_memory

THRESHOLDS: Final = (5_000, 5, 1_000_000)
"""Of `gc.set_threshold`. With the third no full collection begins by itself: it would look at all objects of all live
calls. The first counts what was made less what was freed, of whatever age: where calls go on evenly it is hardly ever
reached, and by then nearly all that they consist of is young again (34 of 42 collections took more than 5 ms)."""

LOOK_SECONDS: Final = 1.0
"""So there is a small one each second: of what was made in it and is still there."""

MOST_CALLS: Final = 1000
"""Calls that may have begun since the last full collection before there is one beside those that go on."""

MOST_PAUSES: Final = 1000
"""Pauses from one look to the next; they are some ten a second."""


@define(eq=False)
class Garbage:
    """The collector of one process, once `run` runs; `felt` is told each pause, in seconds.

    Before `own_process` it measures alone: in a process that is not ours alone, nobody's thresholds change.
    """

    is_quiet: Callable[[], bool]
    felt: Callable[[float], None] = field(default=lambda seconds: None)
    give_back: Callable[[], None] = give_back_memory
    collect: Callable[[], object] = gc.collect
    step: Callable[[], object] = partial(gc.collect, 1)
    settle: Callable[[], None] = settle_memory
    begun: int = 0
    """Calls, since the last full collection."""
    _is_ours: bool = False
    _is_settled: bool = False
    _since: float = 0.0
    _pauses: deque[float] = field(factory=lambda: deque(maxlen=MOST_PAUSES))

    def own_process(self) -> None:
        """Take what is loaded by now out of every later collection, and decide from now on when there is a full one.

        What loading has left is looked for in the first quiet second: nobody's first call, and no start, waits for it.
        """
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        self._is_ours = True

    def call_begins(self) -> None:
        """Take account of a new call."""
        self.begun += 1

    async def run(self) -> None:
        """Measure pauses, and collect between calls, until cancelled."""
        gc.callbacks.append(self._measure)
        try:
            while True:
                await trio.sleep(LOOK_SECONDS)
                self.look()
        finally:
            gc.callbacks.remove(self._measure)

    def look(self) -> None:
        """Tell the pauses since the last look; collect when nobody hears it, or when too many calls have begun."""
        while self._pauses:
            self.felt(self._pauses.popleft())
        if self._is_ours and self.is_quiet():
            self._clear()
        elif self._is_ours and self.begun >= MOST_CALLS:
            self.collect()
            self.begun = 0
        elif self._is_ours:
            self.step()

    def _clear(self) -> None:
        """Collect all there is, once after loading and once after calls."""
        if not self._is_settled:
            self.settle()
        elif self.begun:
            self.give_back()
        self._is_settled, self.begun = True, 0

    def _measure(self, phase: str, info: Mapping[str, Any]) -> None:
        """Keep how long a collection took. It runs in the middle of anything: it takes no lock and calls nobody."""
        now = time.perf_counter()
        if phase == "start":
            self._since = now
        else:
            self._pauses.append(now - self._since)
