"""The model's door, tried again while there is time: what passes by itself in a moment must not end a call."""

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import trio
from attrs import define, field

from bridge.errors import DoorShutError
from bridge.links.model import ModelAddress, open_model
from bridge.links.web_socket import WebSocketLink

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 200, 1000
"""Doubled each time. Each is drawn from nothing to all of it (full jitter), so that calls which were lost in one moment
come back spread over it: a server that has just started again would else be knocked over by them."""

TRY_MS: Final = 200
"""What a try takes at least, over a line to another continent: with less time left there is none."""


@define(eq=False)
class ModelDoor:
    """The way to one session. `on_try` is told of each try before it is made; `on_failure` of each that failed and is
    made again, with the pause until then in ms."""

    address: ModelAddress
    until: float
    on_try: Callable[[], None]
    on_failure: Callable[[DoorShutError, int], None]
    pause_ms: int = 0
    """How long to wait at most before the first try."""
    draw: Callable[[], float] = field(default=random.random)

    async def serve(self, serve: Callable[[WebSocketLink], Awaitable[None]]) -> None:
        """Open the model's socket and live through it. Raises `LinkError` when it can't be had, or not in time."""
        await trio.sleep(self._cut(self._drawn(self.pause_ms)) / 1000)
        for pause_ms in self._pauses():
            self.on_try()
            try:
                async with open_model(self.address) as link:
                    return await serve(link)
            except DoorShutError as shut:
                wait_ms = max(self._cut(pause_ms), shut.after_ms)
                if not self._has_time(wait_ms):
                    raise
                self.on_failure(shut, wait_ms)
            await trio.sleep(wait_ms / 1000)

    def _cut(self, pause_ms: int) -> int:
        """Return a pause of ours that leaves time for a try."""
        return max(0, min(pause_ms, self._left_ms))

    def _has_time(self, wait_ms: int) -> bool:
        """Say whether there is time for that and a try: none is left behind one that was made as late as can be."""
        return self._left_ms > 0 and wait_ms <= self._left_ms

    @property
    def _left_ms(self) -> int:
        """Return how long may be waited before the last try."""
        return int((self.until - trio.current_time()) * 1000) - TRY_MS - 1

    def _drawn(self, longest_ms: int) -> int:
        return round(longest_ms * self.draw())

    def _pauses(self) -> Iterator[int]:
        longest = FIRST_PAUSE_MS
        while True:
            yield self._drawn(longest)
            longest = min(2 * longest, LONGEST_PAUSE_MS)
