"""A town for `bridge doctor`: a real daemon behind a TLS proxy of ours, and stand-ins of Twilio's and the model's REST.

Everything is on loopback: the public host's name leads to the proxy, any other name to nowhere.
"""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import trio
import trustme
from attrs import define, evolve, field, frozen

from bridge import config
from bridge.config import Secrets
from bridge.daemon.server import Daemon, open_daemon
from bridge.doctor.examination import Report, examine
from bridge.doctor.findings import Finding
from bridge.doctor.world import Patient, World
from replay.model.script import Script
from replay.model.server import serve_model

HOST = "bridge.example.com"
PUBLIC = f"https://{HOST}"
TOKEN, KEY = "golden-test-auth-token-000000000", "sk-stand-in-of-a-key"
SID = "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
ENVIRONMENT = {"TWILIO_AUTH_TOKEN": TOKEN, "OPENAI_API_KEY": KEY}
PUBLIC_ADDRESS = "93.184.215.14"
"""Given out by the town's name service, and never contacted."""


# ---------------------------------------------------------------- small servers


@asynccontextmanager
async def serving(handler: Callable[[Any], Any]) -> AsyncIterator[int]:
    """Serve connections on loopback and yield the port; all is gone afterwards."""

    async def guarded(stream: Any) -> None:
        try:
            async with stream:
                await handler(stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # whoever asked has left

    async with trio.open_nursery() as nursery:
        serve = trio.serve_tcp
        (listener,) = await nursery.start(
            lambda task_status: serve(guarded, 0, host="127.0.0.1", task_status=task_status)
        )
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def read_head(stream: Any) -> bytes:
    """Return what comes until the end of a request's headers, and whatever came with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = await stream.receive_some(65536)
        if not part:
            break
        head += part
    return head


def http(status: int, body: str = "", **headers: str) -> bytes:
    """Return an HTTP answer."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@define(eq=False)
class Rest:
    """Twilio's REST API and the model's in one: answers by path, and remembers who asked for what."""

    answers: dict[str, tuple[int, Any]] = field(factory=dict)
    date: str = ""
    asked: list[tuple[str, str]] = field(factory=list)
    model_port: int = 0

    async def serve(self, stream: Any) -> None:
        """Answer one request."""
        head = (await read_head(stream)).decode()
        path = head.split(" ")[1]
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        self.asked.append((path, headers.get("authorization", "")))
        if headers.get("upgrade") == "websocket":
            return await self._pass_on(head.encode(), stream)
        status, body = self.answers.get(path.split("?")[0], (404, {}))
        if isinstance(body, list):
            body = body[int("Page=1" in path)]
        dated = {"Date": self.date} if self.date else {}
        await stream.send_all(http(status, json.dumps(body), **dated))

    async def _pass_on(self, head: bytes, stream: Any) -> None:
        """Lead a session's socket to the model's stand-in."""
        async with (
            await trio.open_tcp_stream("127.0.0.1", self.model_port) as model,
            trio.open_nursery() as nursery,
        ):
            await model.send_all(head)
            nursery.start_soon(_pump, stream, model, nursery.cancel_scope)
            await _pump(model, stream, nursery.cancel_scope)


async def _pump(source: Any, sink: Any, scope: trio.CancelScope) -> None:
    while data := await source.receive_some(65536):
        await sink.send_all(data)
    scope.cancel()


# ---------------------------------------------------------------- the way in


@define(eq=False)
class Proxy:
    """What stands between the public name and the daemon: TLS, and one oddity at a time."""

    context: ssl.SSLContext | None
    port: int = 0
    """The daemon's."""
    instead: bytes = b""
    """Answered without asking the daemon."""
    rewrite: Callable[[bytes], bytes] = lambda head: head
    added: bytes = b""
    """Header lines put into the daemon's answers."""
    holds_frames: bool = False

    async def serve(self, stream: trio.SocketStream) -> None:
        """Pass one request on, or not."""
        outside: Any = stream
        if self.context is not None:
            outside = trio.SSLStream(stream, self.context, server_side=True, https_compatible=True)
            await outside.do_handshake()
        head = await read_head(outside)
        if self.instead:
            return await outside.send_all(self.instead)
        is_socket = b"upgrade: websocket" in head.lower()
        head = self.rewrite(head)
        if not is_socket:
            head = head.replace(b"onnection: keep-alive", b"onnection: close", 1)
        async with (
            await trio.open_tcp_stream("127.0.0.1", self.port) as inside,
            trio.open_nursery() as nursery,
        ):
            await inside.send_all(head)
            nursery.start_soon(self._pass, inside, outside, self.added, nursery.cancel_scope)
            if not (is_socket and self.holds_frames):
                nursery.start_soon(self._pass, outside, inside, b"", nursery.cancel_scope)

    async def _pass(self, source: Any, sink: Any, added: bytes, scope: trio.CancelScope) -> None:
        while data := await source.receive_some(65536):
            if added:
                data, added = data.replace(b"\r\n", b"\r\n" + added, 1), b""
            await sink.send_all(data)
        scope.cancel()


class Rerouted(httpx2.AsyncHTTPTransport):
    """Leads the public name to a port, over TLS that still asks for that name; with port 0, and for others, nowhere."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        super().__init__(verify=context, trust_env=False)
        self.port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == HOST and self.port:
            request.extensions = {**request.extensions, "sni_hostname": HOST}
            request.url = request.url.copy_with(host="127.0.0.1", port=self.port)
        elif request.url.host != "127.0.0.1":
            raise httpx2.ConnectError("no way to it")
        return await super().handle_async_request(request)


def world_with(port: int, context: ssl.SSLContext, **changes: Any) -> World:
    """Return a world in which the public name leads to this port."""

    async def connect(host: str, _: int) -> trio.SocketStream:
        assert host == HOST
        return await trio.open_tcp_stream("127.0.0.1", port)

    async def resolve(host: str) -> list[str]:
        return [PUBLIC_ADDRESS]

    room = (10**12, 10**11, 9 * 10**11)
    world = World(connect, resolve, lambda given: Rerouted(given, port), context, lambda path: room)
    return evolve(world, **changes)


# ---------------------------------------------------------------- the whole town


def number(url: str = f"{PUBLIC}/voice/front-desk", **fields: Any) -> dict[str, Any]:
    """Return a phone number as Twilio lists it."""
    return {"phone_number": "+15550100199", "voice_url": url, "voice_method": "POST", **fields}


def rest_answers(*numbers: dict[str, Any]) -> dict[str, tuple[int, Any]]:
    """Return what Twilio and the model answer when all is well."""
    account = f"/2010-04-01/Accounts/{SID}"
    listed = {"incoming_phone_numbers": list(numbers) or [number()], "next_page_uri": None}
    return {
        f"{account}.json": (200, {"sid": SID, "status": "active", "type": "Full"}),
        f"{account}/IncomingPhoneNumbers.json": (200, listed),
        "/v1/models/gpt-realtime-2.1": (200, {"id": "gpt-realtime-2.1", "shutdown_date": None}),
    }


@frozen
class Town:
    """A running daemon, its surroundings, and the configuration a doctor reads."""

    daemon: Daemon
    proxy: Proxy
    rest: Rest
    world: World
    path: Path

    def patient(self, *, tokens: tuple[str, ...] = (TOKEN,), **changes: Any) -> Patient:
        """Return what one check is given."""
        return Patient(config.load(self.path), Secrets(tokens, KEY), SID, True, evolve(self.world, **changes))

    async def examine(self, environment: Mapping[str, str] = ENVIRONMENT, **options: Any) -> Report:
        """Examine everything."""
        world = options.pop("world", self.world)
        return await examine(self.path, {**environment, "TWILIO_ACCOUNT_SID": SID}, world=world, **options)


@asynccontextmanager
async def open_town(
    folder: Path,
    authority: trustme.CA,
    *,
    running: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    agents: tuple[str, ...] = ("front-desk",),
    tokens: tuple[str, ...] = (TOKEN,),
) -> AsyncIterator[Town]:
    """Run a town; `running` is what the daemon was started with besides, `server` what its file says by now."""
    trusting, serving_context = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(trusting)
    authority.issue_cert(HOST).configure_cert(serving_context)
    rest, proxy = Rest(rest_answers(), date=""), Proxy(serving_context)
    async with (
        serving(rest.serve) as rest_port,
        serving(proxy.serve) as proxy_port,
        trio.open_nursery() as nursery,
    ):
        model = await nursery.start(serve_model, Script())
        rest.model_port = urlsplit(model.url).port or 0
        base: dict[str, Any] = {
            "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC, "drain_seconds": 1, "max_calls": 10},
            "realtime": {"url": f"ws://127.0.0.1:{rest_port}/v1/realtime"},
            "twilio": {"api_url": f"http://127.0.0.1:{rest_port}"},
            "agents": {"front-desk": {}},
        }
        started = {name: {**table, **(running or {}).get(name, {})} for name, table in base.items()}
        settings = config.parse(started, folder / "config.toml")
        async with open_daemon(settings, Secrets(tokens, KEY)) as daemon:
            proxy.port = daemon.port
            base["server"].update(bind=f"127.0.0.1:{daemon.port}", **(server or {}))
            base["agents"] = {name: {} for name in agents}
            write_config(folder / "config.toml", base)
            yield Town(daemon, proxy, rest, world_with(proxy_port, trusting), folder / "config.toml")
        nursery.cancel_scope.cancel(reason="the town is closed")


def write_config(path: Path, tables: Mapping[str, Any]) -> None:
    """Write a configuration file."""
    agents = "".join(f"[agents.{name}]\n" for name in tables["agents"])
    lines = [
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
        if name != "agents"
    ]
    path.write_text("".join(lines) + agents)


def told(findings: Any, check: str) -> list[tuple[str, str]]:
    """Return level and text of what one check found."""
    return [(finding.level, finding.text) for finding in findings if finding.check == check]


def only(findings: list[Finding]) -> Finding:
    """Return the one finding there is."""
    (finding,) = findings
    return finding


def at(moment: Any) -> Callable[[], Any]:
    """Return a clock that stands."""
    return lambda: moment


def http_date(moment: Any) -> str:
    """Return a moment as HTTP writes it."""
    return format_datetime(moment, usegmt=True)
