"""The admin address: /metrics, /healthz and /calls for those who run the daemon. A listener of its own, off by default.

Whoever is let in can read; with the token they can have calls made, too. Other machines need it for all; the public
port serves none of this.
"""

import os
import re
import secrets
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import structlog
import trio
from attrs import define, field, frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from quart import Response, request
from quart_trio import QuartTrio

from bridge import __version__
from bridge.errors import LinkError
from bridge.links.phone import MOST_HEAD_BYTES
from bridge.observe.asking import add_asking, is_asking, refused
from bridge.observe.metrics import Metrics
from bridge.observe.snapshot import Peaks, Snapshot
from bridge.settings.admin import Admin
from bridge.web.http import HttpConnection
from bridge.web.listener import set_options

MOST_CONNECTIONS: Final = 48
"""Whoever comes while so many are connected is let go: a few scrapers, and some people whose browsers have six each."""

READ_SECONDS: Final = 10
BACKLOG: Final = 16
PATHS: Final = frozenset({b"/metrics", b"/healthz", b"/calls"})
"""As they are sent: nothing that has to be decoded first is one of them."""
ANNEX: Final = re.compile(rb"/console(/[A-Za-z0-9_.-]+)*/?")
MISDIRECTED: Final = 421
NO_TOKEN: Final = msgspec.json.encode(
    refused(
        "token",
        "calls are made for whoever has the admin token, and none is set: name one in [admin] token_env",
    )
)
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
log = structlog.get_logger(__name__)


@contextmanager
def admin_listener(bind: str) -> Iterator[trio.SocketListener]:
    """Listen on host:port or unix:/path while the context lasts. Raises `LinkError`."""
    path = Path(bind.removeprefix("unix:")) if bind.startswith("unix:") else None
    try:
        raw = _open_tcp(bind) if path is None else _open_unix(path)
    except OSError as error:
        raise LinkError(
            f"can't listen on {bind}: {error.strerror or error}; use another [admin] bind"
        ) from None
    try:
        yield trio.SocketListener(trio.socket.from_stdlib_socket(raw))
    finally:
        raw.close()
        if path is not None:
            path.unlink(missing_ok=True)


def _open_tcp(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    raw = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    set_options(raw)  # a browser that stops reading a stream must not hold up the daemon's end
    return raw


def _open_unix(path: Path) -> socket.socket:
    """Listen on a path, for its owner and group alone; what a daemon that was killed left there is replaced."""
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _is_answered(path):
        path.unlink()
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        raw.bind(str(path))
        os.chmod(path, 0o660)  # before it listens: until then nobody can connect
        raw.listen(BACKLOG)
    except OSError:
        raw.close()
        raise
    return raw


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def address_of(listener: trio.SocketListener) -> str:
    """Return where a listener can be reached, as [admin] bind writes it."""
    name = listener.socket.getsockname()
    return f"unix:{name}" if isinstance(name, str) else f"{name[0]}:{name[1]}"


# ---------------------------------------------------------------- what it answers


@frozen
class Doorkeeper:
    """Who may see the pages at this moment: whoever means this address, and has the token if there is one."""

    admin: Admin
    token: str = field(default="", repr=False)

    def refusal(self, host: str, authorization: list[str], *, has_own_door: bool = False) -> Response | None:
        """Return the answer for those who may not. Whoever was led here by a name made to point here says that name."""
        if not self.admin.answers_to(host):
            return Response("", status=MISDIRECTED)
        if has_own_door:
            return None
        if self.token and not _has_token(authorization, self.token):
            return Response("", status=401, headers={"WWW-Authenticate": "Bearer"})
        return None

    def refusal_to_call(self) -> Response | None:
        """Return the answer for whoever was let in without a token, and wants calls made: no machine is so trusted."""
        if self.token:
            return None
        return Response(NO_TOKEN, status=403, content_type="application/json")


Annex: TypeAlias = Callable[[QuartTrio], None]
"""Adds pages to the app, below `/console`."""


def make_admin_app(
    doorkeeper: Callable[[], Doorkeeper],
    snapshot: Snapshot,
    metrics: Metrics,
    peaks: Peaks,
    annex: Annex | None = None,
) -> QuartTrio:
    """Return the app: three pages to GET, calls to ask for, 404 for all else, for those whom the doorkeeper lets in.

    What an annex adds has a door of its own.
    """
    app = QuartTrio("bridge-admin", static_folder=None)
    started = trio.current_time()

    @app.before_request
    async def let_in() -> Response | None:
        host, authorization = request.headers.get("Host", ""), request.headers.get_all("Authorization")
        method, path = request.method, request.scope["raw_path"]
        is_annex = annex is not None and ANNEX.fullmatch(path) is not None
        if (refusal := doorkeeper().refusal(host, authorization, has_own_door=is_annex)) is not None:
            return refusal
        if is_annex:
            return None
        if snapshot.dialer is not None and is_asking(method, path):
            return doorkeeper().refusal_to_call()
        return None if method == "GET" and path in PATHS else Response("", status=404)

    @app.get("/metrics")
    async def metrics_page() -> Response:
        return Response(await metrics.page(snapshot, peaks), content_type=PROMETHEUS)

    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        return {"seconds_up": round(trio.current_time() - started, 1), **health_of(snapshot, peaks)}

    @app.get("/calls")
    async def calls() -> list[dict[str, Any]]:
        return snapshot.calls()

    if snapshot.dialer is not None:
        add_asking(app, snapshot.dialer)
    if annex is not None:
        annex(app)
    return app


def _has_token(given: list[str], token: str) -> bool:
    """Say whether the one Authorization header has the token, in a time that tells nothing about it."""
    wanted = f"Bearer {token}".encode()
    return len(given) == 1 and secrets.compare_digest(given[0].encode("utf-8", "replace"), wanted)


def health_of(snapshot: Snapshot, peaks: Peaks) -> dict[str, Any]:
    """Return how the daemon is: ok, draining, or degraded while tapes or their rows can't be written."""
    switchboard, vitals, indexer = snapshot.switchboard, snapshot.vitals(), snapshot.indexer
    is_degraded = vitals.is_failing or bool(indexer.fault)
    status = "draining" if switchboard.is_closing else "degraded" if is_degraded else "ok"
    return {
        "status": status,
        "version": __version__,
        "workers": vitals.workers,
        "generation": vitals.generation,
        "older_code": {"workers": vitals.retiring, "calls": vitals.retiring_calls},
        "calls": {"live": snapshot.live, "waiting": snapshot.waiting, "limit": snapshot.limit},
        "loop": {"lag_max_ms": round(peaks.lag_seconds.highest * 1000, 1)},
        "recorder": {"failing": vitals.is_failing, "tapes_open": vitals.tapes, "lines_shed": vitals.shed},
        "store": {
            "waiting_tapes": indexer.lag, "oldest_seconds": round(indexer.lag_seconds, 1), "fault": indexer.fault,
        },
    }  # fmt: skip


# ---------------------------------------------------------------- serving


@define(eq=False)
class AdminServer:
    """Serves an app to a few connections at once."""

    app: QuartTrio
    _connected: int = 0
    _config: Config = field(factory=Config)
    _context: WorkerContext = field(factory=lambda: WorkerContext(None))

    def __attrs_post_init__(self) -> None:
        self._config.include_server_header = False
        self._config.keep_alive_timeout = 30
        self._config.h11_max_incomplete_size = MOST_HEAD_BYTES
        self._config.read_timeout = READ_SECONDS
        self._config.graceful_timeout = 1
        self._config.errorlog = None

    async def serve(self, listener: trio.SocketListener) -> None:
        """Accept connections until cancelled."""
        await trio.serve_listeners(self._serve_connection, [listener])

    async def _serve_connection(self, stream: trio.SocketStream) -> None:
        self._connected += 1
        try:
            if self._connected <= MOST_CONNECTIONS:
                await self._serve_http(stream)
        except OSError:
            return  # the peer reset it
        except Exception:  # the top of a connection: a bug here ends this connection and no call
            log.exception("admin connection crashed")
        finally:
            self._connected -= 1

    async def _serve_http(self, stream: trio.SocketStream) -> None:
        app, state = ASGIWrapper(self.app), ConnectionState({})
        await HttpConnection(app, self._config, self._context, state, stream)  # type: ignore[arg-type]  # plain TCP works too
