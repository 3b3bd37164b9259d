"""The worker processes that there are: kept alive, replaced by such with newer code, let go when their calls are over.

All that take new calls are of one generation. Those of earlier ones end the calls that they have, with the code that
these began with.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import trio
from attrs import define, field

from bridge.calls.messages import Begin, CanNotBegin, Hush, Ready, Taped, Vitals, together
from bridge.calls.setup import Setup
from bridge.config import Secrets, Settings
from bridge.errors import ConfigError, LinkError
from bridge.indexing.indexer import Indexer
from bridge.tapes.names import call_id_of
from bridge.workers.handle import WorkerHandle, end_when_stuck, start_worker, why_not

LEAVE_SECONDS: Final = 5
"""What workers may take to write their last lines; their own bounds add up to less."""

START_SECONDS: Final = 60
"""What a new worker may take until it can have calls: a second, where the machine has nothing else to do."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a worker that died is started again: doubled each time, until one has lived for a minute."""

MOST_RETIRING: Final = 2
"""Generations that may still have calls when another one is to begin: each is `workers` processes of 70 MB."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Roster:
    """All worker processes, by their numbers; what is told of them beside their calls goes to `on_vitals`."""

    settings: Settings
    secrets: Secrets
    indexer: Indexer
    handshake_seconds: float
    on_vitals: Callable[[Vitals], None]
    lock: int | None = None
    """The file that keeps other daemons out: workers hold it too, for as long as they write tapes."""
    hushed_by: str = ""
    generation: int = 1
    """Whose workers are given calls. Those of before end theirs, those of a later one are still beginning."""
    workers: dict[int, WorkerHandle] = field(factory=dict)
    before: Vitals = Vitals(workers=0)
    """What those told that are gone."""
    _numbers: set[int] = field(factory=set)
    """Of workers that live, or are to be started again."""
    _newest: int = 1
    _dead: list[WorkerHandle] = field(factory=list)
    """Those whose tapes are being closed."""
    _is_leaving: bool = False
    _nursery: trio.Nursery | None = None
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    @property
    def current(self) -> list[WorkerHandle]:
        """Return the workers that calls are for."""
        return self._of(self.generation)

    @property
    def able(self) -> list[WorkerHandle]:
        """Return those of them that may be given one at this moment."""
        return [worker for worker in self.current if worker.is_able]

    @property
    def retiring(self) -> list[WorkerHandle]:
        """Return the workers that have older code, and calls to end with it."""
        return [worker for worker in self.workers.values() if worker.generation < self.generation]

    @property
    def backlog(self) -> int:
        """Return how many tapes are not complete on disk."""
        return sum(len(worker.tapes) for worker in (*self.workers.values(), *self._dead))

    def tell_all(self, message: Any) -> None:
        """Tell every worker, of whatever generation."""
        for worker in self.workers.values():
            worker.channel.send(message)

    def _of(self, generation: int) -> list[WorkerHandle]:
        return [worker for worker in self.workers.values() if worker.generation == generation]

    # ------------------------------------------------------------ newer code

    async def roll(self, setup: Setup) -> None:
        """Let new workers, with the code that is on the disk, take all calls from now on; the others end theirs.

        They begin one after the other, beside the calls. Raises `ConfigError` when one can't: nothing has changed then.
        """
        self._refuse_one_too_many()
        self._newest = generation = self._newest + 1
        wanted = setup.settings.server.workers
        try:
            for _ in range(wanted):
                await self._begin_another(generation, setup)
            if len(self._of(generation)) < wanted:
                raise ConfigError(["a new worker died at once; its own lines say why"])
            self.generation = generation
        finally:
            if self.generation != generation:
                for worker in self._of(generation):
                    worker.leave()
        calls, seconds = self._left_to_end()
        log.info(
            "new workers answer from now on", generation=generation, older_calls=calls, for_seconds=seconds
        )

    def _refuse_one_too_many(self) -> None:
        if len({worker.generation for worker in self.retiring}) < MOST_RETIRING:
            return
        calls, seconds = self._left_to_end()
        left = f"live calls: {calls}, for {seconds} s at most"
        raise ConfigError(
            [f"{MOST_RETIRING} older generations of workers still have calls to end ({left}): wait for them"]
        )

    def _left_to_end(self) -> tuple[int, int]:
        """Return how many calls older code has, and after how many seconds the last of them is over."""
        until = max((worker.calls_until for worker in self.retiring), default=0.0)
        left = max(0, round(until - trio.current_time()))
        return sum(len(worker.calls) for worker in self.retiring), left

    async def _begin_another(self, generation: int, setup: Setup) -> None:
        """Start a worker, and return when it can have calls. Raises `ConfigError`."""
        assert self._nursery is not None
        number = next(number for number in itertools.count(1) if number not in self._numbers)
        with trio.move_on_after(START_SECONDS):
            try:
                await self._nursery.start(
                    self._keep_alive, number, generation, setup, name=f"worker {number}"
                )
            except LinkError as error:
                raise ConfigError([str(error)]) from None
            return
        raise ConfigError([f"worker {number} could not begin within {START_SECONDS} s"])

    # ------------------------------------------------------------ keeping them alive

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep all workers alive until `finish`. Raises `LinkError` when one can't even start."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                async with trio.open_nursery() as starting:
                    for number in range(1, self.settings.server.workers + 1):
                        starting.start_soon(
                            nursery.start, self._keep_alive, number, 1, name=f"worker {number}"
                        )
                task_status.started()

    def finish(self) -> None:
        """Let the workers write what is left and end, soon."""
        self._is_leaving = True
        for worker in self.workers.values():
            worker.leave()
        self._scope.deadline = trio.current_time() + LEAVE_SECONDS

    async def _keep_alive(
        self,
        number: int,
        generation: int,
        setup: Setup | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keep a worker alive for as long as its generation is given calls. Raises `LinkError` when it can't begin."""
        self._numbers.add(number)
        try:
            worker = await self._live(number, generation, setup, task_status.started)
            if not worker.is_ready and not worker.is_leaving:
                raise LinkError(why_not(worker))
            pauses = _pauses()
            while not self._is_leaving and not worker.is_leaving:
                if trio.current_time() - worker.born > 2 * LONGEST_PAUSE:
                    pauses = _pauses()
                pause, why = next(pauses), why_not(worker)
                log.error("worker died, and its calls with it", worker=number, again_in=pause, why=why)
                self._save(worker)
                await trio.sleep(pause)
                if generation != self.generation:
                    return
                worker = await self._live(number, generation)
            if not self._is_leaving:
                log.info("worker has left", worker=number, generation=generation)
                self._save(worker)
        finally:
            self._numbers.discard(number)

    async def _live(
        self,
        number: int,
        generation: int,
        setup: Setup | None = None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> WorkerHandle:
        """Live one life of a worker; return when its process is gone."""
        worker = self.workers[number] = await start_worker(number, generation, self.lock)
        worker.on_ready, worker.is_fresh = on_ready, setup is not None
        given = setup or self
        worker.channel.send(Begin(given.settings, given.secrets, self.handshake_seconds))
        if self.hushed_by:
            worker.channel.send(Hush(self.hushed_by))
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
                worker.has_begun()
            case CanNotBegin(fault):
                worker.fault = fault
            case Taped(path):
                worker.tapes.pop(call_id_of(Path(path)), None)
                self.indexer.add(Path(path))
            case _:
                worker.take(message)
        if isinstance(message, Vitals):
            self.on_vitals(message)
            if worker.generation < self.generation and worker.is_idle and not worker.is_leaving:
                worker.leave()

    def _has_died(self, worker: WorkerHandle) -> None:
        """Let go of a worker that is gone: its counts stay, its calls are over."""
        self.workers.pop(worker.number, None)
        self._dead.append(worker)
        is_death = not (self._is_leaving or worker.is_leaving or worker.generation > self.generation)
        seen = worker.vitals
        last = Vitals(
            shed=seen.shed, lost=seen.lost, cpu_seconds=seen.cpu_seconds, workers=0, deaths=int(is_death)
        )
        self.before = together([self.before, last])
        worker.has_died()

    def _save(self, worker: WorkerHandle) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(self._save_tapes, worker, name="tapes of a worker that is gone")

    async def _save_tapes(self, worker: WorkerHandle) -> None:
        """Close the tapes that it left open, and index them; a call too young to be on disk gets its record too."""
        await self.indexer.save_tapes(list(worker.tapes.values()))
        self._dead.remove(worker)


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)
