"""Where Twilio finds one call: the addresses of its legs and excursions, with the one-time secrets in them.

All of them are made of one secret that never leaves us, so that whoever knows one knows no other, and the process that
answers Twilio has the same as the one that carries the call without being told. Pure.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from bridge.wire.requests import BACK, KEY, LEG, NEXT, RECORDING, WHISPER, Request
from bridge.wire.signed_form import QUERY
from bridge.wire.twilio import websocket_url
from bridge.wire.twiml import Ways, connect_twiml

IN_TIME: Final = "#ct=1500"
"""Behind an address that one host of several has: Twilio waits 5 s for a machine that is gone, and then as long again,
before it goes to the number's fallback URL; so 1.5 s, twice.
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""

LATER: Final = re.compile(
    r"/voice/(?P<agent>[a-z0-9][a-z0-9_-]{0,62})"
    r"/(next|away/\d{1,4}/[a-z]{1,9}|failure/[a-z]{1,11}/\d{1,2}|out/out-[0-9a-f]{32})"
)


@frozen
class Routes:
    """The addresses of one call of an agent's."""

    base_url: str = ""
    """The address of the host that carries it."""
    agent: str = ""
    secret: str = field(default="", repr=False)
    process: str = ""
    """What its media socket's path ends with, so that the socket finds the process."""
    turn: int = 1
    """Which call it is under its CallSid."""
    in_time: str = ""
    """What its addresses end with, so that Twilio does not wait long for the host."""

    def connect(self, leg: int) -> str:
        """Return TwiML that connects the caller as this leg of the call's phone."""
        return connect_twiml(
            stream_url=f"{websocket_url(self.base_url)}/voice/ws/{self.agent}{self.process}",
            action_url=self._next(leg),
            token=self.token(leg),
        )

    def _next(self, leg: int) -> str:
        url = f"{self.base_url}/voice/{self.agent}/next"
        if self.turn > 1:
            return f"{url}?turn={self.turn}&leg={leg}{self.in_time}"
        return f"{url}{self.in_time}" if leg == 1 else f"{url}?leg={leg}{self.in_time}"

    def token(self, leg: int) -> str:
        """Return what proves that a media socket is this leg."""
        return self._made_of(f"leg {leg}")

    def ways(self, number: int) -> Ways:
        """Return where Twilio asks and tells about an excursion."""
        url, nonce = self.url_of(number), self.nonce(number)
        return Ways(
            *(f"{url}/{kind}?n={nonce}{self.in_time}" for kind in (BACK, WHISPER, KEY, LEG, RECORDING))
        )

    def are_proven_by(self, nonce: str, number: int) -> bool:
        """Say whether this is the nonce of that excursion, in a time that tells nothing."""
        return hmac.compare_digest(self.nonce(number).encode(), nonce.encode("utf-8", "replace"))

    def url_of(self, number: int) -> str:
        """Return what the addresses of an excursion begin with."""
        return f"{self.base_url}/voice/{self.agent}/away/{number}"

    def nonce(self, number: int) -> str:
        """Return what proves that a request is about an excursion."""
        return self._made_of(f"excursion {number}")

    def _made_of(self, what: str) -> str:
        """43 letters, as `signed_form.QUERY` has them."""
        made = hmac.digest(self.secret.encode(), what.encode(), "sha256")
        return urlsafe_b64encode(made).decode().rstrip("=")


@frozen
class AskedAt:
    """An address of ours that is about a call which had begun: whose agent's, and which one under its CallSid."""

    agent: str
    turn: int = 1

    def request(self, url: str, form: Mapping[str, str]) -> Request:
        """Return what is to be said to a caller about whom that address could not be asked."""
        return Request(NEXT, 1, url, form, turn=self.turn)


def asked_at(url: str) -> AskedAt | None:
    """Return what an address that Twilio names was about; None for a first webhook's, and for any that is not ours."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    found, query = LATER.search(parts.path), QUERY.fullmatch(f"?{parts.query}")
    if found is None or found.end() != len(parts.path):
        return None
    return AskedAt(found["agent"], int((query and query["turn"]) or 1))
