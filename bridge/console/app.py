"""The console's door and its pages: who is let in, what every answer says to browsers, and which page is where."""

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from gzip import compress
from importlib.resources import files
from typing import Any, Final, TypeAlias

import trio
from attrs import define, field, frozen
from jinja2 import Environment, PackageLoader
from quart import Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import NotFound

from bridge.console.auth import (
    COOKIE,
    SESSION,
    SESSION_SECONDS,
    Links,
    Visitor,
    has_token,
    may_act,
    name_of,
    signed,
    visitor,
)
from bridge.console.headers import headers_of
from bridge.console.words import FILTERS, seen
from bridge.indexing.indexer import Indexer
from bridge.observe.snapshot import Snapshot
from bridge.page.html import SCRIPTS, STYLES
from bridge.settings.admin import Admin, Console

BASE: Final = "/console"
HOME: Final = "/console/calls"
PLACES: Final = (
    (HOME, "Calls"),
    (f"{BASE}/quality", "Quality"),
    (f"{BASE}/trends", "Trends"),
    (f"{BASE}/lab", "Lab"),
)
"""Where the head of each page leads."""

OPEN_TO_ALL: Final = ("/console/login", "/console/static/")
KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
SECURE: Final = "https://"
QUICK: Final = 1
"""How hard a page is packed: an hour's call in 15 ms, to a tenth."""

LEAST_PACKED_BYTES: Final = 2000
Begin: TypeAlias = Callable[..., Any]
"""Begins a task that goes on when whoever asked for it has left; a bug in it ends nothing else."""

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


@frozen
class Door:
    """What decides at this moment who is let in."""

    admin: Admin
    console: Console
    token: str = field(default="", repr=False)


@define(eq=False)
class Pages:
    """What the pages are made of: the running daemon, its database, and templates, which a thread fills in."""

    door: Callable[[], Door]
    snapshot: Snapshot
    links: Links = field(factory=Links)
    _templates: Environment = field(init=False)
    _rendering: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))

    def __attrs_post_init__(self) -> None:
        loader = PackageLoader("bridge.console")
        self._templates = Environment(
            loader=loader, autoescape=True, finalize=seen, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= FILTERS

    @property
    def indexer(self) -> Indexer:
        """Return the way to the database."""
        return self.snapshot.indexer

    async def render(self, template: str, **values: Any) -> str:
        """Return a page, or a part of one."""
        found = self._templates.get_template(template)
        return await trio.to_thread.run_sync(partial(found.render, values), limiter=self._rendering)

    async def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page as it is answered to whoever asks now."""
        told = {"visitor": g.visitor, "nonce": g.nonce, "path": request.path, "places": PLACES, **values}
        data = (await self.render(template, **told)).encode()
        response = Response(data, status, content_type="text/html; charset=utf-8")
        if _takes_packed() and len(data) > LEAST_PACKED_BYTES:
            _pack(response, await trio.to_thread.run_sync(compress, data, QUICK, limiter=self._rendering))
        return response


def _takes_packed() -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _pack(response: Response, packed: bytes) -> None:
    response.set_data(packed)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"


@frozen
class Paths:
    """The part of an app whose paths begin with `/console`.

    No blueprint: it looks at an app's command line, of which a lean daemon has loaded nothing.
    """

    app: QuartTrio

    def get(self, path: str) -> Decorator:
        """Answer a path that is looked at."""
        return self.app.get(f"{BASE}{path}", endpoint=f"look {path}")

    def post(self, path: str) -> Decorator:
        """Answer a path that does something."""
        return self.app.post(f"{BASE}{path}", endpoint=f"do {path}")


def open_console(app: QuartTrio, pages: Pages) -> Paths:
    """Give an app the console's door and its files; pages are added to what is returned."""
    console = Paths(app)

    @app.before_request
    async def let_in() -> Response | None:
        if not _is_of_console():
            return None
        g.nonce = secrets.token_urlsafe(16)
        return await _let_in(pages)

    @app.after_request
    async def told_to_browsers(response: Response) -> Response:
        for name, value in headers_of(g.get("nonce", "")).items() if _is_of_console() else ():
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(NotFound)
    async def nowhere(error: NotFound) -> Response | NotFound:
        return await pages.page("nowhere.html", 404) if _is_of_console() else error

    @console.get("/static/<name>")
    async def static(name: str) -> Response:
        return _file(name)

    @console.get("/")
    async def home() -> Response:
        return _to(HOME)

    _add_login(console, pages)
    return console


def _is_of_console() -> bool:
    return request.path == BASE or request.path.startswith(f"{BASE}/")


async def _let_in(pages: Pages) -> Response | None:
    door = pages.door()
    if not door.console.on:
        return Response("", 404)
    header = request.headers.get(door.console.user_header, "") if door.console.user_header else ""
    g.visitor = visitor(
        door.console, door.token, authorization=request.headers.get_all("Authorization"),
        cookie=request.cookies.get(COOKIE, ""), header=header, now=time.time(),
    )  # fmt: skip
    if request.method not in ("GET", "HEAD") and not _is_ours(door, g.visitor):
        return Response("This was not asked for by a page of the console.\n", 403)
    if g.visitor is not None or request.path.startswith(OPEN_TO_ALL):
        return None
    return await pages.page("login.html", 401, next=_wished())


def _is_ours(door: Door, visitor: Visitor | None) -> bool:
    return may_act(visitor or Visitor("", ""), door.admin, door.console, request.headers)


# ---------------------------------------------------------------- signing in


def _add_login(console: Paths, pages: Pages) -> None:
    @console.get("/login")
    async def login() -> Response:
        door = pages.door()
        who = pages.links.use(door.token, request.args.get("link", ""), time.time())
        if who is not None:
            return _signed_in(door, who)
        return await pages.page("login.html", next=HOME, is_stale="link" in request.args)

    @console.post("/login")
    async def sign_in() -> Response:
        door, form = pages.door(), await request.form
        if not has_token([f"Bearer {form.get('token', '')}"], door.token):
            return await pages.page("login.html", 401, next=_wished(form.get("next", "")), is_wrong=True)
        return _signed_in(door, name_of(form.get("name", "")), _wished(form.get("next", "")))

    @console.post("/logout")
    async def sign_out() -> Response:
        response = _to("/console/login")
        response.delete_cookie(COOKIE, path="/console")
        return response


def _signed_in(door: Door, who: str, next_page: str = HOME) -> Response:
    response, until = _to(next_page), time.time() + SESSION_SECONDS
    response.set_cookie(
        COOKIE, signed(door.token, SESSION, who, until), max_age=SESSION_SECONDS, path="/console", httponly=True,
        samesite="Lax", secure=door.console.url.startswith(SECURE),
    )  # fmt: skip
    return response


def _wished(path: str = "") -> str:
    """Return the page that somebody came for, if it is one of ours."""
    path = path or (request.full_path.rstrip("?") if request.method == "GET" else HOME)
    return path if path.startswith("/console/") and "//" not in path and "\\" not in path else HOME


def _to(path: str) -> Response:
    return Response("", 303, headers={"Location": path})


# ---------------------------------------------------------------- files


def _load() -> Mapping[str, bytes]:
    own = {file.name: file for file in (files("bridge.console") / "static").iterdir()}
    of_a_call = {
        name.rpartition("/")[2]: files("bridge.page") / "static" / name for name in (*STYLES, *SCRIPTS)
    }
    found = {**of_a_call, **own}
    return {name: file.read_bytes() for name, file in found.items() if name.rpartition(".")[2] in KINDS}


STATIC: Final = _load()
"""Every file that pages load, read once: no request names a path."""

PACKED: Final = {name: compress(data, mtime=0) for name, data in STATIC.items()}


def _file(name: str) -> Response:
    if name not in STATIC:
        return Response("", 404)
    kind = KINDS[name.rpartition(".")[2]]
    response = Response(STATIC[name], content_type=f"{kind}; charset=utf-8")
    if _takes_packed():
        _pack(response, PACKED[name])
    response.headers["Cache-Control"] = "private, max-age=300"
    return response
