"""What watches the daemon: the admin address, the loop's lag, traces of ended calls. All of it off by default.

Calls know nothing of it. It is told the record of each call after its end, and looks at the rest from outside.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio
from attrs import define, evolve, field

from bridge.config import Secrets, Settings
from bridge.errors import ConfigError
from bridge.extras import missing_extras
from bridge.observe.snapshot import Peaks, Snapshot
from bridge.settings.admin import Admin
from bridge.store.records import Records

if TYPE_CHECKING:  # the packages they need are extras
    from bridge.observe.metrics import Metrics
    from bridge.observe.tracing import Tracer

LOOK_SECONDS: Final = 1
"""From one look at the calls' buffers to the next: with a hundred calls a look takes less than 1 ms."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Monitoring:
    """Whatever the settings ask for; `address` is where the admin listener really is, for a port of 0."""

    token: str = field(default="", repr=False)
    admin: Admin = Admin()
    metrics: "Metrics | None" = None
    tracer: "Tracer | None" = None
    peaks: Peaks = field(factory=Peaks)
    annex: Callable[..., None] | None = None
    """Adds to the app of the admin address what others have for it; told the snapshot, and how to begin a task."""
    address: str = ""
    _listener: trio.SocketListener | None = None

    @classmethod
    def of(cls, settings: Settings, secrets: Secrets) -> "Monitoring":
        """Return what the settings ask for. Raises `ConfigError` when packages for it are missing."""
        if missing := missing_extras(settings):
            raise ConfigError(missing)
        watching = cls(secrets.admin_token, settings.admin)
        if settings.admin.bind:
            from bridge.observe.metrics import Metrics

            watching.metrics = Metrics(tuple(settings.agents), settings.host_name)
        if settings.tracing.endpoint:
            from bridge.observe.tracing import open_tracer

            watching.tracer = open_tracer(settings.tracing.endpoint)
        return watching

    @property
    def wants_records(self) -> bool:
        """Say whether anybody wants the numbers of ended calls."""
        return self.metrics is not None or self.tracer is not None

    def add(self, records: Records) -> None:
        """Take account of an ended call; whatever is odd about its record costs its numbers alone."""
        try:
            if self.metrics is not None:
                self.metrics.add(records)
            if self.tracer is not None:
                self.tracer.add(records)
        except Exception:  # the top of what is not the daemon's work
            log.exception("an ended call could not be counted")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hold the admin address. Raises `LinkError` when it can't be had."""
        if not self.admin.bind:
            yield
            return
        from bridge.observe.admin import address_of, admin_listener

        with admin_listener(self.admin.bind) as self._listener:
            self.address = address_of(self._listener)
            yield

    async def run(self, snapshot: Snapshot) -> None:
        """Serve the admin address, look at the buffers and export traces, until cancelled."""
        if self.tracer is not None:
            snapshot = evolve(snapshot, trace_outcomes=self.tracer.outcomes)
        async with trio.open_nursery() as nursery:
            if self.tracer is not None:
                nursery.start_soon(self.tracer.run, name="traces")
            if self.metrics is not None:
                nursery.start_soon(never_fatal, self._look, snapshot, name="peaks")
            if self.metrics is not None and self._listener is not None:
                from bridge.observe.admin import AdminServer, Doorkeeper, make_admin_app

                def begin(task: Callable[..., Awaitable[None]], *arguments: Any) -> None:
                    nursery.start_soon(never_fatal, task, *arguments)

                annex = self.annex and partial(self.annex, snapshot=snapshot, begin=begin)
                app = make_admin_app(
                    lambda: Doorkeeper(self.admin, self.token), snapshot, self.metrics, self.peaks, annex
                )
                server = AdminServer(app)
                nursery.start_soon(server.serve, self._listener, name="admin listener")

    def felt(self, seconds: float) -> None:
        """Take account of how late the loop of a process that carries calls was once."""
        if self.metrics is not None:
            self.metrics.lagged(seconds)
            self.peaks.lag_seconds.see(seconds, trio.current_time())

    def paused(self, seconds: float) -> None:
        """Take account of how long a garbage collection took in a process that carries calls."""
        if self.metrics is not None:
            self.metrics.paused(seconds)

    async def _look(self, snapshot: Snapshot) -> None:
        """Look now and then how deep the buffers are."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.peaks.look_at(snapshot, trio.current_time())

    async def finish(self) -> None:
        """Let what is queued leave, for a moment."""
        if self.tracer is not None:
            await self.tracer.finish()


async def never_fatal(task: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Run a task that the daemon can do without: a bug in it ends it, and no call."""
    try:
        await task(*arguments)
    except Exception:  # the top of what is not the daemon's work
        log.exception("a task that no call needs has crashed; calls go on")
