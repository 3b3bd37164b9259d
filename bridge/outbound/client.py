"""What you import to have the running daemon call somebody: one async function, for trio and asyncio alike.

    from bridge.outbound.client import Bridge, call

    made = await call(Bridge("127.0.0.1:9090", token), "front-desk", "+15550100199", variables={"name": "Anna"})
    print(made.outcome)

It asks the admin address, and needs its token. Who may be called, when and how often the daemon's settings say.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx2
import msgspec
from attrs import field, fields_dict, frozen

from bridge.errors import LinkError, OutboundError

ANSWER_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.5
"""From one look at a call that still rings to the next."""


@frozen
class Made:
    """A call that was made, as far as it has come.

    `state` is asked, ringing, answered or over. `outcome` is empty while it rings; then it is answered, busy,
    no_answer, failed or canceled. `answered_by` is Twilio's verdict: human, machine_start, …, unknown; empty while
    there is none.
    """

    call_id: str
    agent: str
    state: str
    call_sid: str = ""
    answered_by: str = ""
    outcome: str = ""
    why: str = ""

    @property
    def is_known(self) -> bool:
        """Say whether there is nothing to wait for: whether it was answered is known."""
        return self.outcome != ""


@frozen
class Bridge:
    """A running daemon: its `[admin] bind`, and the token of that address."""

    admin: str
    token: str = field(repr=False)

    def client(self) -> httpx2.AsyncClient:
        """Return a client for its admin address."""
        path = self.admin.removeprefix("unix:") if self.admin.startswith("unix:") else None
        transport = httpx2.AsyncHTTPTransport(verify=_no_tls(), trust_env=False, uds=path)
        return httpx2.AsyncClient(
            transport=transport, timeout=ANSWER_SECONDS, trust_env=False,
            base_url="http://localhost" if path else f"http://{self.admin}",
            headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
        )  # fmt: skip


def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(
        ssl.PROTOCOL_TLS_CLIENT
    )  # the admin address speaks none: no certificates are loaded


async def call(
    bridge: Bridge,
    agent: str,
    number: str,
    *,
    variables: Mapping[str, str] | None = None,
    time_zone: str = "",
    wait: bool = True,
    on_state: Callable[[Made], None] = lambda made: None,
) -> Made:
    """Have an agent call a number; return when it is known whether anybody answered, or at once without `wait`.

    `variables` are what the agent knows of this call. `time_zone` says where the callee is, when the number doesn't.
    `on_state` is told each step. Raises `OutboundError`, with a sentence, when the call is not made, and `LinkError`
    when no daemon answers.
    """
    body = {"agent": agent, "to": number, "variables": dict(variables or {}), "time_zone": time_zone}
    async with bridge.client() as client:
        made = await _asked(client, "POST", "/calls", content=msgspec.json.encode(body))
        on_state(made)
        while wait and not made.is_known:
            await _sleep(LOOK_SECONDS)
            before, made = made, await _asked(client, "GET", f"/calls/{made.call_id}")
            if made != before:
                on_state(made)
    return made


async def _asked(client: httpx2.AsyncClient, method: str, path: str, **options: Any) -> Made:
    try:
        answer = await client.request(method, path, **options)
    except httpx2.HTTPError as error:
        where = client.base_url.netloc.decode()
        raise LinkError(
            f"no daemon answers at {where} ({error or type(error).__name__}): is `bridge serve` up, with [admin] bind?"
        ) from None
    said = _object_in(answer.content)
    if answer.status_code in (200, 201) and isinstance(said.get("call_id"), str):
        return Made(**{name: str(said.get(name, "")) for name in fields_dict(Made)})
    raise OutboundError(
        str(said.get("why") or _why(answer.status_code)), str(said.get("refused") or "daemon")
    )


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _why(status: int) -> str:
    if status == 401:
        return "the daemon does not take this admin token"
    if status == 404:
        return "the daemon knows nothing of this call, or makes none: is it of this version?"
    if status == 421:
        return "the daemon does not answer to this name: see [admin] hosts"
    return f"the daemon answers HTTP {status}"


async def _sleep(seconds: float) -> None:
    """Sleep under whichever event loop this runs."""
    import anyio

    await anyio.sleep(seconds)
