"""The model's socket: a WebSocket over a TCP or TLS connection that is ours, opened and closed here."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, urlsplit

import trio
from attrs import field, frozen
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.uri import WebSocketURI

from bridge.checks import filled
from bridge.errors import DoorShutError, LinkError
from bridge.links.link import MAX_MESSAGE_BYTES
from bridge.links.pipes import Pipe, TcpPipe
from bridge.links.tls import tls_over
from bridge.links.tunnel import reach
from bridge.links.web_socket import LatestPong, WebSocketLink, read_head
from bridge.proxies import FROM_ENVIRONMENT, Proxy, proxy_for
from bridge.wire.retry_after import retry_after_ms

TOO_MANY_REQUESTS: Final = 429

CONNECT_SECONDS: Final = 5
DISCONNECT_SECONDS: Final = 0.4

MOST_ANSWER_BYTES: Final = 2 * 2**20
"""Of the answer to an upgrade: a page that refuses it may be long."""


HEARTBEAT_SECONDS: Final = 2
HEARTBEAT_ANSWER_SECONDS: Final = 2.5
"""A model that vanished without a word is noticed within 4.5 s: no media frames tell of its life as the phone's do."""

LOOKS: Final = 5
"""In that time; looks are counted, not seconds. After our own process was held up the answer waits in the socket."""


@frozen
class ModelAddress:
    """Where the model is, and how to get in; `headers` hold the key and are never taped.

    The daemon says which proxy is on the way; an address made by hand has the environment's.
    """

    url: str
    model: str
    headers: list[tuple[str, str]] = field(repr=False)
    context: ssl.SSLContext | None = None
    proxy: Proxy | None = field()
    query: tuple[tuple[str, str], ...] = ()
    words: Mapping[str, str] = field(factory=dict, repr=False)
    """What `$NAME` stands for in the query."""

    @proxy.default
    def _proxy_of_the_environment(self) -> Proxy | None:
        return proxy_for(self.url, FROM_ENVIRONMENT, os.environ)

    @property
    def session_url(self) -> str:
        """Return the URL of a session with this model, as anybody may read it."""
        return self._url_with({})

    @property
    def door(self) -> str:
        """Return the same with its secrets, for the door alone."""
        return self._url_with(self.words)

    def _url_with(self, words: Mapping[str, str]) -> str:
        """Name the model by its name; a deployment of Azure's, where one is named, is the model."""
        names = {name for name, _ in self.query}
        model = () if "deployment" in names else (("model", self.model),)
        pairs = [(name, filled(value, words)) for name, value in (*model, *self.query)]
        return f"{self.url}?" + "&".join(f"{name}={quote(value, safe='$')}" for name, value in pairs)


class ModelProtocol(LatestPong, ClientProtocol):
    """The protocol of a session's socket."""


@asynccontextmanager
async def open_model(address: ModelAddress) -> AsyncIterator[WebSocketLink]:
    """Open the model's socket. Raises `LinkError` with a sentence on why it could not be had.

    It is a `DoorShutError` if it may be had in a moment.
    """
    async with open_pipe(address) as pipe:
        link = await _upgrade(pipe, address)
        try:
            yield link
        finally:
            with trio.move_on_after(DISCONNECT_SECONDS):
                await link.close(1000)
                while await link.receive() is not None:
                    pass


# ---------------------------------------------------------------- its pulse


async def wait_silent(link: WebSocketLink) -> None:
    """Return when the model is gone without a word. The only wait here is for the answer to a ping."""
    while True:
        await trio.sleep(HEARTBEAT_SECONDS)
        if not await _answers(link):
            return


async def _answers(link: WebSocketLink) -> bool:
    """Say whether the model's socket answers a ping in good time, or is busy saying something else."""
    answered = trio.Event()
    looks, heard = 0, link.heard
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ping, link, answered, name="ping")
        while looks < LOOKS and not answered.is_set():
            with trio.move_on_after(HEARTBEAT_ANSWER_SECONDS / LOOKS):
                await answered.wait()
            looks, heard = (looks + 1 if link.heard == heard else 0), link.heard
        nursery.cancel_scope.cancel(reason="it has answered, or is gone")
    return answered.is_set()


async def _ping(link: WebSocketLink, answered: trio.Event) -> None:
    await link.ping()
    answered.set()


# ---------------------------------------------------------------- the WebSocket


async def _upgrade(pipe: Pipe, address: ModelAddress) -> WebSocketLink:
    url = address.session_url
    core = _asking(address.door, address.headers)
    link, answer, rest = WebSocketLink(pipe, core, words=address.words), None, b""
    with trio.move_on_after(CONNECT_SECONDS):
        await link.send()
        answer, rest = await read_head(pipe, core, MOST_ANSWER_BYTES)
    problem = core.handshake_exc
    if isinstance(answer, Response) and isinstance(problem, InvalidStatus):
        raise _rejection(url, answer)
    if problem is not None and not isinstance(problem.__cause__, EOFError):
        raise LinkError(f"{_host(url)} broke the WebSocket protocol: {problem.__cause__ or problem!r}"[:300])
    if answer is None:
        raise DoorShutError(f"{_host(url)} did not finish the WebSocket handshake", "handshake")
    link.take(rest)
    return link


def _asking(url: str, headers: list[tuple[str, str]]) -> ModelProtocol:
    """Return a protocol that has asked for the upgrade. Raises `LinkError` that names a header, never what it holds."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "wss"
    port = parts.port or (443 if is_tls else 80)
    core = ModelProtocol(
        WebSocketURI(is_tls, parts.hostname or "", port, parts.path, parts.query), max_size=MAX_MESSAGE_BYTES
    )
    request = core.connect()
    for name, value in headers:
        if not value.isprintable() or not value.isascii():
            raise LinkError(
                f"{_host(url)} can't be asked: the header {name} holds characters that can't be sent"
            )
        request.headers[name] = value
    core.send_request(request)
    return core


def _rejection(url: str, answer: Response) -> LinkError:
    """Return what to say of an HTTP status; some of them pass."""
    status = answer.status_code
    text = f"{_host(url)} refused the connection with HTTP {status}"
    if status != TOO_MANY_REQUESTS and status < 500:
        return LinkError(text)
    after_ms = asked_pause_ms({name.lower(): value for name, value in answer.headers.raw_items()})
    text += f", and asks for a pause of {after_ms} ms" if after_ms else ""
    return DoorShutError(text, "HTTP 429" if status == TOO_MANY_REQUESTS else "HTTP 5xx", after_ms)


def asked_pause_ms(headers: Mapping[str, str]) -> int:
    """Return how long the headers of a refusal ask us to wait; a date is taken by the server's own clock."""
    asked = headers.get("retry-after", "")
    if (ms := retry_after_ms(asked)) is not None:
        return ms
    try:
        until, now = (parsedate_to_datetime(text) for text in (asked, headers.get("date", "")))
        return max(0, round((until - now).total_seconds() * 1000))
    except (TypeError, ValueError):
        return 0


def _host(url: str) -> str:
    return url.split("?")[0]


# ---------------------------------------------------------------- the connection below it


@asynccontextmanager
async def open_pipe(address: ModelAddress) -> AsyncIterator[Pipe]:
    """Open a TCP or TLS connection to the model's host, through the proxy if there is one. Raises `LinkError`."""
    parts = urlsplit(address.url)
    async with await _reach(address) as stream:
        tcp = TcpPipe(stream.socket)
        if address.context is None or parts.scheme != "wss":
            yield tcp
            return
        tls = tls_over(tcp, address.context, parts.hostname or "")
        try:
            with trio.fail_after(CONNECT_SECONDS):
                await tls.shake_hands()
        except (EOFError, OSError, trio.TooSlowError) as error:  # an SSLError is an OSError
            why = f"{_host(address.url)} can't be reached over TLS: {error or 'no answer'}"
            raise DoorShutError(why[:300], "TLS") from None
        try:
            yield tls
        finally:
            tls.end()


async def _reach(address: ModelAddress) -> trio.SocketStream:
    parts = urlsplit(address.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            return await reach(host, port, address.proxy)
    except (OSError, trio.TooSlowError, LinkError) as error:
        text = f"{_host(address.url)} can't be reached: {error or 'no answer'}"
        if isinstance(error, LinkError) and not isinstance(error, DoorShutError):
            raise LinkError(text) from None  # a proxy that lets nobody through
        raise DoorShutError(text, "unreachable") from None
