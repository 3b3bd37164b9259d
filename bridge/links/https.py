"""One HTTP request and its answer, both bounded: for whoever asks a server something, and no stream of anything."""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import msgspec
import trio
from attrs import frozen

from bridge.errors import LinkError, UnsentError

MOST_BODY_BYTES: Final = 2 * 2**20
"""A page of a thousand phone numbers is a good megabyte; nothing else that is asked for comes near."""

UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
"""The server can't have done anything about these."""


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


async def fetch(client: httpx2.AsyncClient, method: str, url: str, **options: Any) -> Answer:
    """Make one request and return its answer. Raises `LinkError` with why there is none; `UnsentError` if it stayed."""
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
        kind = UnsentError if isinstance(error, UNSENT) else LinkError
        raise kind(_why(error)) from None
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
