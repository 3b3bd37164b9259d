"""The model's socket: trio-websocket over a TCP or TLS stream that is ours, opened and closed here."""

import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import trio
import trio_websocket
from attrs import define, field, frozen
from h11 import ProtocolError as HttpProtocolError
from wsproto.utilities import ProtocolError

from bridge.checks import filled
from bridge.errors import DoorShutError, LinkError
from bridge.links.late_pings import ignore_late_pings
from bridge.links.phone import MAX_MESSAGE_BYTES, READ_BYTES, Closing
from bridge.links.tunnel import reach
from bridge.proxies import FROM_ENVIRONMENT, Proxy, proxy_for
from bridge.wire.retry_after import retry_after_ms

Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]
MODEL_QUEUE: Final = 256
"""Messages waiting to be read; with the default of 1, pings go unanswered while one is handled."""

BROKEN: Final = (
    trio_websocket.HandshakeError, trio_websocket.ConnectionClosed, ProtocolError, HttpProtocolError
)  # fmt: skip
"""What trio-websocket raises for a server that speaks something else."""

TOO_MANY_REQUESTS: Final = 429
SESSION_UPDATE: Final = '{"type":"session.update"'
LEAST_SECRET: Final = 8
"""Shorter words stand in ordinary text too, and are no secrets."""

CONNECT_SECONDS: Final = 5
DISCONNECT_SECONDS: Final = 0.4

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


@define(eq=False)
class ModelLink:
    """A Realtime session's socket that we opened."""

    _socket: trio_websocket.WebSocketConnection
    words: Mapping[str, str] = field(factory=dict, repr=False)
    heard: int = 0
    """Messages that have come; whoever speaks is there."""
    _closing: trio.Lock = field(factory=trio.Lock)

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended."""
        closed = self._socket.closed
        if closed is None or closed.code is None:
            return Closing(1006, "")
        return Closing(int(closed.code), closed.reason or "")

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the model has left."""
        try:
            message: str | bytes = await self._socket.get_message()
        except trio_websocket.ConnectionClosed:
            return None
        self.heard += 1
        return without_words(message, self.words) if self.words and isinstance(message, str) else message

    async def send(self, *messages: str) -> None:
        """Send text messages, in order; quietly nothing when the model has left."""
        try:
            for message in messages:
                await self._socket.send_message(with_words(message, self.words))
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def close(self, code: int, reason: str = "") -> None:
        """Close the session's socket; a second close waits for the first, which still needs its reading task."""
        async with self._closing:
            await self._socket.aclose(code, reason)

    async def ping(self) -> None:
        """Return when the model's socket has answered; quietly when it is closed."""
        try:
            await self._socket.ping()
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return


def with_words(message: str, words: Mapping[str, str]) -> str:
    """Return a message as it is sent: where a session's setting is `$NAME` and nothing else, the secret stands."""
    if words and message.startswith(SESSION_UPDATE):
        for name, word in words.items():
            message = message.replace(f'"${name}"', json.dumps(word))
    return message


def without_words(message: str, words: Mapping[str, str]) -> str:
    """Return a message as anybody may read it: a server may well repeat what it was given."""
    for name, word in words.items():
        if len(word) >= LEAST_SECRET and (told := json.dumps(word)[1:-1]) in message:
            message = message.replace(told, f"${name}")
    return message


async def wait_silent(link: ModelLink) -> None:
    """Return when the model is gone without a word. The only wait here is for the answer to a ping."""
    while True:
        await trio.sleep(HEARTBEAT_SECONDS)
        if not await _answers(link):
            return


async def _answers(link: ModelLink) -> bool:
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


async def _ping(link: ModelLink, answered: trio.Event) -> None:
    await link.ping()
    answered.set()


@asynccontextmanager
async def open_model(address: ModelAddress) -> AsyncIterator[ModelLink]:
    """Open the model's socket. Raises `LinkError` with a sentence on why it could not be had.

    It is a `DoorShutError` if it may be had in a moment. The stream is ours: trio-websocket leaves its own to the
    garbage collector when the server closes first.
    """
    refused: LinkError | None = None
    url = address.door
    try:
        async with await _reach(address) as stream:
            await _encrypt(stream, url)
            async with trio.open_nursery() as nursery:
                try:
                    with trio.fail_after(CONNECT_SECONDS) as scope:
                        reading = _Reading(nursery, scope)
                        socket = await _shake_hands(reading, stream, url, address.headers)
                except (trio_websocket.ConnectionClosed, trio.TooSlowError, OSError):
                    refused = DoorShutError(
                        f"{_host(url)} did not finish the WebSocket handshake", "handshake"
                    )
                else:
                    link = ModelLink(socket, address.words)
                    try:
                        yield link
                    finally:
                        with trio.move_on_after(DISCONNECT_SECONDS):
                            await link.close(1000)
                nursery.cancel_scope.cancel(reason="the model's socket is done with")
    # trio-websocket's reading task is in our nursery, and what it raises comes as a group.
    except* trio_websocket.ConnectionRejected as group:
        refused = _rejection(url, next(_leaves(group)))
    except* BROKEN as group:
        refused = LinkError(f"{_host(url)} broke the WebSocket protocol: {next(_leaves(group))!r}"[:300])
    if refused is not None:
        raise refused


def _rejection(url: str, rejected: trio_websocket.ConnectionRejected) -> LinkError:
    """Return what to say of an HTTP status; some of them pass."""
    status = rejected.status_code
    text = f"{_host(url)} refused the connection with HTTP {status}"
    if status != TOO_MANY_REQUESTS and status < 500:
        return LinkError(text)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in rejected.headers}
    after_ms = asked_pause_ms(headers)
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


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[Any]:
    """Yield the exceptions in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _host(url: str) -> str:
    return url.split("?")[0]


async def _reach(address: ModelAddress) -> Stream:
    """Open a TCP or TLS stream to the model's host, through the proxy if there is one. Raises `LinkError`."""
    parts = urlsplit(address.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            stream = await reach(host, port, address.proxy)
    except (OSError, trio.TooSlowError, LinkError) as error:
        text = f"{_host(address.url)} can't be reached: {error or 'no answer'}"
        if isinstance(error, LinkError) and not isinstance(error, DoorShutError):
            raise LinkError(text) from None  # a proxy that lets nobody through
        raise DoorShutError(text, "unreachable") from None
    if address.context is None or parts.scheme != "wss":
        return stream
    return trio.SSLStream(stream, address.context, server_hostname=host, https_compatible=True)


async def _encrypt(stream: Stream, url: str) -> None:
    """Do the TLS handshake now, where what is wrong with it can be told. Raises `LinkError`."""
    if not isinstance(stream, trio.SSLStream):
        return
    try:
        with trio.fail_after(CONNECT_SECONDS):
            await stream.do_handshake()
    except (trio.BrokenResourceError, trio.TooSlowError, OSError) as error:
        why = error.__cause__ or error or "no answer"
        raise DoorShutError(f"{_host(url)} can't be reached over TLS: {why}"[:300], "TLS") from None


@frozen
class _Reading:
    """Starts trio-websocket's reading task in our nursery; when that ends, nobody waits for the handshake any more.

    By itself it leaves whoever opens a socket waiting when the server cuts the connection off before it has answered.
    """

    nursery: trio.Nursery
    handshake: trio.CancelScope

    def start_soon(self, read: Callable[[], Awaitable[None]]) -> None:
        """Start it."""
        self.nursery.start_soon(self._run, read, name="read from model")

    async def _run(self, read: Callable[[], Awaitable[None]]) -> None:
        await read()
        self.handshake.cancel(reason="the connection is closed")


async def _shake_hands(
    reading: _Reading, stream: Stream, url: str, headers: list[tuple[str, str]]
) -> trio_websocket.WebSocketConnection:
    ignore_late_pings()
    parts = urlsplit(url)
    return await trio_websocket.wrap_client_stream(
        reading,  # type: ignore[arg-type]  # it starts a task, and nothing else
        stream,
        parts.netloc.rpartition("@")[2],
        f"{parts.path or '/'}?{parts.query}",
        extra_headers=[(name.encode(), value.encode()) for name, value in headers],
        message_queue_size=MODEL_QUEUE,
        max_message_size=MAX_MESSAGE_BYTES,
        receive_buffer_size=READ_BYTES,
    )
