"""Where calls are carried, as those see it who decide about calls: in this process, or in others."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import trio

from bridge.agents import Agent
from bridge.calls.admission import Load
from bridge.calls.intake import Webhook
from bridge.calls.legs.ears import Hear, Seat
from bridge.calls.messages import Vitals
from bridge.calls.setup import Setup
from bridge.heart.effects import EndCall
from bridge.heart.parts.glance import Glance
from bridge.heart.wishes import Wish
from bridge.machine import FILES_A_CALL, SPARE_FILES
from bridge.tapes.reader import Known
from bridge.wire.requests import Request
from bridge.wire.routes import Routes

CLOSING: Final = "the daemon is shutting down"
LEAST_GOODBYE_SECONDS: Final = 2
"""A model takes so long for the shortest sentence, from being asked until its last word was heard."""


class AnyCall(Protocol):
    """A call, wherever it is carried. Times are in seconds of trio's clock; at `due` it is over at the latest.

    `ended` is infinite until then, and so is `leaves_by`, when nothing of it may be left, a tool that it left behind
    included.
    """

    call_id: str
    agent: Agent
    routes: Routes
    born: float
    due: float
    last_event: float
    ended: float
    leaves_by: float
    end: EndCall | None
    is_cancelled: bool
    is_outgoing: bool
    over: trio.Event
    """Set when it has ended; something may be left of it."""

    @property
    def caller(self) -> str:
        """Return the number that called."""

    @property
    def called(self) -> str:
        """Return the number that was called."""

    @property
    def is_waiting(self) -> bool:
        """Say whether the call has had no phone leg yet."""

    @property
    def is_streaming(self) -> bool:
        """Say whether the call has a phone leg that this process sees the frames of."""

    async def run(self) -> None:
        """Live through the call; when this returns nothing of it is left but its tape."""

    async def wait_on_disk(self) -> None:
        """Return when the beginning of the call's tape is on the disk, or could not be put there."""

    @property
    def is_away(self) -> bool:
        """Say whether the caller has left the stream, and is not back yet."""

    async def ask(self, request: Request) -> str | None:
        """Answer a signed request about the caller: "" if nothing is to be said, None if nobody is there to say it."""

    async def wish(self, wish: Wish) -> str:
        """Have the heart decide on what somebody at the daemon asks; return why it is not done, nothing if it is."""

    async def listen(self, who: str, hear: Hear) -> Seat:
        """Let somebody hear both sides until they leave or the call is over, if they may."""

    def stop(self, by: str, why: str, *, say: str = "", within_ms: int = 0) -> None:
        """End the call from outside, with a sentence for the caller if there is one to say; the agent may say goodbye
        before, for which it has so long."""

    def abandon(self, why: str) -> None:
        """End the call without asking its peers."""

    def cancel(self, why: str) -> None:
        """Cancel whatever is left of a call that is over."""


class CallHost(Protocol):
    """What carries calls."""

    @property
    def has_room(self) -> bool:
        """Say whether anything is there to carry one more call."""

    @property
    def is_late(self) -> bool:
        """Say whether whatever carries calls is too late with those it has to take one more."""

    @property
    def is_full(self) -> bool:
        """Say whether whatever carries calls works so much for those it has that it can't take one more."""

    @property
    def files_left(self) -> int:
        """Return how many more files and sockets a call that begins here may find."""

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""

    def begin_call(self, webhook: Webhook, call_id: str, secret: str) -> AnyCall:
        """Return a new call."""

    def taped_as(self, call_id: str) -> Known | None:
        """Return the call recorded under this id; looks at the disk."""

    async def serve_media(self, stream: trio.SocketStream, gate: Any) -> None:
        """Live through a media socket of which nothing is read yet."""

    async def prepare(self, setup: Setup) -> None:
        """Get ready for another configuration. Raises `ConfigError` when not all that carry calls can use it."""

    async def roll(self, setup: Setup) -> None:
        """Have calls from now on carried with the code on the disk. Raises `ConfigError`; then nothing has changed."""

    def vitals(self, calls: Iterable[AnyCall]) -> Vitals:
        """Return what it looks like inside, carrying these calls."""

    async def glances(self, calls: Iterable[AnyCall]) -> Mapping[str, Glance]:
        """Return what can be seen of these calls now, by their ids; of one that can't be asked, nothing."""

    def hush(self, why: str) -> None:
        """Keep no sound from now on."""

    def unhush(self) -> None:
        """Keep sound again."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep tapes, and whatever carries the calls, until `finish`; started when calls can come."""

    def finish(self) -> None:
        """Let `run` write what is left and end, soon."""


async def say_goodbye(call: AnyCall, ends_at: float, say: str) -> None:
    """Tell a call in time that it has to end; half of the time that is left, at most, is for its goodbye."""
    left = max(0.0, ends_at - trio.current_time())
    before = min(call.agent.limits.goodbye_seconds, left / 2)
    with trio.move_on_after(left - before):
        await call.over.wait()
    if before >= LEAST_GOODBYE_SECONDS and call.end is None:
        call.stop("operator", CLOSING, say=say, within_ms=int(before * 1000))


def load_of(
    all_calls: Iterable[AnyCall], host: CallHost, agent: Agent, *, max_calls: int, is_open: bool = True
) -> Load:
    """Return the load as a new call of this agent finds it.

    A call that is over and has a tool running takes room beyond as many as there may be calls. One that rings is no
    caller who waits, and so never looks like a flood.
    """
    everything = list(all_calls)
    calls = [call for call in everything if call.end is None]
    waiting = [call for call in calls if call.is_waiting]
    return Load(
        live=len(calls) + max(0, len(everything) - len(calls) - max_calls),
        of_agent=sum(call.agent.name == agent.name for call in calls),
        waiting=sum(not call.is_outgoing for call in waiting),
        has_room=host.has_room,
        is_late=host.is_late,
        is_full=host.is_full,
        has_files=host.files_left >= SPARE_FILES + FILES_A_CALL * (len(waiting) + 1),
        is_open=is_open,
    )
