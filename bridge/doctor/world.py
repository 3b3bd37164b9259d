"""How the checks of `bridge doctor` reach the world, every way bounded: names, connections, requests, the clock.

Tests put loopback stand-ins in its places. Nothing here judges what comes back.
"""

import re
import shutil
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import msgspec
import trio
from attrs import field, frozen

from bridge import __version__
from bridge.config import Secrets, Settings
from bridge.errors import LinkError
from bridge.proxies import Proxy

CHECK_SECONDS: Final = 5
"""What one check of the network may take in all."""

WAIT_PART: Final = 0.8
"""Of that, what one connection or answer may take: less, so that the finding can say which it was."""

MOST_BODY_BYTES: Final = 2 * 2**20
"""A page of a thousand phone numbers is a good megabyte; nothing else that is asked for comes near."""

Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@frozen
class Answer:
    """What an HTTP server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_ms: int

    @property
    def server(self) -> str:
        """Return who says to have answered: the bridge itself says nothing."""
        return self.headers.get("server", "")[:60]

    @property
    def json(self) -> dict[str, Any]:
        """Return the object in the body; an empty one when there is none."""
        try:
            read = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}


async def _connect(host: str, port: int) -> trio.SocketStream:
    return await trio.open_tcp_stream(host, port)


async def _resolve(host: str) -> list[str]:
    found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])  # all that Twilio speaks to a webhook or a media socket
    return context


def _transport(context: ssl.SSLContext, proxy: Proxy | None = None) -> httpx2.AsyncBaseTransport:
    # No proxy but the one on the daemon's own way to the model: for all else Twilio's way in is what is looked at.
    if proxy is None:
        return httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
    way = httpx2.Proxy(str(proxy), auth=(proxy.username, proxy.password) if proxy.username else None)
    return httpx2.AsyncHTTPTransport(verify=context, trust_env=False, proxy=way)


@frozen
class World:
    """Everything outside this process."""

    connect: Callable[[str, int], Awaitable[trio.SocketStream]] = _connect
    resolve: Callable[[str], Awaitable[list[str]]] = _resolve
    transport: Callable[..., httpx2.AsyncBaseTransport] = _transport
    context: ssl.SSLContext = field(factory=_context)
    disk: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    """Bytes in all, used and free."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    check_seconds: float = CHECK_SECONDS

    @property
    def wait_seconds(self) -> float:
        """How long one connection, or one answer, is waited for."""
        return self.check_seconds * WAIT_PART

    def client(self, proxy: Proxy | None = None, **options: Any) -> httpx2.AsyncClient:
        """Return an HTTP/1.1 client that follows no redirects, and uses this proxy or none."""
        transport = self.transport(self.context) if proxy is None else self.transport(self.context, proxy)
        headers = {"User-Agent": f"bridge-doctor/{__version__}"}
        return httpx2.AsyncClient(
            transport=transport, timeout=self.wait_seconds, headers=headers,
            trust_env=False, **options,
        )  # fmt: skip

    async def open(self, host: str, port: int, *, is_tls: bool) -> Stream:
        """Open a stream as Twilio would, over TLS with HTTP/1.1. Raises `LinkError`, `ssl.SSLError`."""
        try:
            with trio.fail_after(self.wait_seconds):
                stream = await self.connect(host, port)
                return await self._secured(stream, host) if is_tls else stream
        except trio.TooSlowError:
            raise LinkError(f"no connection within {self.wait_seconds:g} s") from None
        except OSError as error:
            raise LinkError(f"can't be reached: {error.strerror or error}") from None

    async def _secured(self, stream: trio.SocketStream, host: str) -> trio.SSLStream[trio.SocketStream]:
        secured = trio.SSLStream(stream, self.context, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            await trio.aclose_forcefully(stream)
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError):
                raise LinkError(f"no TLS: {_reason(cause)}") from cause
            raise LinkError("the connection ended within the TLS handshake") from None
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secured


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()


async def fetch(client: httpx2.AsyncClient, method: str, url: str, **options: Any) -> Answer:
    """Make one request and return its answer. Raises `LinkError` with why there is none."""
    began = trio.current_time()
    body = bytearray()
    # To leave the loop would leave the client's generators to the garbage collector; to be cancelled ends them.
    too_long = trio.CancelScope()
    try:
        with too_long:
            async with client.stream(method, url, **options) as response:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MOST_BODY_BYTES:
                        too_long.cancel(reason="the answer is longer than any that is asked for")
    except httpx2.HTTPError as error:
        raise LinkError(_why(error)) from None
    if too_long.cancelled_caught:
        raise LinkError(f"the answer is longer than {MOST_BODY_BYTES} bytes")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, bytes(body), round((trio.current_time() - began) * 1000))


def _why(error: httpx2.HTTPError) -> str:
    match error:
        case httpx2.ProxyError():
            return f"the proxy refused: {_without_noise(str(error))}"
        case httpx2.ConnectTimeout():
            return "no connection in time"
        case httpx2.TimeoutException():
            return "connected, but no answer in time"
        case httpx2.ConnectError():
            return f"can't be reached: {_without_noise(str(error))}"
        case httpx2.RemoteProtocolError():
            return "what answers speaks no HTTP/1.1 (HTTP/2 alone?), and Twilio speaks nothing else"
        case _:
            return f"the connection broke: {_without_noise(str(error)) or type(error).__name__}"


def _without_noise(text: str) -> str:
    """Return an error of OpenSSL or the system without where in the source it was raised."""
    return re.sub(r"\[Errno -?\d+\] ?| ?\(_ssl\.c:\d+\)", "", text).strip()


@frozen
class Seen:
    """A clock of somebody else's, and ours at the same moment."""

    where: str
    theirs: str
    ours: datetime
    is_elsewhere: bool
    """Whether that clock is surely not this machine's own."""


@frozen
class Patient:
    """What is examined, and where the checks leave the clocks they came by."""

    settings: Settings
    secrets: Secrets
    account_sid: str = ""
    is_up: bool = False
    """Whether a daemon records in the data folder: asked once, because asking takes the lock for a moment."""
    world: World = field(factory=World)
    clocks: list[Seen] = field(factory=list)

    @property
    def public_url(self) -> str:
        """Return the address Twilio calls, without a slash at its end."""
        return self.settings.server.public_url

    def note_clock(self, where: str, answer: Answer, *, is_elsewhere: bool) -> None:
        """Keep the time an answer was given."""
        if theirs := answer.headers.get("date"):
            midway = self.world.now() - timedelta(milliseconds=answer.took_ms / 2)
            self.clocks.append(Seen(where, theirs, midway, is_elsewhere))
