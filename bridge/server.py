"""The composition root: one port for HTTP and media sockets, the switchboard, the recorder, the store, the signals."""

import gc
import resource
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog
import trio
from attrs import define, field, frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from bridge import __version__
from bridge.admission import Door, Seldom
from bridge.app import MEDIA_PATH, Gate, make_app
from bridge.config import Secrets, Settings
from bridge.errors import LinkError
from bridge.http import HttpConnection
from bridge.links import HANDSHAKE_SECONDS, MOST_HEAD_BYTES, accept_phone
from bridge.live import ModelAddress
from bridge.lock import held_alone
from bridge.recorder import Recorder, Write, append_to
from bridge.store import Indexer, Store
from bridge.switchboard import Switchboard
from bridge.tape import Line
from bridge.tools import Tool, load_tools

USER_TIMEOUT_MS: Final = 5000
"""TCP_USER_TIMEOUT: sent bytes that nobody acknowledges for so long end the connection, and with it any send."""

BACKLOG: Final = 256
MOST_FILES: Final = 65_536
FIRST_PAUSE: Final = 0.01
FIRST_BYTES: Final = len(f"GET {MEDIA_PATH}")
log = structlog.get_logger(__name__)


@frozen
class Daemon:
    """What a running daemon lets its surroundings see."""

    port: int
    switchboard: Switchboard
    recorder: Recorder
    indexer: Indexer

    async def drain(self) -> None:
        """Take no more calls and let the live ones end, somewhat before it all must be over."""
        seconds = self.switchboard.settings.server.drain_seconds
        await self.switchboard.drain(max(0.0, seconds - 1.5))


def open_listener(bind: str) -> trio.SocketListener:
    """Return a listening socket for host:port; accepted sockets inherit its options. Raises `LinkError`."""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        # Other systems keep a vanished peer's connection longer; calls end all the same.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    try:
        raw.bind((host, int(port)))
        raw.listen(BACKLOG)
    except OSError as error:
        raw.close()
        raise LinkError(
            f"can't listen on {bind}: {error.strerror}; use another [server] bind, or --bind"
        ) from None
    return trio.SocketListener(trio.socket.from_stdlib_socket(raw))


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


def model_address(settings: Settings, secrets: Secrets) -> ModelAddress:
    """Return where calls find their model; the beta header must not be sent any more."""
    url = settings.realtime.url
    headers = [("Authorization", f"Bearer {secrets.api_key}")] if secrets.api_key else []
    context = ssl.create_default_context() if url.startswith("wss:") else None
    return ModelAddress(url, settings.realtime.model, headers, context)


@asynccontextmanager
async def open_daemon(
    settings: Settings,
    secrets: Secrets,
    *,
    write: Write = append_to,
    watch: Callable[[str, Line], None] | None = None,
    tools: Mapping[str, Mapping[str, Tool]] | None = None,
    handshake_seconds: float = HANDSHAKE_SECONDS,
) -> AsyncIterator[Daemon]:
    """Run the whole daemon for as long as the context lasts; on leaving it drains, and nothing of it is left.

    Raises `StoreError` when another daemon records in the same folder.
    """
    if tools is None:
        tools = {name: load_tools(agent.tools, settings.folder) for name, agent in settings.agents.items()}
    tapes = settings.data_folder / "tapes"
    indexer = Indexer(Store(settings.data_folder / "calls.duckdb"))
    recorder = Recorder(tapes, on_done=indexer.add, write=write)
    address = model_address(settings, secrets)
    switchboard = Switchboard(settings, address, tools, recorder, watch, start_seconds=handshake_seconds)
    with held_alone(settings.data_folder):
        listener = open_listener(settings.server.bind)
        async with trio.open_nursery() as background:
            await background.start(indexer.run, tapes, name="indexer")
            async with trio.open_nursery() as writing:
                writing.start_soon(recorder.run, name="recorder")
                try:
                    async with trio.open_nursery() as calls:
                        await calls.start(switchboard.run)
                        async with trio.open_nursery() as serving:
                            front = Front(Gate(settings, secrets), switchboard, handshake_seconds)
                            serving.start_soon(front.serve, listener, name="listener")
                            port: int = listener.socket.getsockname()[1]
                            daemon = Daemon(port, switchboard, recorder, indexer)
                            yield daemon
                            await daemon.drain()
                            serving.cancel_scope.cancel(reason="shutting down")
                        calls.cancel_scope.cancel(reason="shutting down")
                finally:
                    recorder.finish()
            await indexer.finish()
            background.cancel_scope.cancel(reason="shutting down")


@define(eq=False)
class Front:
    """Looks at the first bytes of each connection: media sockets go to our own link, all else to hypercorn."""

    gate: Gate
    switchboard: Switchboard
    handshake_seconds: float = HANDSHAKE_SECONDS
    _config: HypercornConfig = field(factory=HypercornConfig)
    _context: WorkerContext = field(factory=lambda: WorkerContext(None))
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

    async def serve(self, listener: trio.SocketListener) -> None:
        """Accept connections until cancelled."""
        await trio.serve_listeners(self._serve_connection, [listener])

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
                await self.switchboard.serve_phone(link, agent.name)


async def serve(settings: Settings, secrets: Secrets) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends at once. Raises `BridgeError`."""
    raise_file_limit()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, trio.CancelScope() as scope:
        async with open_daemon(settings, secrets) as daemon:
            settle_memory()
            log.info(
                "bridge is up",
                version=__version__,
                port=daemon.port,
                agents=",".join(sorted(settings.agents)),
            )
            await anext(signals)
            log.info("draining", live=daemon.switchboard.live, seconds=settings.server.drain_seconds)
            async with trio.open_nursery() as watching:
                watching.start_soon(_end_at_second_signal, signals, scope)
                await daemon.drain()
                watching.cancel_scope.cancel(reason="drained")


async def _end_at_second_signal(signals: Any, scope: trio.CancelScope) -> None:
    await anext(signals)
    log.warning("second signal: ending at once")
    scope.cancel()
