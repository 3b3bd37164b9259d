"""What Twilio asks and tells about a call that goes on: its caller leaves the stream, is away, comes back. Pure."""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

NEXT: Final = "next"
"""What comes after this leg of the phone: its stream is over."""

WHISPER: Final = "whisper"
"""What whoever answers hears first."""

KEY: Final = "key"
"""They have pressed a key."""

LEG: Final = "leg"
"""What happens to the call to them."""

BACK: Final = "back"
"""What comes after this excursion: it is over."""

RECORDING: Final = "recording"
"""A message is there to be fetched, or isn't."""

FAILURE: Final = "failure"
"""What comes after a step of a failure plan that is walked without a call."""

REFUSED: Final = "refused"
"""Twilio could not do what it was told; it asks by the number's fallback URL, where that is our webhook."""

ANSWERED: Final = "out"
"""What shall be done with a call that we make: it was answered."""

STATUS: Final = "status"
"""How far a call is that we make."""

VERDICT: Final = "amd"
"""Who or what answered it."""

REST: Final = "rest"
"""Not asked by Twilio: what its REST API answered about such a call."""

OUTGOING: Final = (ANSWERED, STATUS, VERDICT, REST)
AWAY: Final = (WHISPER, KEY, LEG, BACK, RECORDING)
OF_THE_FAR_END: Final = (WHISPER, KEY, LEG)
"""Their CallSid is that of the call to whoever is rung."""

OF_THE_RECORD: Final = (BACK, RECORDING)
"""What the record of a call has also when the call is over: where its caller came back from, and a message."""

TOLD: Final = (LEG, RECORDING, STATUS, VERDICT)
"""Answered without a word."""


@frozen
class Request:
    """A signed request of a known kind; `number` is of a leg or an excursion, `turn` of a call under its CallSid."""

    kind: str
    number: int
    url: str
    form: Mapping[str, str] = field(repr=False)
    nonce: str = field(default="", repr=False)
    turn: int = 1

    @property
    def call_sid(self) -> str:
        """Return the CallSid that it names: of the caller's call, or of the one to whoever is rung."""
        return self.form.get("CallSid", "")

    @property
    def parent_sid(self) -> str:
        """Return the CallSid of the caller's call, as far as it is named: Twilio may not name it at the far end."""
        return self.form.get("ParentCallSid", "") if self.kind in OF_THE_FAR_END else self.call_sid

    @property
    def once(self) -> tuple[str, int]:
        """Return what is the same when it is delivered again."""
        return self.kind, self.number
