"""How the Realtime stand-in puts events on the wire: ids, encoding, the error event. It decides nothing."""

import base64
import random
import string
from collections.abc import Callable
from typing import Any

import attrs
import msgspec

Message = dict[str, Any]

KEPT_ERRORS = 100
_ALPHABET = string.ascii_letters + string.digits
_LENGTHS = {"call": 16}
_USUAL_LENGTH = 21


class RefusedError(Exception):
    """A client event the service would answer with an error event; the session stays open."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@attrs.define
class Wire:
    """One session's way out; the same seed makes the same ids."""

    _send: Callable[[str | bytes], None]
    _random: random.Random
    names_no_errors: bool = False
    """The event_id of an `error` itself is null, as the Azure-hosted service was seen to send it."""
    errors: list[str] = attrs.field(factory=list)
    """The codes of the errors that were sent, the first hundred."""

    def make_id(self, kind: str) -> str:
        """A fresh id such as item_ + 21 characters (call_ has 16)."""
        return f"{kind}_{self._letters(_LENGTHS.get(kind, _USUAL_LENGTH))}"

    def event(self, kind: str, **fields: Any) -> None:
        """Send one server event."""
        self.raw(msgspec.json.encode({"type": kind, "event_id": self.make_id("event")} | fields).decode())

    def delta(self, kind: str, **fields: Any) -> None:
        """Send one text delta, with the random padding the service adds to it."""
        self.event(kind, **fields, obfuscation=self._letters(self._random.randint(1, 12)))

    def audio(self, kind: str, data: bytes, **fields: Any) -> None:
        """Send one audio delta."""
        self.event(kind, **fields, delta=base64.b64encode(data).decode())

    def error(
        self,
        code: str | None,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Send one error event; event_id is the client's."""
        if len(self.errors) < KEPT_ERRORS:
            self.errors.append(str(code))
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        self.event("error", error=error, **({"event_id": None} if self.names_no_errors else {}))

    def raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        self._send(frame)

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_ALPHABET, k=count))
