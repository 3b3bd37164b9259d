"""Each socket behind one shape: `receive()` until the end, `send()`, `close()`. A closed peer is the end, no error."""

from collections.abc import Callable
from typing import Final, Protocol

from attrs import frozen

MAX_MESSAGE_BYTES: Final = 32 * 2**20
"""Far above anything either peer sends; the usual default of 1 MiB would end calls on a long item."""

FLUSH: Final = ""
"""A message of no text: send what waits already, and nothing else."""


@frozen
class Closing:
    """How a socket ended; 1006 means without a close frame."""

    code: int
    reason: str


class Link(Protocol):
    """What a call needs of a socket."""

    on_waiting: Callable[[], object]
    """Called when the socket did not take all of what was sent at once; whoever speaks then sends `FLUSH`."""

    @property
    def is_ready(self) -> bool:
        """Say whether `send_now` may be used: nothing waits, and the socket may take more."""

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended, once `receive` has returned None."""

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the peer has left."""

    async def listen(self, hear: Callable[[str | bytes], None]) -> None:
        """Let every message be heard as it comes, until the peer has left."""

    def send_now(self, *messages: str) -> None:
        """Send text messages without waiting; what the socket does not take waits, before all that is sent later."""

    async def send(self, *messages: str) -> None:
        """Send text messages, in order, and whatever waits; quietly nothing when the peer has left."""

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; the end is reported by `receive`."""


class PhoneSocket(Link, Protocol):
    """What a call needs of its phone's socket besides."""

    def trust(self) -> None:
        """Allow messages of full size: the socket has proven which call it belongs to."""
