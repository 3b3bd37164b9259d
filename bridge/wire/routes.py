"""Where Twilio finds one call: the addresses of its legs and excursions, with the one-time secrets in them.

All of them are made of one secret that never leaves us, so that whoever knows one knows no other, and the process that
answers Twilio has the same as the one that carries the call without being told. Pure.
"""

import hmac
from base64 import urlsafe_b64encode

from attrs import field, frozen

from bridge.wire.requests import BACK, KEY, LEG, RECORDING, WHISPER
from bridge.wire.twilio import websocket_url
from bridge.wire.twiml import Ways, connect_twiml


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
            return f"{url}?turn={self.turn}&leg={leg}"
        return url if leg == 1 else f"{url}?leg={leg}"

    def token(self, leg: int) -> str:
        """Return what proves that a media socket is this leg."""
        return self._made_of(f"leg {leg}")

    def ways(self, number: int) -> Ways:
        """Return where Twilio asks and tells about an excursion."""
        url, nonce = self.url_of(number), self.nonce(number)
        return Ways(*(f"{url}/{kind}?n={nonce}" for kind in (BACK, WHISPER, KEY, LEG, RECORDING)))

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
