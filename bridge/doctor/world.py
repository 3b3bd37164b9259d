"""How the checks of `bridge doctor` reach the world, every way bounded: names, connections, requests, the clock.

Tests put loopback stand-ins in its places. Nothing here judges what comes back.
"""

import shutil
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import trio
from attrs import field, frozen

from bridge import __version__
from bridge.config import Secrets, Settings
from bridge.errors import LinkError
from bridge.links.https import Answer
from bridge.proxies import Proxy

CHECK_SECONDS: Final = 5
"""What one check of the network may take in all."""

WAIT_PART: Final = 0.8
"""Of that, what one connection or answer may take: less, so that the finding can say which it was."""

Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]


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
