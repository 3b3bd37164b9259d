"""The composition root: one port for HTTP and media sockets, the switchboard, the recorder, the store, the signals."""

import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
import trio
from attrs import define, field, frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from bridge import __version__
from bridge.app import MEDIA_PATH, Gate, make_app
from bridge.config import Secrets, Settings
from bridge.disk import DiskWatch
from bridge.errors import LinkError
from bridge.house import House
from bridge.http import HttpConnection
from bridge.keep import Keeper, keeps_rows
from bridge.links import HANDSHAKE_SECONDS, accept_phone
from bridge.lock import held_alone
from bridge.model_link import ModelAddress
from bridge.recorder import Recorder, Write, append_to
from bridge.store import Indexer, Store
from bridge.switchboard import Switchboard
from bridge.tape import Line
from bridge.tools import Tool, load_tools
from bridge.watching import Watching

USER_TIMEOUT_MS: Final = 5000
"""TCP_USER_TIMEOUT: sent bytes that nobody acknowledges for so long end the connection, and with it any send."""

BACKLOG: Final = 256
FIRST_BYTES: Final = len(f"GET {MEDIA_PATH}")
log = structlog.get_logger(__name__)


@frozen
class Daemon:
    """What a running daemon lets its surroundings see."""

    port: int
    switchboard: Switchboard
    recorder: Recorder
    indexer: Indexer
    watching: Watching

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
    watching = Watching.of(settings, secrets)
    store = Store(settings.data_folder / "calls.duckdb")
    indexer = Indexer(store, keeps_rows(settings), on_record=watching.add)
    recorder = Recorder(tapes, on_done=indexer.add, write=write)
    address = model_address(settings, secrets)
    switchboard = Switchboard(settings, address, tools, recorder, watch, start_seconds=handshake_seconds)
    with held_alone(settings.data_folder), watching.listening():
        listener = open_listener(settings.server.bind)
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
                            front = Front(Gate(settings, secrets), switchboard, handshake_seconds)
                            serving.start_soon(front.serve, listener, name="listener")
                            port: int = listener.socket.getsockname()[1]
                            daemon = Daemon(port, switchboard, recorder, indexer, watching)
                            yield daemon
                            await daemon.drain()
                            serving.cancel_scope.cancel(reason="shutting down")
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
    _app: ASGIWrapper = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._app = ASGIWrapper(make_app(self.gate, self.switchboard))
        self._config.include_server_header = False
        self._config.keep_alive_timeout = 30
        self._config.read_timeout = self.handshake_seconds  # type: ignore[assignment]  # any number does
        self._config.graceful_timeout = 1
        self._config.errorlog = None

    async def serve(self, listener: trio.SocketListener) -> None:
        """Accept connections until cancelled."""
        await trio.serve_listeners(self._serve_connection, [listener])

    async def _serve_connection(self, stream: trio.SocketStream) -> None:
        try:
            await self._serve_either(stream)
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
        while True:
            first = await stream.socket.recv(FIRST_BYTES, socket.MSG_PEEK)
            wanted = f"GET {MEDIA_PATH}".encode()
            if not wanted.startswith(first) or len(first) == FIRST_BYTES or not first:
                return first == wanted
            await trio.sleep(0.01)  # a request line in pieces: rare, and a peek can't wait for more

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
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, trio.CancelScope() as scope:
        async with open_daemon(settings, secrets) as daemon:
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
