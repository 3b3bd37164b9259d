"""Calls carried by worker processes, one event loop each: the supervisor's side.

The supervisor accepts connections, answers webhooks and decides about calls; a media socket is passed on to the
process of its call before a byte of it is read. A worker that dies takes its own calls with it, and is started again.
"""

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import trio
from attrs import define, evolve, field

from bridge.calls.host import AnyCall
from bridge.calls.intake import Webhook, header_of, routes_of
from bridge.calls.knowledge import informed
from bridge.calls.messages import Begin, Carry, Hush, Leave, Ready, Taped, Vitals, together
from bridge.calls.setup import Setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.errors import ConfigError, LinkError
from bridge.heart.parts.glance import Glance
from bridge.indexing.indexer import Indexer
from bridge.links.lag import LoopLag
from bridge.links.phone import HANDSHAKE_SECONDS, accept_phone, peek
from bridge.machine import files_left, resident_bytes
from bridge.tapes.names import call_id_of
from bridge.tapes.reader import Known, known_on_disk
from bridge.web.app import MEDIA_PATH, Gate
from bridge.workers.garbage import Garbage
from bridge.workers.handle import RemoteCall, WorkerHandle, end_when_stuck, start_worker, way_of

LEAVE_SECONDS: Final = 5
"""What workers may take to write their last lines; their own bounds add up to less."""

PREPARE_SECONDS: Final = 30
"""What a worker may take to import the tools of another configuration; its calls go on meanwhile."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a worker that died is started again: doubled each time, until one has lived for a minute."""

MOST_PATH_BYTES: Final = 200
NOWHERE: Final = " "
"""No path ends with it."""

PATH: Final = re.compile(rb"GET %s[a-z0-9_-]+/(\d{1,2})/? " % MEDIA_PATH.encode())
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
    lock: int | None = None
    """The file that keeps other daemons out: workers hold it too, for as long as they write tapes."""
    garbage: Garbage = field(init=False)
    """Of the supervisor's own process; its pauses are told with those of the workers."""
    _workers: dict[int, WorkerHandle] = field(factory=dict)
    _dead: list[WorkerHandle] = field(factory=list)
    """Those whose tapes are being closed."""
    _before: Vitals = Vitals(workers=0)
    _all_ready: trio.Event = field(factory=trio.Event)
    _is_leaving: bool = False
    _hushed_by: str = ""
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    @garbage.default
    def _garbage_of_this_process(self) -> Garbage:
        return Garbage(lambda: not self.backlog)

    # ------------------------------------------------------------ giving calls to workers

    @property
    def _able(self) -> list[WorkerHandle]:
        return [worker for worker in self._workers.values() if worker.is_able]

    @property
    def _freest(self) -> WorkerHandle:
        """Return the worker with the fewest calls; one that is late with those it has, or full of them, comes last."""
        return min(
            self._able, key=lambda worker: (worker.vitals.is_late or worker.vitals.is_full, len(worker.calls))
        )

    @property
    def has_room(self) -> bool:
        """Say whether any worker can take a call."""
        return bool(self._able)

    @property
    def is_late(self) -> bool:
        """Say whether no worker is in time enough for one more call, or this process isn't."""
        able = self._able
        return self.lag.is_late or (bool(able) and all(worker.vitals.is_late for worker in able))

    @property
    def is_full(self) -> bool:
        """Say whether no worker has room for one more call, or this process has too much to do."""
        able = self._able
        return self.lag.work.is_full or (bool(able) and all(worker.vitals.is_full for worker in able))

    @property
    def files_left(self) -> int:
        """Return what is left here, or in the worker that has most, a second ago at most."""
        return min(files_left(), max((worker.vitals.files_left for worker in self._able), default=0))

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return sum(len(worker.tapes) for worker in (*self._workers.values(), *self._dead))

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
        worker.tapes[call_id] = header_of(webhook, call_id, *informed(agent, webhook.parties, webhook.origin))
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
        for worker in list(self._workers.values()):
            if call_id in worker.tapes:
                return Known.by(worker.tapes[call_id])
        return known_on_disk(self.settings.data_folder / "tapes", call_id)

    async def serve_media(self, stream: trio.SocketStream, gate: Gate) -> None:
        """Pass a media socket on to the worker that its path names; the worker looks at everything else."""
        first = b""
        with trio.move_on_after(self.handshake_seconds):
            first = await peek(stream, MOST_PATH_BYTES, lambda data: data.count(b" ") > 1)
        found = PATH.match(first)
        worker = self._workers.get(int(found[1])) if found else None
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

    def _tell_all(self, message: Any) -> None:
        for worker in self._workers.values():
            worker.channel.send(message)

    def renew(self, setup: Setup) -> None:
        """Let calls from now on be made with another configuration."""
        self.settings, self.secrets = setup.settings, setup.secrets
        self.lag.follow(setup.settings.server)
        for worker in self._workers.values():
            worker.renew(self.settings, self.secrets)

    async def prepare(self, setup: Setup) -> None:
        """Let every worker load another configuration. Raises `ConfigError` when one of them can't use it."""
        answers: dict[int, str] = {}
        asked = [worker for worker in self._workers.values() if worker.is_ready]
        with trio.move_on_after(PREPARE_SECONDS):
            async with trio.open_nursery() as nursery:
                for worker in asked:
                    nursery.start_soon(_prepare, worker, setup, answers)
        late = f"it could not be loaded within {PREPARE_SECONDS} s"
        faults = [(worker.number, answers.get(worker.number, late)) for worker in asked]
        if any(fault for _, fault in faults):
            raise ConfigError([f"worker {number}: {fault}" for number, fault in faults if fault])

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
        seen = together([self._before, here, *(worker.vitals for worker in self._workers.values())])
        return evolve(seen, tapes=self.backlog, workers=len(self._able))

    # ------------------------------------------------------------ keeping them alive

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep all workers alive until `finish`. Raises `LinkError` when one can't even start."""
        with self._scope:
            async with trio.open_nursery() as feeling:
                feeling.start_soon(self.lag.run, name="loop lag")
                feeling.start_soon(self.garbage.run, name="garbage")
                async with trio.open_nursery() as nursery:
                    for number in range(1, self.settings.server.workers + 1):
                        nursery.start_soon(self._keep_alive, number, nursery, name=f"worker {number}")
                    await self._all_ready.wait()
                    task_status.started()
                feeling.cancel_scope.cancel(reason="all workers have left")

    def finish(self) -> None:
        """Let the workers write what is left and end, soon."""
        self._is_leaving = True
        self._tell_all(Leave())
        self._scope.deadline = trio.current_time() + LEAVE_SECONDS

    async def _keep_alive(self, number: int, nursery: trio.Nursery) -> None:
        pauses, born = _pauses(), trio.current_time()
        while True:
            worker = await self._live(number)
            if self._is_leaving:
                return
            if not self._all_ready.is_set():
                raise LinkError(f"worker {number} could not start; its own lines say why")
            if trio.current_time() - born > 2 * LONGEST_PAUSE:
                pauses = _pauses()
            pause, status = next(pauses), worker.process.returncode
            log.error("worker died, and its calls with it", worker=number, status=status, again_in=pause)
            nursery.start_soon(self._save_tapes, worker, name="tapes of a dead worker")
            await trio.sleep(pause)
            born = trio.current_time()

    async def _live(self, number: int) -> WorkerHandle:
        """Live one life of a worker; return when its process is gone."""
        worker = self._workers[number] = await start_worker(number, self.lock)
        worker.channel.send(Begin(self.settings, self.secrets, self.handshake_seconds))
        if self._hushed_by:
            worker.channel.send(Hush(self._hushed_by))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(end_when_stuck, worker, name="worker's watchdog")
                await worker.channel.run(partial(self._take, worker))
                nursery.cancel_scope.cancel(reason="it is gone")
        finally:
            worker.has_died()  # nothing more will be told: whose call it carried need not wait for the process to end
            with trio.move_on_after(LEAVE_SECONDS, shield=True):
                await worker.process.wait()  # it hears that we are gone, and ends its calls
            worker.process.kill()
            with trio.CancelScope(shield=True):
                await worker.process.wait()
            self._has_died(worker)
        return worker

    def _take(self, worker: WorkerHandle, message: Any, _: int | None) -> None:
        worker.heard = trio.current_time()
        match message:
            case Ready():
                worker.is_ready = True
                if all(self._is_up(number) for number in range(1, self.settings.server.workers + 1)):
                    self._all_ready.set()
            case Taped(path):
                worker.tapes.pop(call_id_of(Path(path)), None)
                self.indexer.add(Path(path))
            case _:
                worker.take(message)
        if isinstance(message, Vitals):
            for lag in message.lags:
                self.lag.felt(lag)
            for pause in message.pauses:
                self.garbage.felt(pause)

    def _is_up(self, number: int) -> bool:
        return number in self._workers and self._workers[number].is_ready

    def _has_died(self, worker: WorkerHandle) -> None:
        """Let go of a worker that is gone: its counts stay, its calls are over."""
        self._workers.pop(worker.number, None)
        self._dead.append(worker)
        deaths = 0 if self._is_leaving else 1
        seen = worker.vitals
        last = Vitals(shed=seen.shed, lost=seen.lost, cpu_seconds=seen.cpu_seconds, workers=0, deaths=deaths)
        self._before = together([self._before, last])
        worker.has_died()

    async def _save_tapes(self, worker: WorkerHandle) -> None:
        """Close the tapes that it left open, and index them; a call too young to be on disk gets its record too."""
        await self.indexer.save_tapes(list(worker.tapes.values()))
        self._dead.remove(worker)


async def _prepare(worker: WorkerHandle, setup: Setup, answers: dict[int, str]) -> None:
    answers[worker.number] = await worker.prepare(setup.settings, setup.secrets)


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)
