"""A worker process as its supervisor knows it: how it starts and ends, what it was given to do, what it tells."""

import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import structlog
import trio
from attrs import define, field

from bridge.calls.legs.ears import OVER, Hear, Seat
from bridge.calls.messages import (
    Answer,
    Answered,
    Ends,
    Gone,
    Key,
    Leave,
    Leaves,
    Listen,
    ListenNoMore,
    Media,
    OnDisk,
    Over,
    Overheard,
    Peek,
    Peeked,
    Prepare,
    Renew,
    Renewed,
    Streams,
    Told,
    Vitals,
    Wished,
)
from bridge.config import Secrets, Settings
from bridge.heart.parts.glance import Glance
from bridge.heart.wishes import Wish
from bridge.links.channel import Channel
from bridge.machine import child
from bridge.tapes.header import Header
from bridge.wire.requests import Request
from bridge.workers.protocol import OTHER_PROTOCOL, protocol
from bridge.workers.remote_call import RemoteCall

STUCK_SECONDS: Final = 20
"""A worker says every second how it is. One that is silent for so long is ended, and Python says where it was."""

SLOW_SECONDS: Final = 3
"""One that is silent for so long gets no new calls."""

PEEK_SECONDS: Final = 1
"""Somebody looks: what is told later they do not see."""

WISH_SECONDS: Final = 5
NO_ANSWER: Final = "the process of this call does not answer"

log = structlog.get_logger(__name__)


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
    _ears: dict[int, Hear] = field(factory=dict)
    """Who hears calls of its, by the numbers under which they asked to."""
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

    async def wish(self, key: Key, wish: Wish) -> str:
        """Let it have one of its calls do what somebody asks; return why that is not done."""
        number, told = self._new(self._asked)
        self.channel.send(Wished(number, key, wish))
        return await self._refusal(number, told)

    async def listen(self, key: Key, who: str, hear: Hear) -> Seat:
        """Let somebody hear one of its calls, if they may."""
        number, told = self._new(self._asked)
        self._ears[number], leave, refusal = hear, partial(self._listen_no_more, number), NO_ANSWER
        self.channel.send(Listen(number, key, who))
        try:
            refusal = await self._refusal(number, told)
        finally:
            if refusal:
                leave()
        return Seat(refusal, leave)

    async def _refusal(self, number: int, told: trio.Event) -> str:
        self._faults[number] = NO_ANSWER
        try:
            with trio.move_on_after(WISH_SECONDS):
                await _wait_in(self._asked, number, told)
        finally:
            refusal = self._faults.pop(number, "")
        return refusal

    def _listen_no_more(self, number: int) -> None:
        if self._ears.pop(number, None) is not None:
            self.channel.send(ListenNoMore(number))

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
            case Overheard(number, block) if number in self._ears:
                self._ears[number](block)
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
            case Told(number, ""):
                self._faults.pop(number, None)
            case Told(number, fault):
                self._faults[number] = fault
        told.set()

    def has_died(self) -> None:
        """Let go of all that waited for it: it has died."""
        for call in list(self.calls.values()):
            call.is_lost()
        for event in (*self._sockets.values(), *self._asked.values()):
            event.set()
        for hear in self._ears.values():
            hear(OVER)


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
