"""A worker process as its supervisor knows it: how it starts and ends, what it was given to do, what it tells."""

import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
import trio
from attrs import Factory, define, field

from bridge.agents import Agent
from bridge.calls.messages import (
    Answer,
    Answered,
    Ends,
    Gone,
    Key,
    Leave,
    Leaves,
    Media,
    OnDisk,
    Over,
    Peek,
    Peeked,
    Prepare,
    Renew,
    Renewed,
    Stop,
    Streams,
    Told,
    Vitals,
)
from bridge.config import Secrets, Settings
from bridge.heart.effects import EndCall
from bridge.heart.parts.glance import Glance
from bridge.links.channel import Channel
from bridge.machine import child
from bridge.tapes.header import Header
from bridge.tapes.tape import BRIDGE
from bridge.wire.requests import Request
from bridge.wire.routes import Routes
from bridge.workers.protocol import OTHER_PROTOCOL, protocol

STUCK_SECONDS: Final = 20
"""A worker says every second how it is. One that is silent for so long is ended, and Python says where it was."""

SLOW_SECONDS: Final = 3
"""One that is silent for so long gets no new calls."""

ANSWER_SECONDS: Final = 5
"""What a worker may take to answer a request: Twilio gives it 15 s."""

PEEK_SECONDS: Final = 1
"""Somebody looks: what is told later they do not see."""

GONE_SECONDS: Final = 610
"""An ended call is its worker's to let go of: after the longest tool, and a little."""

log = structlog.get_logger(__name__)


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


@define(eq=False)
class WorkerHandle:
    """A worker process, and what it was given to do."""

    number: int
    process: trio.Process
    channel: Channel
    generation: int = 1
    """Whose code it has: those of a later one have what was on the disk then."""
    on_ready: Callable[[], None] = field(default=lambda: None)
    born: float = field(factory=trio.current_time)
    heard: float = field(factory=trio.current_time)
    is_ready: bool = False
    is_prepared: bool = False
    is_behind: bool = False
    """Whether the configuration that it has is not the one in use."""
    is_fresh: bool = False
    """Whether it began with the configuration that is about to be used."""
    is_leaving: bool = False
    fault: str = ""
    """Why it could not begin."""
    vitals: Vitals = field(factory=Vitals)
    calls: dict[Key, RemoteCall] = field(factory=dict)
    tapes: dict[str, Header] = field(factory=dict)
    """Calls whose tapes are not complete, and how those begin."""
    _sockets: dict[int, trio.Event] = field(factory=dict)
    _asked: dict[int, trio.Event] = field(factory=dict)
    _faults: dict[int, str] = field(factory=dict)
    _answers: dict[int, str] = field(factory=dict)
    _glances: dict[int, Mapping[str, Glance]] = field(factory=dict)
    _count: int = 0
    _renewal: int = 0

    @property
    def is_able(self) -> bool:
        """Say whether it may be given a call."""
        is_well = not self.channel.is_gone and self.silent_seconds < SLOW_SECONDS
        return self.is_ready and not self.is_behind and not self.is_leaving and is_well

    @property
    def is_idle(self) -> bool:
        """Say whether nothing of a call is left with it, not even a tape to write."""
        return not self.calls and not self.tapes

    @property
    def calls_until(self) -> float:
        """Return when the last of its calls is over at the latest."""
        return max((call.due for call in self.calls.values()), default=0.0)

    @property
    def silent_seconds(self) -> float:
        """Return how long it has said nothing."""
        return trio.current_time() - self.heard

    def has_begun(self) -> None:
        """Take note that it can have calls."""
        self.is_ready = True
        self.on_ready()

    def leave(self) -> None:
        """Let it write what is left and end."""
        self.is_leaving = True
        self.channel.send(Leave())

    async def answer(self, key: Key, request: Request) -> str | None:
        """Let it answer a request about a call; None when it has died."""
        number, told = self._new(self._asked)
        self.channel.send(Answer(number, key, request))
        await _wait_in(self._asked, number, told)
        return self._answers.pop(number, None)

    async def glances(self) -> Mapping[str, Glance]:
        """Return what can be seen of its calls now; nothing of those of one that is slow, or has died."""
        number, told = self._new(self._asked)
        self.channel.send(Peek(number))
        with trio.move_on_after(PEEK_SECONDS):
            await _wait_in(self._asked, number, told)
        return self._glances.pop(number, {})

    async def prepare(self, settings: Settings, secrets: Secrets) -> str:
        """Let it load another configuration, and return what is wrong with it there; nothing if it has died."""
        self.is_prepared = False
        number, told = self._new(self._asked)
        self.channel.send(Prepare(number, settings, secrets))
        await _wait_in(self._asked, number, told)
        fault = self._faults.pop(number, "")
        self.is_prepared = not fault and not self.channel.is_gone
        return fault

    def renew(self, settings: Settings, secrets: Secrets) -> None:
        """Let it use another configuration; until one that prepared nothing has caught up it gets no new calls."""
        if self.is_fresh:
            self.is_fresh = False
            return
        self.is_behind, self.is_prepared = not self.is_prepared, False
        self._count = self._renewal = self._count + 1
        self.channel.send(Renew(self._renewal, settings, secrets))

    async def have(self, stream: trio.SocketStream) -> None:
        """Pass a socket on, and return when the worker is done with it, or has died."""
        number, over = self._new(self._sockets)
        self.channel.send(Media(number), stream.socket.dup().detach())
        await stream.aclose()  # of this process' copy alone
        await _wait_in(self._sockets, number, over)

    def _new(self, events: dict[int, trio.Event]) -> tuple[int, trio.Event]:
        self._count += 1
        event = events[self._count] = trio.Event()
        if self.channel.is_gone:
            event.set()
        return self._count, event

    def take(self, message: Any) -> None:
        """Take note of what it tells of calls and sockets."""
        match message:
            case Vitals():
                self.vitals = message
            case Streams(key) if key in self.calls:
                self.calls[key].streams()
            case Leaves(key, bound_ms) if key in self.calls:
                self.calls[key].leaves(bound_ms)
            case Ends(key, end) if key in self.calls:
                self.calls[key].has_ended(end)
            case OnDisk(key) if key in self.calls:
                self.calls[key].is_on_disk()
            case Gone(key) if key in self.calls:
                self.calls[key].is_gone()
            case Over(number) if number in self._sockets:
                self._sockets[number].set()
            case Answered() | Told() | Peeked():
                self._take_answer(message)
            case Renewed(number) if number == self._renewal:
                self.is_behind = False

    def _take_answer(self, message: Answered | Told | Peeked) -> None:
        told = self._asked.get(message.number)
        if told is None:
            return  # whoever asked has not waited so long
        match message:
            case Answered(number, answer):
                self._answers[number] = answer
            case Peeked(number, glances):
                self._glances[number] = glances
            case Told(number, fault) if fault:
                self._faults[number] = fault
        told.set()

    def has_died(self) -> None:
        """Let go of all that waited for it: it has died."""
        for call in list(self.calls.values()):
            call.is_lost()
        for event in (*self._sockets.values(), *self._asked.values()):
            event.set()


async def _wait_in(events: dict[int, trio.Event], number: int, event: trio.Event) -> None:
    try:
        await event.wait()
    finally:
        del events[number]


async def start_worker(number: int, generation: int, lock: int | None) -> WorkerHandle:
    """Start a process; it inherits standard error, the environment, the lock, and one end of a socket pair."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await trio.lowlevel.open_process(
            child("bridge.workers", str(number), str(theirs.fileno()), protocol()),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), *([] if lock is None else [lock])],
        )
    return WorkerHandle(number, process, Channel.on(ours), generation)


async def end_when_stuck(worker: WorkerHandle) -> None:
    """End a worker that says nothing any more, so that others can have its place.

    Silent looks are counted, not seconds: after a pause of the whole machine what it said is still to be read.
    """
    looks, heard = 0, worker.heard
    while looks < STUCK_SECONDS:
        await trio.sleep(1)
        looks, heard = (looks + 1 if worker.heard == heard else 0), worker.heard
    log.error("worker is stuck: ending it", worker=worker.number, silent_seconds=round(worker.silent_seconds))
    worker.process.send_signal(signal.SIGABRT)
    await trio.sleep(1)
    worker.process.kill()


def why_not(worker: WorkerHandle) -> str:
    """Return why a worker that is gone can't take calls, as far as is known here."""
    status = worker.process.returncode
    if worker.fault:
        return f"worker {worker.number}: {worker.fault}"
    if status == OTHER_PROTOCOL:
        return (
            f"worker {worker.number}: the code on the disk is of a version that this daemon can't talk to: "
            "restart the daemon"
        )
    return f"worker {worker.number} could not start or died (status {status}); its own lines say why"


def way_of(number: int) -> str:
    """Return what the paths of media sockets for this worker end with."""
    return f"/{number}"
