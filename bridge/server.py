"""The composition root: one port for HTTP and media sockets, the switchboard, the recorder, the store."""

import gc
import resource
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import structlog
import trio
from attrs import define, field, frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from bridge.admission import Door, Seldom
from bridge.app import MEDIA_PATH, Gate, make_app
from bridge.config import Secrets, Settings
from bridge.current import Current, make_setup
from bridge.disk import DiskWatch
from bridge.house import House
from bridge.http import HttpConnection
from bridge.keep import Keeper, keeps_rows
from bridge.links import HANDSHAKE_SECONDS, MOST_HEAD_BYTES, accept_phone
from bridge.listener import adopt_listener, open_listener
from bridge.lock import held_alone
from bridge.recorder import Recorder, Write, append_to
from bridge.store import Indexer, Store
from bridge.switchboard import Switchboard
from bridge.tape import Line
from bridge.tools import Tool
from bridge.watching import Watching

ANSWER_SECONDS: Final = 0.3
"""How long connections that are open at the end may stay; an answer takes a few milliseconds."""

MOST_FILES: Final = 65_536
FIRST_PAUSE: Final = 0.01
FIRST_BYTES: Final = len(f"GET {MEDIA_PATH}")
log = structlog.get_logger(__name__)


@frozen
class Daemon:
    """What a running daemon lets its surroundings see."""

    port: int
    current: Current
    switchboard: Switchboard
    recorder: Recorder
    indexer: Indexer
    watching: Watching

    async def drain(self) -> None:
        """Take no more calls and let the live ones end, somewhat before it all must be over."""
        seconds = self.switchboard.settings.server.drain_seconds
        await self.switchboard.drain(max(0.0, seconds - 1.5))


def file_limit() -> int:
    """Return how many files and sockets this process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft if soft != resource.RLIM_INFINITY else MOST_FILES


def raise_file_limit() -> None:
    """Take as many files and sockets as the system lets us have: a call needs two or three, and 1024 are soon gone."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if file_limit() < wanted:
        with suppress(OSError, ValueError):  # macOS has limits of its own beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle_memory() -> None:
    """Take what is loaded by now out of every later garbage collection: a full one stopped all calls for 240 ms."""
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def open_daemon(
    settings: Settings,
    secrets: Secrets,
    *,
    write: Write = append_to,
    watch: Callable[[str, Line], None] | None = None,
    tools: Mapping[str, Mapping[str, Tool]] | None = None,
    handshake_seconds: float = HANDSHAKE_SECONDS,
    passed: socket.socket | None = None,
) -> AsyncIterator[Daemon]:
    """Run the whole daemon for as long as the context lasts; on leaving it drains, and nothing of it is left.

    Inside, webhooks are answered: the port is open, the folder is ours, and which tapes an earlier run left open is
    known. Those are closed and indexed meanwhile, in a thread that no call waits for. With `passed`, a listening
    socket, nothing is bound. Raises `StoreError` when another daemon records in the same folder.
    """
    current = Current(make_setup(settings, secrets, tools))
    tapes = settings.data_folder / "tapes"
    watching = Watching.of(settings, secrets)
    store = Store(settings.data_folder / "calls.duckdb")
    indexer = Indexer(store, keeps_rows(settings), on_record=watching.add)
    recorder = Recorder(tapes, on_done=indexer.add, write=write)
    switchboard = Switchboard(current, recorder, watch, start_seconds=handshake_seconds)
    with held_alone(settings.data_folder), watching.listening():
        listener = adopt_listener(passed) if passed else open_listener(settings.server.bind)
        async with trio.open_nursery() as background:
            await background.start(indexer.run, tapes, name="indexer")
            background.start_soon(Keeper(settings, indexer).run, name="keeper")
            background.start_soon(
                DiskWatch(settings.data_folder, settings.recording, recorder).run, name="disk watch"
            )
            background.start_soon(watching.run, House(switchboard, recorder, indexer), name="watching")
            async with trio.open_nursery() as writing:
                writing.start_soon(recorder.run, name="recorder")
                try:
                    async with trio.open_nursery() as calls:
                        await calls.start(switchboard.run)
                        async with trio.open_nursery() as serving:
                            front = Front(Gate(current, switchboard), switchboard, handshake_seconds)
                            await serving.start(partial(front.serve, listener), name="listener")
                            port: int = listener.socket.getsockname()[1]
                            daemon = Daemon(port, current, switchboard, recorder, indexer, watching)
                            yield daemon
                            await daemon.drain()
                            front.stop()
                        calls.cancel_scope.cancel(reason="shutting down")
                finally:
                    recorder.finish()
            await indexer.finish()
            await watching.finish()
            background.cancel_scope.cancel(reason="shutting down")


@define(eq=False)
class Front:
    """Looks at the first bytes of each connection: media sockets go to our own link, all else to hypercorn."""

    gate: Gate
    switchboard: Switchboard
    handshake_seconds: float = HANDSHAKE_SECONDS
    _config: HypercornConfig = field(factory=HypercornConfig)
    _context: WorkerContext = field(factory=lambda: WorkerContext(None))
    _accepting: trio.CancelScope = field(factory=trio.CancelScope)
    _app: ASGIWrapper = field(init=False)
    _door: Door = field(init=False)
    _seldom: Seldom = field(factory=Seldom)

    def __attrs_post_init__(self) -> None:
        server = self.gate.settings.server
        self._door = Door(min(server.max_connections, file_limit() // 2), server.sockets_per_address)
        self._app = ASGIWrapper(make_app(self.gate, self.switchboard))
        self._config.include_server_header = False
        self._config.keep_alive_timeout = 30
        self._config.read_timeout = self.handshake_seconds  # type: ignore[assignment]  # any number does
        self._config.h11_max_incomplete_size = MOST_HEAD_BYTES
        self._config.graceful_timeout = 1
        self._config.errorlog = None

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

    async def _serve_connection(self, stream: trio.SocketStream) -> None:
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
            await self._serve_media(stream)
        elif is_media is not None:
            state = ConnectionState({})
            await HttpConnection(self._app, self._config, self._context, state, stream)  # type: ignore[arg-type]  # plain TCP works too

    async def _is_media(self, stream: trio.SocketStream) -> bool:
        """Peek at the request line; the bytes stay in the socket for whoever serves it."""
        pause = FIRST_PAUSE
        while True:
            first = await stream.socket.recv(FIRST_BYTES, socket.MSG_PEEK)
            wanted = f"GET {MEDIA_PATH}".encode()
            if not wanted.startswith(first) or len(first) == FIRST_BYTES or not first:
                return first == wanted
            await trio.sleep(pause)  # a request line in pieces: rare, and a peek can't wait for more
            pause *= 2  # a thousand that send half a line must not cost what live calls need

    async def _serve_media(self, stream: trio.SocketStream) -> None:
        async with stream:
            link = await accept_phone(stream, self.gate.refuse_upgrade, seconds=self.handshake_seconds)
            if link is None:
                return
            agent = self.gate.agent_of(link.path)
            if agent is not None:
                await self.switchboard.serve_phone(link, agent)
