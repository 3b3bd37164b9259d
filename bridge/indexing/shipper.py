"""The daemon's task that has calls sent to the lake: every few seconds, by a process of its own, while some wait.

Neither calls nor the local database wait for it. A lake that is away is tried again after ever longer pauses; what
waits is marked on the disk, and survives a restart.
"""

import time
from math import inf
from typing import Final

import structlog
import trio
from attrs import define, field

from bridge.config import Secrets, Settings
from bridge.indexing.process import IndexerProcess, ProcessDied, start_indexer
from bridge.indexing.waiting import Pauses
from bridge.machine import resident_bytes
from bridge.store.messages import Failed, Fault, Prepare, Reply, Send, Sent
from bridge.store.unsent import Unsent

MOST: Final = 500
"""Calls in one go."""

LOOK_SECONDS: Final = 300.0
"""How often a host that has nothing to send looks whether another one asks it to erase a call."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Shipper:
    """Has the lake get what it lacks of this host's calls."""

    settings: Settings
    secrets: Secrets
    sent: int = 0
    conflicts: int = 0
    deaths: int = 0
    waiting: int = 0
    fault: str = ""
    """Why the lake can't be written to; "" while it can."""
    _oldest: float | None = None
    _looked: float = -inf
    _process: IndexerProcess | None = None
    _pauses: Pauses = field(factory=Pauses)

    @property
    def is_on(self) -> bool:
        """Say whether there is a lake."""
        return bool(self.settings.store.lake and self.settings.store.data)

    @property
    def oldest_seconds(self) -> float:
        """Return how long the call waits that waits longest, by the system's clock."""
        return 0.0 if self._oldest is None else max(0.0, time.time() - self._oldest)

    def gauges(self) -> dict[str, float]:
        """Return how it stands, by the names of metrics."""
        return {
            "bridge_lake_waiting_calls": self.waiting,
            "bridge_lake_oldest_seconds": self.oldest_seconds,
            "bridge_lake_failing": bool(self.fault),
            "bridge_lake_memory_bytes": self.memory_bytes,
        }

    def counts(self) -> dict[str, float]:
        """Return what it has counted, by the names of metrics."""
        return {
            "bridge_lake_sent_calls": self.sent,
            "bridge_lake_conflicts": self.conflicts,
            "bridge_lake_deaths": self.deaths,
        }

    @property
    def memory_bytes(self) -> int:
        """Return how much memory the process has; 0 while there is none."""
        return resident_bytes(self._process.pid) if self._process and not self._process.is_gone else 0

    async def run(self) -> None:
        """Send what waits, for ever."""
        if not self.is_on:
            return
        async with trio.open_nursery() as nursery:
            while True:
                pause = await self.once(nursery)
                await trio.sleep(pause)

    async def once(self, nursery: trio.Nursery) -> float:
        """Send what waits; return how many seconds to wait until the next look."""
        unsent = Unsent.in_folder(self.settings.data_folder)
        self._oldest = await trio.to_thread.run_sync(unsent.oldest, abandon_on_cancel=True)
        has_news = trio.current_time() >= self._looked + LOOK_SECONDS
        if self._oldest is None and not has_news:
            self.waiting = 0
            return self.settings.store.lake_seconds
        try:
            reply: Reply = await (await self._alive(nursery)).ask(Send(MOST))
        except ProcessDied as death:
            if death.has_left:  # it had nothing to do for long, and left in that moment
                return 0.0
            self.deaths += 1
            reply = Failed(Fault.UNUSABLE, f"the process that sends to it died: {death.how}")
        return self._went(reply) if isinstance(reply, Sent) else self._stays(reply)

    async def _alive(self, nursery: trio.Nursery) -> IndexerProcess:
        if self._process is None or self._process.is_gone:
            prepare = Prepare(self.settings, self.secrets)
            self._process = await start_indexer(nursery, prepare, "bridge.indexing.lake_worker")
        await self._process.wait_ready()
        return self._process

    def _went(self, sent: Sent) -> float:
        if self.fault:
            log.warning("the lake can be written to again", waiting=sent.waiting)
        self._looked = trio.current_time()
        self.fault, self.waiting = "", sent.waiting
        self.sent += sent.calls
        self.conflicts += sent.conflicts
        self._pauses.begin_anew()
        return 0.0 if sent.waiting >= MOST else self.settings.store.lake_seconds

    def _stays(self, reply: Reply) -> float:
        """Say once what is wrong, and try again later."""
        text = reply.text if isinstance(reply, Failed) else repr(reply)
        if text != self.fault:
            log.error("the lake can't be written to: calls are kept here meanwhile", fault=text[:500])
        self.fault = text
        return self._pauses.next()
