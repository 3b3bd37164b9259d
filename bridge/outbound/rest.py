"""Twilio's REST API as far as calls need it: to make one, to end one, to ask how one is. It decides nothing.

https://www.twilio.com/docs/voice/api/call-resource
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import trio
from attrs import field, frozen

from bridge import __version__
from bridge.config import Secrets, Settings
from bridge.errors import LinkError
from bridge.wire.signed_form import CALL_SID

if TYPE_CHECKING:  # a daemon that never asks Twilio anything does not load it
    import httpx2

    from bridge.links.https import Answer

ANSWER_SECONDS: Final = 15
"""What one request may take in all; Twilio answers within a second."""

UNAUTHORIZED: Final = 401
LISTED: Final = 20
"""Of the calls to a number, the latest: there are never so many of ours within a minute."""

Form = Sequence[tuple[str, str]]


def load_client(settings: Settings) -> None:
    """Load what speaks HTTP, if Twilio may be asked: a tenth of a second that no call shall wait for later."""
    if settings.twilio.account_sid:
        import bridge.links.https  # noqa: F401


def _transport() -> "httpx2.AsyncBaseTransport":
    import httpx2

    return httpx2.AsyncHTTPTransport(verify=ssl.create_default_context(), trust_env=False)


@frozen
class Seen:
    """A call as Twilio's API shows it; what it doesn't tell is empty."""

    sid: str
    status: str
    caller_id: str
    created: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Seen":
        """Return what a call resource says."""
        sid, status, caller_id, created = (
            value if isinstance(value, str) else ""
            for value in (raw.get("sid"), raw.get("status"), raw.get("from"), raw.get("date_created"))
        )
        return cls(sid if CALL_SID.fullmatch(sid) else "", status, caller_id, created)


@frozen
class Rest:
    """The API of one account; of several tokens the first that opens it is used."""

    base: str
    account_sid: str
    tokens: tuple[str, ...] = field(repr=False)
    transport: "Callable[[], httpx2.AsyncBaseTransport]" = _transport

    @classmethod
    def of(cls, settings: Settings, secrets: Secrets) -> "Rest":
        """Return the API that the configuration leads to."""
        twilio = settings.twilio
        return cls(twilio.api_url, twilio.account_sid, secrets.auth_tokens)

    @property
    def is_open(self) -> bool:
        """Say whether there are credentials for it."""
        return bool(self.account_sid and self.tokens)

    async def create(self, form: Form) -> "Answer":
        """Ask for a call. Raises `LinkError`: then nobody knows whether it was made, but for an `UnsentError`."""
        return await self._ask("POST", "Calls.json", content=urlencode(form))

    async def end(self, call_sid: str, status: str) -> "Answer":
        """End a call: "canceled" while it rings, "completed" whatever it does. Raises `LinkError`."""
        return await self._ask("POST", f"Calls/{call_sid}.json", content=urlencode({"Status": status}))

    async def look(self, call_sid: str) -> Seen:
        """Return how a call is. Raises `LinkError`."""
        answer = await self._ask("GET", f"Calls/{call_sid}.json")
        if answer.status != 200:
            raise LinkError(f"Twilio answers HTTP {answer.status} when it is asked for a call")
        return Seen.of(answer.json)

    async def calls_to(self, number: str) -> list[Seen]:
        """Return the latest calls to a number, whoever made them. Raises `LinkError`."""
        query = urlencode({"To": number, "PageSize": LISTED})
        answer = await self._ask("GET", f"Calls.json?{query}")
        listed = answer.json.get("calls")
        if answer.status != 200 or not isinstance(listed, list):
            raise LinkError(f"Twilio answers HTTP {answer.status} when it is asked for calls")
        return [Seen.of(raw) for raw in listed if isinstance(raw, dict)]

    async def _ask(self, method: str, what: str, *, content: str = "") -> "Answer":
        import httpx2

        url = f"{self.base}/2010-04-01/Accounts/{self.account_sid}/{what}"
        headers = {"User-Agent": f"bridge/{__version__}"}
        if content:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with httpx2.AsyncClient(
            transport=self.transport(), timeout=ANSWER_SECONDS, headers=headers, trust_env=False
        ) as client:
            return await self._first_opened(client, method, url, content)

    async def _first_opened(
        self, client: "httpx2.AsyncClient", method: str, url: str, content: str
    ) -> "Answer":
        from bridge.links.https import fetch

        for token in self.tokens:
            auth = (self.account_sid, token)
            with trio.move_on_after(ANSWER_SECONDS) as waiting:
                answer = await fetch(client, method, url, auth=auth, content=content.encode())
            if waiting.cancelled_caught:
                raise LinkError(f"no whole answer within {ANSWER_SECONDS} s")
            if answer.status != UNAUTHORIZED:
                break
        return answer
