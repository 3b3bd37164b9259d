"""Calls carried in this process: their birth, their media sockets, their tapes."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

import trio
from attrs import define, field

from bridge.calls.host import AnyCall
from bridge.calls.intake import Webhook, begin_call, line_of, routes_of
from bridge.calls.live_call import LiveCall
from bridge.calls.messages import Key, Vitals
from bridge.calls.setup import Setup
from bridge.calls.switchboard import Switchboard
from bridge.errors import ConfigError
from bridge.heart.parts.glance import Glance
from bridge.links.arrivals import Arrivals
from bridge.links.lag import LoopLag
from bridge.links.phone import HANDSHAKE_SECONDS, accept_phone
from bridge.machine import files_left, resident_bytes
from bridge.tapes.reader import Known
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import Line
from bridge.web.app import Gate, ServeLink
from bridge.web.media_sockets import MediaSockets
from bridge.workers.garbage import Garbage


@define(eq=False)
class LocalHost:
    """This process as a place for calls; `on_begin` is told each one before anything has happened to it."""

    recorder: Recorder
    lag: LoopLag = field(factory=LoopLag)
    watch: Callable[[str, Line], None] | None = None
    handshake_seconds: float = HANDSHAKE_SECONDS
    lock: int | None = None
    process: str = ""
    """What the paths of its media sockets end with."""
    on_begin: Callable[[Key, LiveCall], None] = field(default=lambda key, call: None)
    garbage: Garbage = field(init=False)

    @garbage.default
    def _garbage_of_this_process(self) -> Garbage:
        return Garbage(lambda: not self.recorder.backlog)

    @property
    def has_room(self) -> bool:
        """Say whether anything is there to carry one more call."""
        return True

    @property
    def is_late(self) -> bool:
        """Say whether the event loop is too late for one more call."""
        return self.lag.is_late

    @property
    def is_full(self) -> bool:
        """Say whether the event loop has too much to do for one more call."""
        return self.lag.work.is_full

    @property
    def files_left(self) -> int:
        """Return how many more files and sockets this process may open."""
        return files_left()

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return self.recorder.backlog

    def begin_call(self, webhook: Webhook, call_id: str, secret: str) -> LiveCall:
        """Return a new call."""
        routes = routes_of(webhook, secret, self.process)
        call = begin_call(webhook, call_id, routes, self.recorder, self.lag, self.watch)
        self.garbage.call_begins()
        self.on_begin(webhook.key, call)
        call.begin(line_of(webhook))
        return call

    def taped_as(self, call_id: str) -> Known | None:
        """Return the call recorded under this id; looks at the disk."""
        return self.recorder.taped_as(call_id)

    async def serve_media(self, stream: trio.SocketStream, gate: Gate) -> None:
        """Live through a media socket of which nothing is read yet."""
        async with stream:
            link = await accept_phone(stream, gate.refuse_upgrade, seconds=self.handshake_seconds)
            agent = gate.agent_of(link.path) if link is not None else None
            if link is not None and agent is not None:
                await self.link_server(gate.switchboard)(link, agent)

    def link_server(self, switchboard: Switchboard) -> ServeLink:
        """Return what serves media sockets that another server has accepted."""
        return MediaSockets(switchboard, self.handshake_seconds).serve

    # ------------------------------------------------------------ tapes

    def vitals(self, calls: Iterable[AnyCall]) -> Vitals:
        """Return what this process looks like inside, carrying these calls."""
        carried = [call for call in calls if isinstance(call, LiveCall)]
        lines = [tape.waiting for tape in self.recorder.tapes]
        return Vitals(
            tapes=self.recorder.backlog,
            is_failing=self.recorder.is_failing,
            shed=self.recorder.shed,
            lost=self.recorder.lost,
            phone=max((len(call.phone.outbox) for call in carried), default=0),
            model=max((len(call.model.outbox) for call in carried), default=0),
            lines=sum(lines),
            most_lines=max(lines, default=0),
            tasks=trio.lowlevel.current_statistics().tasks_living,
            threads=threading.active_count(),
            memory_bytes=resident_bytes(),
            cpu_seconds=time.process_time(),
            is_late=self.is_late,
            is_full=self.is_full,
            files_left=files_left(),
        )

    async def glances(self, calls: Iterable[AnyCall]) -> Mapping[str, Glance]:
        """Return what can be seen of these calls now."""
        return {call.call_id: call.call.glance(call.now_ms()) for call in calls if isinstance(call, LiveCall)}

    def hush(self, why: str) -> None:
        """Keep no sound from now on."""
        self.recorder.hush(why)

    def unhush(self) -> None:
        """Keep sound again."""
        self.recorder.unhush()

    async def prepare(self, setup: Setup) -> None:
        """Nothing to do: it is loaded in this process."""

    async def roll(self, setup: Setup) -> None:
        """Refuse, and say why: this process can't replace its own code. Raises `ConfigError`."""
        raise ConfigError(
            [
                "[server] workers = 1: new code needs a process of its own; set it to 2 or more, or restart the daemon"
            ]
        )

    def renew(self, setup: Setup) -> None:
        """Use another configuration from now on."""
        self.lag.follow(setup.settings.server)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write tapes, tell calls of what comes, feel the loop and collect garbage until `finish`."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.lag.run, name="loop lag")
            nursery.start_soon(self.garbage.run, name="garbage")
            nursery.start_soon(Arrivals().run, name="arrivals")
            await self.recorder.run()
            nursery.cancel_scope.cancel(reason="all tapes are written")

    def finish(self) -> None:
        """Let `run` write what is left and end, soon."""
        self.recorder.finish()
