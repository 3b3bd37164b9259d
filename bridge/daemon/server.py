"""The composition root: one port for HTTP and media sockets, the switchboard, the recorder, the indexer."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog
import trio
from attrs import define, field, frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from bridge.calls.admission import Door, Seldom
from bridge.calls.messages import Vitals
from bridge.calls.setup import CurrentSetup, Setup, make_setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.indexing.day_bill import DayBill
from bridge.indexing.indexer import Indexer
from bridge.indexing.keeper import Keeper
from bridge.indexing.shipper import Shipper
from bridge.indexing.uploader import Uploader
from bridge.links.lag import LoopLag
from bridge.links.phone import HANDSHAKE_SECONDS, MOST_HEAD_BYTES, peek
from bridge.machine import file_limit
from bridge.observe.monitoring import Monitoring, never_fatal
from bridge.observe.snapshot import Snapshot
from bridge.outbound.closer import Closer
from bridge.outbound.dialer import Dialer
from bridge.outbound.rest import load_client
from bridge.tapes.disk_space import DiskWatch
from bridge.tapes.files import Sync, Write, append_to, sync
from bridge.tapes.lock import held_alone
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import Line
from bridge.tools import Tool
from bridge.web.app import MEDIA_PATH, Gate, make_app
from bridge.web.http import HttpConnection
from bridge.web.listener import adopt_listener, open_listener
from bridge.workers.local import LocalHost

if TYPE_CHECKING:
    from bridge.fleet.peers import Peers
    from bridge.workers.pool import WorkerPool

ANSWER_SECONDS: Final = 0.3
"""How long connections that are open at the end may stay; an answer takes a few milliseconds."""

FIRST_BYTES: Final = len(f"GET {MEDIA_PATH}")
Tools: TypeAlias = Mapping[str, Mapping[str, Tool]]
log = structlog.get_logger(__name__)


@frozen
class Daemon:
    """What a running daemon lets its surroundings see."""

    port: int
    current: CurrentSetup
    switchboard: Switchboard
    host: "LocalHost | WorkerPool"
    dialer: Dialer
    closer: Closer
    indexer: Indexer
    monitoring: Monitoring
    keeper: Keeper
    disk_watch: DiskWatch
    shipper: Shipper = field(init=False)
    uploader: Uploader = field(init=False)

    @shipper.default
    def _to_the_lake(self) -> Shipper:
        return Shipper(self.indexer.settings, self.indexer.secrets)

    @uploader.default
    def _to_storage(self) -> Uploader:
        return Uploader(self.indexer.settings)

    def change(self, setup: Setup) -> list[str]:
        """Use this from now on, but for live calls; return a sentence for each setting that waits for a restart."""
        waiting = self.current.change(setup)
        settings = self.current.setup.settings
        self.host.renew(self.current.setup)
        self.indexer.settings = self.keeper.settings = self.uploader.settings = settings
        self.disk_watch.recording = settings.recording
        self.monitoring.admin, self.monitoring.token = settings.admin, self.current.setup.secrets.admin_token
        return waiting

    def vitals(self) -> Vitals:
        """Return what the processes that carry calls look like inside, at this moment."""
        return self.host.vitals(self.switchboard.calls)

    @asynccontextmanager
    async def in_background(self) -> AsyncIterator[None]:
        """Run what no call waits for; on leaving, what has still to be indexed or told is."""
        async with trio.open_nursery() as background:
            await background.start(self.indexer.run, name="indexer")
            background.start_soon(self.keeper.run, name="keeper")
            background.start_soon(self.shipper.run, name="shipper")
            background.start_soon(DayBill(self.switchboard, self.indexer).run, name="day's bill")
            background.start_soon(self.disk_watch.run, name="disk watch")
            background.start_soon(never_fatal, self.uploader.run, name="uploads")
            peers = _others_of(self.current)
            if peers is not None:
                background.start_soon(never_fatal, self.switchboard.fleet.run, peers, name="other hosts")
            seen = Snapshot(
                self.switchboard,
                self.host,
                self.indexer,
                dialer=self.dialer,
                peers=peers,
                shipper=self.shipper,
                uploader=self.uploader,
            )
            background.start_soon(self.monitoring.run, seen, name="watching")
            yield
            await self.indexer.finish()
            await self.monitoring.finish()
            background.cancel_scope.cancel(reason="shutting down")

    @asynccontextmanager
    async def carrying(self) -> AsyncIterator[None]:
        """Run the calls, and what carries them; that ends last, for it has their tapes."""
        async with trio.open_nursery() as carrying:
            await carrying.start(self.host.run, name="calls' host")
            try:
                async with trio.open_nursery() as calls:
                    await calls.start(self.switchboard.run)
                    await calls.start(self.dialer.run)
                    calls.start_soon(self.closer.run, name="closer")
                    yield
                    calls.cancel_scope.cancel(reason="shutting down")
            finally:
                self.host.finish()

    async def drain(self) -> None:
        """Take no more calls, ring nobody any more, and let the live ones end, somewhat before it all must be over."""
        seconds = self.switchboard.settings.server.drain_seconds
        self.switchboard.refuse_calls()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.dialer.drain)
            await self.switchboard.drain(max(0.0, seconds - 1.5))

    async def wait_recorded(self) -> None:
        """Return when no call is waiting or live, and every one that ended has its tape and its rows."""
        await self.switchboard.wait_quiet()
        while self.host.backlog or self.indexer.is_busy:  # noqa: ASYNC110 - nobody tells when
            await trio.sleep(0.02)


@asynccontextmanager
async def open_daemon(
    settings: Settings,
    secrets: Secrets,
    *,
    write: Write = append_to,
    sync: Sync = sync,
    watch: Callable[[str, Line], None] | None = None,
    tools: Tools | None = None,
    handshake_seconds: float = HANDSHAKE_SECONDS,
    passed: socket.socket | None = None,
) -> AsyncIterator[Daemon]:
    """Run the whole daemon for as long as the context lasts; on leaving it drains, and nothing of it is left.

    Inside, webhooks are answered: the port is open, the folder is ours, and which tapes an earlier run left open is
    known. Those are closed and indexed meanwhile, by a process that no call waits for. With `passed`, a listening
    socket, nothing is bound. Raises `StoreError` when another daemon records in the same folder.
    """
    current = CurrentSetup(make_setup(settings, secrets, _tools_here(settings, tools)))
    load_client(settings)
    monitoring = Monitoring.of(settings, secrets)
    monitoring.annex = _console_of(current)
    indexer = Indexer(settings, secrets, monitoring.add if monitoring.wants_records else None)
    lag = LoopLag(felt=monitoring.felt)
    lag.follow(settings.server)
    if settings.server.workers > 1:
        host: LocalHost | WorkerPool = _pool(settings, secrets, indexer, handshake_seconds, lag)
    else:
        recorder = Recorder(settings.data_folder / "tapes", on_done=indexer.add, write=write, sync=sync)
        host = LocalHost(recorder, lag, watch, handshake_seconds)
    host.garbage.felt = monitoring.paused
    switchboard = Switchboard(current, host)
    switchboard.afterwards.on_late = indexer.tell_late
    dialer, closer = Dialer(current, switchboard), Closer(current, switchboard)
    keeper, disk_watch = Keeper(settings, indexer), DiskWatch(settings.data_folder, settings.recording, host)
    front = Front(Gate(current, switchboard), host, handshake_seconds, dialer)
    with held_alone(settings.data_folder) as lock, monitoring.listening():
        host.lock = lock
        listener = adopt_listener(passed) if passed else open_listener(settings.server.bind)
        port: int = listener.socket.getsockname()[1]
        daemon = Daemon(
            port, current, switchboard, host, dialer, closer, indexer, monitoring, keeper, disk_watch
        )
        async with listener, daemon.in_background(), daemon.carrying(), front.accepting(listener):
            yield daemon
            await daemon.drain()


def _pool(*made_of: Any) -> "WorkerPool":
    """Return workers that carry the calls; a daemon that is its own worker need not load them."""
    from bridge.workers.pool import WorkerPool

    return WorkerPool(*made_of)


def _tools_here(settings: Settings, given: Tools | None) -> Tools | None:
    """Return the tools for this process: none where workers have them; None to import them."""
    return {} if given is None and settings.server.workers > 1 else given


def _others_of(current: CurrentSetup) -> "Peers | None":
    """Return the other hosts of a fleet, if there are any that can be asked."""
    if not current.setup.settings.fleet.admin:
        return None
    from bridge.fleet.peers import Peers  # speaks HTTP, which a host alone has no need of

    return Peers.of(current.setup.settings, lambda: current.setup.secrets.admin_token)


def _console_of(current: CurrentSetup) -> Callable[..., None] | None:
    """Return what adds the console to the admin address, if there is to be one."""
    if not current.setup.settings.console.on:
        return None
    from bridge.console.site import add_console  # nobody else needs templates

    return partial(add_console, current)


@define(eq=False)
class Front:
    """Looks at the first bytes of each connection: media sockets go to our own link, all else to hypercorn."""

    gate: Gate
    host: "LocalHost | WorkerPool"
    handshake_seconds: float = HANDSHAKE_SECONDS
    dialer: Dialer | None = None
    _config: HypercornConfig = field(factory=HypercornConfig)
    _context: WorkerContext = field(factory=lambda: WorkerContext(None))
    _accepting: trio.CancelScope = field(factory=trio.CancelScope)
    _app: ASGIWrapper = field(init=False)
    _door: Door = field(init=False)
    _most_files: int = field(factory=file_limit)
    _seldom: Seldom = field(factory=Seldom)

    def __attrs_post_init__(self) -> None:
        self._door = Door(*self._limits())
        serve_link = self.host.link_server(self.gate.switchboard)
        self._app = ASGIWrapper(make_app(self.gate, self.gate.switchboard, serve_link, self.dialer))
        if serve_link is None:  # then a media socket has to be the first request of its connection
            self._config.keep_alive_max_requests = 1
        self._config.include_server_header = False
        self._config.keep_alive_timeout = 30
        self._config.read_timeout = self.handshake_seconds  # type: ignore[assignment]  # any number does
        self._config.h11_max_incomplete_size = MOST_HEAD_BYTES
        self._config.graceful_timeout = 1
        self._config.errorlog = None

    @asynccontextmanager
    async def accepting(self, listener: trio.SocketListener) -> AsyncIterator[None]:
        """Accept connections until the context is left; those that are there then have a moment to be answered."""
        async with trio.open_nursery() as serving:
            await serving.start(partial(self.serve, listener), name="listener")
            yield
            self.stop()

    async def serve(
        self,
        listener: trio.SocketListener,
        *,
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept connections until `stop`; those that are there then have a moment to be answered."""
        async with trio.open_nursery() as connections:
            with self._accepting:
                await trio.serve_listeners(
                    self._serve_connection, [listener], handler_nursery=connections, task_status=task_status
                )
            with trio.move_on_after(ANSWER_SECONDS):
                while connections.child_tasks:  # noqa: ASYNC110 - a nursery tells nobody
                    await trio.sleep(0.01)
            connections.cancel_scope.cancel(reason="shutting down")

    def stop(self) -> None:
        """Accept no more: with a socket that outlives us, what comes now is for the next daemon."""
        self._accepting.cancel(reason="shutting down")

    def _limits(self) -> tuple[int, int]:
        """Return how many connections there may be at this moment, in all and from one address."""
        server = self.gate.settings.server
        return min(server.max_connections, self._most_files // 2), server.sockets_per_address

    async def _serve_connection(self, stream: trio.SocketStream) -> None:
        self._door.most, self._door.most_per_address = self._limits()
        try:
            with self._door.visit(stream.socket.getpeername()[0]) as may_stay:
                if may_stay:
                    await self._serve_either(stream)
                elif (held := self._seldom.lets(trio.current_time())) is not None:
                    log.warning("connection refused: too many", inside=self._door.inside, not_logged=held)
        except OSError:
            return  # the peer reset it before we had looked at it
        except Exception:  # the top of a connection: a bug here ends this connection and no call
            log.exception("connection crashed")

    async def _serve_either(self, stream: trio.SocketStream) -> None:
        is_media = None
        with trio.move_on_after(self.handshake_seconds):
            is_media = await self._is_media(stream)
        if is_media:
            await self.host.serve_media(stream, self.gate)
        elif is_media is not None:
            state = ConnectionState({})
            await HttpConnection(self._app, self._config, self._context, state, stream)  # type: ignore[arg-type]  # plain TCP works too

    async def _is_media(self, stream: trio.SocketStream) -> bool:
        wanted = f"GET {MEDIA_PATH}".encode()
        return await peek(stream, FIRST_BYTES, lambda first: not wanted.startswith(first)) == wanted
