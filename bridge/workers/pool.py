"""Calls carried by worker processes, one event loop each: the supervisor's side.

The supervisor accepts connections, answers webhooks and decides about calls; a media socket is passed on to the
process of its call before a byte of it is read. A worker that dies takes its own calls with it, and is started again.
"""

import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
import trio
from attrs import define, evolve, field

from bridge.calls.host import AnyCall
from bridge.calls.intake import Webhook, agent_of, header_of, routes_of
from bridge.calls.messages import Carry, Hush, Vitals, together
from bridge.calls.setup import Setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.errors import ConfigError
from bridge.heart.parts.glance import Glance
from bridge.indexing.indexer import Indexer
from bridge.links.lag import LoopLag
from bridge.links.phone import HANDSHAKE_SECONDS, accept_phone, peek
from bridge.machine import files_left, resident_bytes
from bridge.tapes.reader import Known, known_on_disk
from bridge.web.app import MEDIA_PATH, Gate
from bridge.workers.garbage import Garbage
from bridge.workers.handle import WorkerHandle, way_of
from bridge.workers.remote_call import RemoteCall
from bridge.workers.roster import Roster

PREPARE_SECONDS: Final = 30
"""What a worker may take to import the tools of another configuration; its calls go on meanwhile."""

MOST_PATH_BYTES: Final = 200
NOWHERE: Final = " "
"""No path ends with it."""

PATH: Final = re.compile(rb"GET %s[a-z0-9_-]+/(\d{1,3})/? " % MEDIA_PATH.encode())
"""A request line of a media socket; what it ends with is the worker's number."""

log = structlog.get_logger(__name__)


@define(eq=False)
class WorkerPool:
    """All workers; `lag` is of the supervisor's own loop, and told of theirs."""

    settings: Settings
    secrets: Secrets
    indexer: Indexer
    handshake_seconds: float = HANDSHAKE_SECONDS
    lag: LoopLag = field(factory=LoopLag)
    garbage: Garbage = field(init=False)
    """Of the supervisor's own process; its pauses are told with those of the workers."""
    roster: Roster = field(init=False)

    @garbage.default
    def _garbage_of_this_process(self) -> Garbage:
        return Garbage(lambda: not self.backlog)

    @roster.default
    def _roster_of_this_daemon(self) -> Roster:
        return Roster(self.settings, self.secrets, self.indexer, self.handshake_seconds, self._feel)

    @property
    def lock(self) -> int | None:
        """Return the file that keeps other daemons out."""
        return self.roster.lock

    @lock.setter
    def lock(self, file: int | None) -> None:
        self.roster.lock = file

    # ------------------------------------------------------------ giving calls to workers

    @property
    def _freest(self) -> WorkerHandle:
        """Return the worker with the fewest calls; one that is late with those it has, or full of them, comes last."""
        return min(
            self.roster.able,
            key=lambda worker: (worker.vitals.is_late or worker.vitals.is_full, len(worker.calls)),
        )

    @property
    def has_room(self) -> bool:
        """Say whether any worker can take a call."""
        return bool(self.roster.able)

    @property
    def is_late(self) -> bool:
        """Say whether no worker is in time enough for one more call, or this process isn't."""
        able = self.roster.able
        return self.lag.is_late or (bool(able) and all(worker.vitals.is_late for worker in able))

    @property
    def is_full(self) -> bool:
        """Say whether no worker has room for one more call, or this process has too much to do."""
        able = self.roster.able
        return self.lag.work.is_full or (bool(able) and all(worker.vitals.is_full for worker in able))

    @property
    def files_left(self) -> int:
        """Return what is left here, or in the worker that has most, a second ago at most."""
        return min(files_left(), max((worker.vitals.files_left for worker in self.roster.able), default=0))

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return self.roster.backlog

    def begin_call(self, webhook: Webhook, call_id: str, secret: str) -> AnyCall:
        """Let a worker begin a new one."""
        worker = self._freest
        self.garbage.call_begins()
        form = dict(webhook.form)
        agent, caller, called = webhook.agent, form.get("From", ""), form.get("To", "")
        routes = routes_of(webhook, secret, way_of(worker.number))
        call = RemoteCall(webhook.key, call_id, agent, routes, caller, called, worker)
        call.is_outgoing = bool(webhook.origin.outgoing_id)
        worker.calls[webhook.key] = call
        worker.tapes[call_id] = header_of(webhook, call_id, *agent_of(webhook, call_id))
        marks, turn, origin = webhook.marks, webhook.turn, webhook.origin
        worker.channel.send(
            Carry(webhook.key, call_id, secret, form, webhook.url, agent, marks, turn, origin)
        )
        return call

    async def glances(self, calls: Iterable[AnyCall]) -> Mapping[str, Glance]:
        """Return what can be seen of these calls now, as their workers tell."""
        found = dict[str, Glance]()

        async def ask(worker: WorkerHandle) -> None:
            found.update(await worker.glances())

        async with trio.open_nursery() as nursery:
            for worker in {
                id(one.worker): one.worker for one in calls if isinstance(one, RemoteCall)
            }.values():
                nursery.start_soon(ask, worker)
        return found

    def taped_as(self, call_id: str) -> Known | None:
        """Return the call recorded under this id, here or by an earlier process; looks at the disk."""
        for worker in list(self.roster.workers.values()):
            if call_id in worker.tapes:
                return Known.by(worker.tapes[call_id])
        return known_on_disk(self.settings.data_folder / "tapes", call_id)

    async def serve_media(self, stream: trio.SocketStream, gate: Gate) -> None:
        """Pass a media socket on to the worker that its path names; the worker looks at everything else."""
        first = b""
        with trio.move_on_after(self.handshake_seconds):
            first = await peek(stream, MOST_PATH_BYTES, lambda data: data.count(b" ") > 1)
        found = PATH.match(first)
        worker = self.roster.workers.get(int(found[1])) if found else None
        if worker is not None and not worker.channel.is_gone:
            await worker.have(stream)
            return
        async with stream:
            await accept_phone(
                stream, evolve(gate, way=NOWHERE).refuse_upgrade, seconds=self.handshake_seconds
            )

    def link_server(self, switchboard: Switchboard) -> None:
        """Return nothing: a media socket that is not the first request of its connection can't be passed on."""

    # ------------------------------------------------------------ telling all of them

    def renew(self, setup: Setup) -> None:
        """Let calls from now on be made with another configuration."""
        self.settings, self.secrets = setup.settings, setup.secrets
        self.roster.settings, self.roster.secrets = setup.settings, setup.secrets
        self.lag.follow(setup.settings.server)
        for worker in self.roster.current:
            worker.renew(self.settings, self.secrets)

    async def prepare(self, setup: Setup) -> None:
        """Let every worker load another configuration. Raises `ConfigError` when one of them can't use it."""
        answers: dict[int, str] = {}
        asked = [worker for worker in self.roster.current if worker.is_ready]
        with trio.move_on_after(PREPARE_SECONDS):
            async with trio.open_nursery() as nursery:
                for worker in asked:
                    nursery.start_soon(_prepare, worker, setup, answers)
        late = f"it could not be loaded within {PREPARE_SECONDS} s"
        faults = [(worker.number, answers.get(worker.number, late)) for worker in asked]
        if any(fault for _, fault in faults):
            raise ConfigError([f"worker {number}: {fault}" for number, fault in faults if fault])

    async def roll(self, setup: Setup) -> None:
        """Let new workers, with the code that is on the disk, take all calls from now on. Raises `ConfigError`."""
        await self.roster.roll(setup)

    def hush(self, why: str) -> None:
        """Keep no sound from now on."""
        if why != self.roster.hushed_by:
            self.roster.hushed_by = why
            self.roster.tell_all(Hush(why))

    def unhush(self) -> None:
        """Keep sound again: a worker may have stopped by itself, so all of them are told each time."""
        self.roster.hushed_by = ""
        self.roster.tell_all(Hush(""))

    def vitals(self, calls: Iterable[AnyCall]) -> Vitals:
        """Return what all processes look like inside."""
        here = Vitals(
            tasks=trio.lowlevel.current_statistics().tasks_living,
            threads=threading.active_count(),
            memory_bytes=resident_bytes(),
            cpu_seconds=time.process_time(),
        )
        seen = together(
            [self.roster.before, here, *(worker.vitals for worker in self.roster.workers.values())]
        )
        retiring = self.roster.retiring
        return evolve(
            seen,
            tapes=self.backlog,
            workers=len(self.roster.able),
            generation=self.roster.generation,
            retiring=len(retiring),
            retiring_calls=sum(len(worker.calls) for worker in retiring),
        )

    def _feel(self, vitals: Vitals) -> None:
        for lag in vitals.lags:
            self.lag.felt(lag)
        for pause in vitals.pauses:
            self.garbage.felt(pause)

    # ------------------------------------------------------------ while it runs

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep all workers alive until `finish`. Raises `LinkError` when one can't even start."""
        async with trio.open_nursery() as feeling:
            feeling.start_soon(self.lag.run, name="loop lag")
            feeling.start_soon(self.garbage.run, name="garbage")
            await self.roster.run(task_status=task_status)
            feeling.cancel_scope.cancel(reason="all workers have left")

    def finish(self) -> None:
        """Let the workers write what is left and end, soon."""
        self.roster.finish()


async def _prepare(worker: WorkerHandle, setup: Setup, answers: dict[int, str]) -> None:
    answers[worker.number] = await worker.prepare(setup.settings, setup.secrets)
