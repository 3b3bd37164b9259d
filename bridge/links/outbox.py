"""What waits to be sent to one peer: in order, and bounded by how long the peer takes nothing, never by how much came.

Most of it leaves at once (`push`) and wakes nobody; the sender who waits in `take` is for what the socket did not take.
A burst is no stall: whoever sends takes all that waits. Nothing here asks what the messages say.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field

from bridge.links.link import Link

STALLED_SECONDS: Final = 5.0
"""A message that waits so long behind a send that doesn't return: the peer reads nothing, or far too slowly. Audio is
made as it is spoken, so that is also the audio that can wait: 5 s."""

MOST_BYTES: Final = 16 * 2**20
"""Never reached but by a fault: 25 minutes of audio."""

MOST_AT_ONCE: Final = 50
"""Messages taken at a time, so that a slow peer is seen to take some."""


@define(eq=False)
class Outbox:
    """Messages to one peer. `clock` gives seconds in which our own loop was in time: a peer is blamed for no others."""

    clock: Callable[[], float] = trio.current_time
    is_closed: bool = False
    is_sending: bool = False
    _waiting: deque[tuple[float, str]] = field(factory=deque)
    _bytes: int = 0
    _idle: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: str) -> bool:
        """Add a message for the sender, who is woken; otherwise as `add`."""
        is_taken = self.add(message)
        self._idle.unpark()
        return is_taken

    def add(self, message: str) -> bool:
        """Add a message, or drop it when the box is closed. False, once, when the peer has stalled: that closes it.

        Nobody is woken: a `push` follows.
        """
        if self.is_closed:
            return True
        self._waiting.append((self.clock(), message))
        self._bytes += len(message)
        if self.is_stalled:
            self.close()
        return not self.is_closed

    def send(self, link: Link | None, message: str) -> bool:
        """Send a message at once where nothing waits before it and the socket may take it; otherwise as `put`."""
        if self._waiting or self.is_closed or link is None or not link.is_ready:
            return self.put(message)
        link.send_now(message)
        return True

    def push(self, link: Link | None) -> None:
        """Send at once what waits, as far as the socket takes it; the rest is the sender's."""
        while self._waiting and link is not None and link.is_ready:
            link.send_now(*self._some())
        if self._waiting:
            self._idle.unpark()

    @property
    def waiting_seconds(self) -> float:
        """Return how long the oldest message has waited for a send to return; the loop's own lateness not counted."""
        return self.clock() - self._waiting[0][0] if self._waiting and self.is_sending else 0.0

    @property
    def is_stalled(self) -> bool:
        """Say whether the peer takes nothing any more."""
        return self.waiting_seconds >= STALLED_SECONDS or self._bytes > MOST_BYTES

    async def take(self) -> list[str]:
        """Wait for messages and return those that wait, oldest first; none when the box is closed and empty."""
        self.is_sending = False
        while not self._waiting and not self.is_closed:
            await self._idle.park()
        self.is_sending = True
        return self._some()

    def _some(self) -> list[str]:
        count = min(len(self._waiting), MOST_AT_ONCE)
        taken = [self._waiting.popleft()[1] for _ in range(count)]
        self._bytes -= sum(map(len, taken))
        return taken

    def close(self) -> None:
        """Take no more; what waits may still be sent."""
        self.is_closed = True
        self._idle.unpark_all()
