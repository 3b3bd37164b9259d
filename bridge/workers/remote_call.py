"""A call that a worker carries, as far as the supervisor knows it."""

from typing import TYPE_CHECKING, Final

import trio
from attrs import Factory, define, field

from bridge.agents import Agent
from bridge.calls.legs.ears import Hear, Seat
from bridge.calls.messages import Key, Stop
from bridge.heart.effects import EndCall
from bridge.heart.wishes import Wish
from bridge.tapes.tape import BRIDGE
from bridge.wire.requests import Request
from bridge.wire.routes import Routes

if TYPE_CHECKING:
    from bridge.workers.handle import WorkerHandle

ANSWER_SECONDS: Final = 5
"""What a worker may take to answer a request: Twilio gives it 15 s."""

GONE_SECONDS: Final = 610
"""An ended call is its worker's to let go of: after the longest tool, and a little."""


@define(eq=False)
class RemoteCall:
    """A call that a worker carries, as far as the supervisor knows it."""

    key: Key
    call_id: str
    agent: Agent
    routes: Routes
    caller: str
    called: str
    worker: "WorkerHandle" = field(repr=False)
    born: float = field(factory=trio.current_time)
    last_event: float = float("inf")
    ended: float = float("inf")
    leaves_by: float = float("inf")
    end: EndCall | None = None
    is_cancelled: bool = False
    is_outgoing: bool = False
    over: trio.Event = field(factory=trio.Event)
    has_stream: bool = False
    is_away: bool = False
    is_streaming: bool = False
    """Never: whether frames come is its worker's to see."""
    due: float = field(
        default=Factory(lambda call: call.born + call.agent.limits.max_call_seconds, takes_self=True)
    )
    _gone: trio.Event = field(factory=trio.Event)
    _on_disk: trio.Event = field(factory=trio.Event)

    @property
    def is_waiting(self) -> bool:
        """Say whether the call has had no phone leg yet."""
        return not self.has_stream and self.end is None

    async def run(self) -> None:
        """Return when nothing is left of the call but its tape."""
        try:
            await self._gone.wait()
        finally:
            self.worker.calls.pop(self.key, None)

    async def wait_on_disk(self) -> None:
        """Return when its worker has told that the beginning of its tape is on the disk, or has died."""
        await self._on_disk.wait()

    async def ask(self, request: Request) -> str | None:
        """Return what its worker answers; None when it has died, or keeps us waiting."""
        with trio.move_on_after(ANSWER_SECONDS):
            answer = await self.worker.answer(self.key, request)
            if self.worker.channel.is_gone:
                await self._gone.wait()  # it died before it could answer: the call is lost
            return answer
        return None

    def streams(self) -> None:
        """Take note that it has a media stream."""
        self.has_stream, self.is_away = True, False

    def leaves(self, bound_ms: int) -> None:
        """Take note that its caller has left the stream, for so long at most."""
        self.is_away = True
        self.due += bound_ms / 1000

    def stop(self, by: str, why: str, *, say: str = "", within_ms: int = 0) -> None:
        """Let its worker end the call, with a sentence for the caller, or within the time the agent has for its own."""
        self.worker.channel.send(Stop(self.key, by, why, say, within_ms=within_ms))

    async def wish(self, wish: Wish) -> str:
        """Let its worker's heart decide on what somebody here asks; return why it is not done."""
        return await self.worker.wish(self.key, wish)

    async def listen(self, who: str, hear: Hear) -> Seat:
        """Let somebody here hear both sides until they leave or the call is over, if they may."""
        return await self.worker.listen(self.key, who, hear)

    def abandon(self, why: str) -> None:
        """Let its worker end the call without asking its peers."""
        self.worker.channel.send(Stop(self.key, BRIDGE, why, is_stuck=True))

    def cancel(self, why: str) -> None:
        """Count the call as gone: its worker has had its time."""
        self.is_cancelled = True
        self._gone.set()
        self.over.set()

    def has_ended(self, end: EndCall) -> None:
        """Take note of its end."""
        if self.end is None:
            self.end, self.ended = end, trio.current_time()
            self.over.set()
            self.leaves_by = self.ended + GONE_SECONDS

    def is_lost(self) -> None:
        """Take note that its worker has died: what the caller hears next is ours to say."""
        self.has_ended(EndCall(BRIDGE, "crashed", self.agent.failure_sentence.text))
        self.is_gone()

    def is_gone(self) -> None:
        """Take note that nothing is left of it."""
        self._gone.set()
        self._on_disk.set()

    def is_on_disk(self) -> None:
        """Take note that its tape has begun."""
        self._on_disk.set()
