"""A media socket behind a bad network: the same words, later. When they arrive is computed in `network`."""

from typing import Protocol

import attrs
import trio

from replay.phone.network import Delay, Network, OnTheWay
from replay.phone.socket import Closed, MediaSocket


class Socket(Protocol):
    """What a media stream needs of its socket."""

    status: int

    @property
    def pending(self) -> int:
        """How many messages wait to be sent."""

    @property
    def closed(self) -> Closed:
        """How the peer ended it."""

    def send(self, message: str | bytes) -> bool:
        """Queue one message; False when the socket is no longer open."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Queue a close frame behind everything that was sent."""

    async def write(self) -> None:
        """Send what is queued, for as long as the connection takes it."""

    async def receive(self) -> str | bytes | None:
        """The next message; None once the peer said goodbye or vanished."""

    async def finish(self) -> None:
        """Let go of the connection, politely."""

    def reset(self) -> None:
        """Break the connection."""


def behind(socket: MediaSocket, network: Network) -> Socket:
    """The socket as it is to be used through that network."""
    return DelayedSocket(socket, network) if network.delays else socket


@attrs.frozen
class _Goodbye:
    """A close frame on its way."""

    code: int
    reason: str


@attrs.define
class DelayedSocket:
    """A media socket whose messages take their time, in both directions."""

    _socket: MediaSocket
    _network: Network
    _out: OnTheWay[str | bytes | _Goodbye] = attrs.field(init=False)
    _coming: OnTheWay[str | bytes | None] = attrs.field(init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event)
    _began_at: float = attrs.field(factory=trio.current_time)
    _is_closing: bool = False
    _peer_is_gone: bool = False

    def __attrs_post_init__(self) -> None:
        self._out = OnTheWay(Delay(self._network, "to the bridge"))
        self._coming = OnTheWay(Delay(self._network, "to the caller"))

    @property
    def status(self) -> int:
        """The HTTP status of the upgrade."""
        return self._socket.status

    @status.setter
    def status(self, status: int) -> None:
        self._socket.status = status

    @property
    def pending(self) -> int:
        """How many messages arrived where the bridge does not read them."""
        return self._socket.pending

    @property
    def closed(self) -> Closed:
        """How the peer ended it; meaningful once `receive` returned None."""
        return self._socket.closed

    def send(self, message: str | bytes) -> bool:
        """Let one message leave; False when nothing more can."""
        if self._is_closing or self._peer_is_gone or self._out.is_full:
            return False
        self._leave(message)
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Let a close frame leave behind everything that was sent."""
        if not self._is_closing:
            self._is_closing = True
            self._leave(_Goodbye(code, reason))

    async def write(self) -> None:
        """Deliver what is due, for as long as the connection takes it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver_all, name="phone: the network")
            await self._socket.write()
            nursery.cancel_scope.cancel(reason="the connection is gone")

    async def receive(self) -> str | bytes | None:
        """The next message that has arrived; None once the peer's goodbye has, too."""
        while self._coming.next_ms is None or self._coming.next_ms > self._now_ms():
            with trio.move_on_at(self._at(self._coming.next_ms)):
                if self._peer_is_gone or self._coming.is_full:
                    await trio.sleep_forever()
                message = await self._socket.receive()
                self._peer_is_gone = message is None
                self._coming.leave(message, self._now_ms())
        return self._coming.arrived(self._now_ms())

    async def finish(self) -> None:
        """Deliver what is still on the way to a peer that is there, and let go."""
        try:
            while self._out.next_ms is not None and not self._peer_is_gone:
                await trio.sleep_until(self._at(self._out.next_ms))
                self._deliver()
        finally:
            await self._socket.finish()

    def reset(self) -> None:
        """Break the connection: what is on the way is lost."""
        self._out.lose_all()
        self._socket.reset()

    def _leave(self, message: str | bytes | _Goodbye) -> None:
        self._out.leave(message, self._now_ms())
        self._wake.set()

    async def _deliver_all(self) -> None:
        while True:
            self._wake = trio.Event()
            with trio.move_on_at(self._at(self._out.next_ms)):
                await self._wake.wait()
            self._deliver()

    def _deliver(self) -> None:
        while (message := self._out.arrived(self._now_ms())) is not None:
            if isinstance(message, _Goodbye):
                self._socket.close(message.code, message.reason)
            else:
                self._socket.send(message)

    def _now_ms(self) -> int:
        return round((trio.current_time() - self._began_at) * 1000)

    def _at(self, ms: int | None) -> float:
        """The clock's reading at which so many ms are full; never, for None."""
        return float("inf") if ms is None else self._began_at + ms / 1000
