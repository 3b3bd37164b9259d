"""Calls carried by worker processes, one event loop each: the desk's side.

The desk accepts connections, answers webhooks and decides about calls; a media socket is passed on to the process of
its call before a byte of it is read. A worker that dies takes its own calls with it, and is started again.
"""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import trio
from attrs import define, evolve, field

from bridge.app import MEDIA_PATH, Gate
from bridge.birth import Webhook, header_of
from bridge.config import Agent, Secrets, Settings
from bridge.current import Setup
from bridge.effects import EndCall
from bridge.errors import LinkError
from bridge.letters import (
    Ask,
    Begin,
    Carry,
    Ends,
    Gone,
    Hush,
    Key,
    Leave,
    Media,
    Over,
    Ready,
    Renew,
    Stop,
    Streams,
    Taped,
    Told,
    Vitals,
    together,
)
from bridge.links import HANDSHAKE_SECONDS, accept_phone, peek
from bridge.machine import resident_bytes
from bridge.place import AnyCall
from bridge.post import Post
from bridge.recorder import agent_on_disk, call_id_of
from bridge.store import Indexer
from bridge.switchboard import Switchboard
from bridge.tape import BRIDGE, Header

STUCK_SECONDS: Final = 20
"""A worker says every second how it is. One that is silent for so long is ended, and Python says where it was."""

SLOW_SECONDS: Final = 3
"""One that is silent for so long gets no new calls."""

LEAVE_SECONDS: Final = 5
"""What workers may take to write their last lines; their own bounds add up to less."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a worker that died is started again: doubled each time, until one has lived for a minute."""

SETTLE_SECONDS: Final = 1
MOST_PATH_BYTES: Final = 200
NOWHERE: Final = " "
"""No path ends with it."""

PATH: Final = re.compile(rb"GET %s[a-z0-9_-]+/(\d{1,2})/? " % MEDIA_PATH.encode())
"""A request line of a media socket; what it ends with is the worker's number."""

log = structlog.get_logger(__name__)


@define(eq=False)
class RemoteCall:
    """A call that a worker carries, as far as the desk knows it."""

    key: Key
    call_id: str
    agent: Agent
    token: str = field(repr=False)
    caller: str
    called: str
    hand: "Hand" = field(repr=False)
    born: float = field(factory=trio.current_time)
    last_event: float = float("inf")
    ended: float = float("inf")
    end: EndCall | None = None
    is_cancelled: bool = False
    has_stream: bool = False
    is_streaming: bool = False
    """Never: whether frames come is its worker's to see."""
    _gone: trio.Event = field(factory=trio.Event)

    @property
    def way(self) -> str:
        """Return what its media socket's path ends with, so that the socket finds the process."""
        return f"/{self.hand.number}"

    @property
    def is_waiting(self) -> bool:
        """Say whether the call has had no phone leg yet."""
        return not self.has_stream and self.end is None

    async def run(self) -> None:
        """Return when nothing is left of the call but its tape."""
        try:
            await self._gone.wait()
        finally:
            self.hand.calls.pop(self.key, None)

    async def settle(self) -> None:
        """Return when the worker has told all that has happened to the call until now, or keeps us waiting."""
        with trio.move_on_after(SETTLE_SECONDS):
            await self.hand.ask()

    def stop(self, by: str, why: str, *, say: str = "") -> None:
        """Let its worker end the call, with a sentence for the caller if there is one to say."""
        self.hand.post.send(Stop(self.key, by, why, say))

    def abandon(self, why: str) -> None:
        """Let its worker end the call without asking its peers."""
        self.hand.post.send(Stop(self.key, BRIDGE, why, is_stuck=True))

    def cancel(self, why: str) -> None:
        """Count the call as gone: its worker has had its time."""
        self.is_cancelled = True
        self._gone.set()

    def has_ended(self, end: EndCall) -> None:
        """Take note of its end."""
        if self.end is None:
            self.end, self.ended = end, trio.current_time()

    def is_lost(self) -> None:
        """Take note that its worker has died: what the caller hears next is ours to say."""
        self.has_ended(EndCall(BRIDGE, "crashed", self.agent.failure_sentence))
        self._gone.set()

    def is_gone(self) -> None:
        """Take note that nothing is left of it."""
        self._gone.set()


@define(eq=False)
class Hand:
    """A worker process, and what it was given to do."""

    number: int
    process: trio.Process
    post: Post
    heard: float = field(factory=trio.current_time)
    is_ready: bool = False
    vitals: Vitals = field(factory=Vitals)
    calls: dict[Key, RemoteCall] = field(factory=dict)
    tapes: dict[str, Header] = field(factory=dict)
    """Calls whose tapes are not complete, and how those begin."""
    _sockets: dict[int, trio.Event] = field(factory=dict)
    _asked: dict[int, trio.Event] = field(factory=dict)
    _count: int = 0

    @property
    def is_able(self) -> bool:
        """Say whether it may be given a call."""
        return self.is_ready and not self.post.is_gone and self.silent_seconds < SLOW_SECONDS

    @property
    def silent_seconds(self) -> float:
        """Return how long it has said nothing."""
        return trio.current_time() - self.heard

    async def ask(self) -> None:
        """Return when it has told everything that has happened until now, or has died."""
        number, told = self._new(self._asked)
        self.post.send(Ask(number))
        await _wait_in(self._asked, number, told)

    async def have(self, stream: trio.SocketStream) -> None:
        """Pass a socket on, and return when the worker is done with it, or has died."""
        number, over = self._new(self._sockets)
        self.post.send(Media(number), stream.socket.dup().detach())
        await stream.aclose()  # of this process' copy alone
        await _wait_in(self._sockets, number, over)

    def _new(self, events: dict[int, trio.Event]) -> tuple[int, trio.Event]:
        self._count += 1
        event = events[self._count] = trio.Event()
        if self.post.is_gone:
            event.set()
        return self._count, event

    def take(self, letter: Any) -> None:
        """Take note of what it tells of calls and sockets."""
        match letter:
            case Vitals():
                self.vitals = letter
            case Streams(key) if key in self.calls:
                self.calls[key].has_stream = True
            case Ends(key, end) if key in self.calls:
                self.calls[key].has_ended(end)
            case Gone(key) if key in self.calls:
                self.calls[key].is_gone()
            case Over(number) if number in self._sockets:
                self._sockets[number].set()
            case Told(number) if number in self._asked:
                self._asked[number].set()

    def bury(self) -> None:
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


@define(eq=False)
class Crew:
    """All workers; `felt` is told how late their loops were, in seconds."""

    settings: Settings
    secrets: Secrets
    indexer: Indexer
    handshake_seconds: float = HANDSHAKE_SECONDS
    felt: Callable[[float], None] = field(default=lambda lag: None)
    lock: int | None = None
    """The file that keeps other daemons out: workers hold it too, for as long as they write tapes."""
    _hands: dict[int, Hand] = field(factory=dict)
    _dead: list[Hand] = field(factory=list)
    """Those whose tapes are being closed."""
    _before: Vitals = Vitals(workers=0)
    _all_ready: trio.Event = field(factory=trio.Event)
    _is_leaving: bool = False
    _hushed_by: str = ""
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    # ------------------------------------------------------------ giving calls to workers

    @property
    def _able(self) -> list[Hand]:
        return [hand for hand in self._hands.values() if hand.is_able]

    @property
    def has_room(self) -> bool:
        """Say whether any worker can take a call."""
        return bool(self._able)

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return sum(len(hand.tapes) for hand in (*self._hands.values(), *self._dead))

    def birth(self, webhook: Webhook, call_id: str, token: str) -> AnyCall:
        """Let the worker with the fewest calls begin a new one."""
        hand = min(self._able, key=lambda hand: len(hand.calls))
        form = dict(webhook.form)
        agent, caller, called = webhook.agent, form.get("From", ""), form.get("To", "")
        call = RemoteCall(webhook.key, call_id, agent, token, caller, called, hand)
        hand.calls[webhook.key], hand.tapes[call_id] = call, header_of(webhook, call_id)
        hand.post.send(Carry(webhook.key, call_id, token, form, webhook.url))
        return call

    def agent_taped_as(self, call_id: str) -> str | None:
        """Return the agent of the call recorded under this id, here or by an earlier process; looks at the disk."""
        for hand in list(self._hands.values()):
            if call_id in hand.tapes:
                return hand.tapes[call_id].agent
        return agent_on_disk(self.settings.data_folder / "tapes", call_id)

    async def serve_media(self, stream: trio.SocketStream, gate: Gate) -> None:
        """Pass a media socket on to the worker that its path names; the worker looks at everything else."""
        first = b""
        with trio.move_on_after(self.handshake_seconds):
            first = await peek(stream, MOST_PATH_BYTES, lambda data: data.count(b" ") > 1)
        found = PATH.match(first)
        hand = self._hands.get(int(found[1])) if found else None
        if hand is not None and not hand.post.is_gone:
            await hand.have(stream)
            return
        async with stream:
            await accept_phone(
                stream, evolve(gate, way=NOWHERE).refuse_upgrade, seconds=self.handshake_seconds
            )

    def link_server(self, switchboard: Switchboard) -> None:
        """Return nothing: a media socket that is not the first request of its connection can't be passed on."""

    # ------------------------------------------------------------ telling all of them

    def _tell_all(self, letter: Any) -> None:
        for hand in self._hands.values():
            hand.post.send(letter)

    def renew(self, setup: Setup) -> None:
        """Let calls from now on be made with another configuration."""
        self.settings, self.secrets = setup.settings, setup.secrets
        self._tell_all(Renew(self.settings, self.secrets))

    def hush(self, why: str) -> None:
        """Keep no sound from now on."""
        if why != self._hushed_by:
            self._hushed_by = why
            self._tell_all(Hush(why))

    def unhush(self) -> None:
        """Keep sound again: a worker may have stopped by itself, so all of them are told each time."""
        self._hushed_by = ""
        self._tell_all(Hush(""))

    def vitals(self, calls: Iterable[AnyCall]) -> Vitals:
        """Return what all processes look like inside."""
        here = Vitals(
            tasks=trio.lowlevel.current_statistics().tasks_living,
            threads=threading.active_count(),
            memory_bytes=resident_bytes(),
            cpu_seconds=time.process_time(),
        )
        seen = together([self._before, here, *(hand.vitals for hand in self._hands.values())])
        return evolve(seen, tapes=self.backlog, workers=len(self._able))

    # ------------------------------------------------------------ keeping them alive

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep all workers alive until `finish`. Raises `LinkError` when one can't even start."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                for number in range(1, self.settings.server.workers + 1):
                    nursery.start_soon(self._keep_alive, number, name=f"worker {number}")
                await self._all_ready.wait()
                task_status.started()

    def finish(self) -> None:
        """Let the workers write what is left and end, soon."""
        self._is_leaving = True
        self._tell_all(Leave())
        self._scope.deadline = trio.current_time() + LEAVE_SECONDS

    async def _keep_alive(self, number: int) -> None:
        pauses, born = _pauses(), trio.current_time()
        while True:
            hand = await self._live(number)
            if self._is_leaving:
                return
            if not self._all_ready.is_set():
                raise LinkError(f"worker {number} could not start; its own lines say why")
            if trio.current_time() - born > 2 * LONGEST_PAUSE:
                pauses = _pauses()
            pause, status = next(pauses), hand.process.returncode
            log.error("worker died, and its calls with it", worker=number, status=status, again_in=pause)
            await self._save_tapes(hand)
            await trio.sleep(pause)
            born = trio.current_time()

    async def _live(self, number: int) -> Hand:
        """Live one life of a worker; return when its process is gone."""
        hand = self._hands[number] = await _start(number, self.lock)
        hand.post.send(Begin(self.settings, self.secrets, self.handshake_seconds))
        if self._hushed_by:
            hand.post.send(Hush(self._hushed_by))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_when_stuck, hand, name="worker's watchdog")
                await hand.post.run(partial(self._take, hand))
                nursery.cancel_scope.cancel(reason="it is gone")
        finally:
            with trio.move_on_after(LEAVE_SECONDS, shield=True):
                await hand.process.wait()  # it hears that we are gone, and ends its calls
            hand.process.kill()
            with trio.CancelScope(shield=True):
                await hand.process.wait()
            self._bury(hand)
        return hand

    def _take(self, hand: Hand, letter: Any, _: int | None) -> None:
        hand.heard = trio.current_time()
        match letter:
            case Ready():
                hand.is_ready = True
                if all(self._is_up(number) for number in range(1, self.settings.server.workers + 1)):
                    self._all_ready.set()
            case Taped(path):
                hand.tapes.pop(call_id_of(Path(path)), None)
                self.indexer.add(Path(path))
            case _:
                hand.take(letter)
        if isinstance(letter, Vitals):
            for lag in letter.lags:
                self.felt(lag)

    def _is_up(self, number: int) -> bool:
        return number in self._hands and self._hands[number].is_ready

    def _bury(self, hand: Hand) -> None:
        """Let go of a worker that is gone: its counts stay, its calls are over."""
        self._hands.pop(hand.number, None)
        self._dead.append(hand)
        deaths = 0 if self._is_leaving else 1
        seen = hand.vitals
        last = Vitals(shed=seen.shed, lost=seen.lost, cpu_seconds=seen.cpu_seconds, workers=0, deaths=deaths)
        self._before = together([self._before, last])
        hand.bury()

    async def _save_tapes(self, hand: Hand) -> None:
        """Close the tapes that it left open, and index them; a call too young to be on disk gets its record too."""
        await self.indexer.save_tapes(self.settings.data_folder / "tapes", list(hand.tapes.values()))
        self._dead.remove(hand)


async def _start(number: int, lock: int | None) -> Hand:
    """Start a process; it inherits standard error, the environment, the lock, and one end of a socket pair."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "bridge.worker", str(number), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), *([] if lock is None else [lock])],
        )
    return Hand(number, process, Post.on(ours))


async def _end_when_stuck(hand: Hand) -> None:
    """End a worker that says nothing any more, so that others can have its place."""
    while hand.silent_seconds < STUCK_SECONDS:  # noqa: ASYNC110 - it is a silence that is waited for
        await trio.sleep(1)
    log.error("worker is stuck: ending it", worker=hand.number, silent_seconds=round(hand.silent_seconds))
    hand.process.send_signal(signal.SIGABRT)
    await trio.sleep(1)
    hand.process.kill()


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)
