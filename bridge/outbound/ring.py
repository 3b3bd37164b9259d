"""One call that we make, as those know it who speak with Twilio about it: its secret, its CallSid, how far it is."""

import secrets
from typing import Final

import trio
from attrs import define, field, frozen

from bridge.calls.host import AnyCall
from bridge.calls.messages import Key
from bridge.wire.outbound import FINAL, STATUSES, VERDICTS, word_of
from bridge.wire.requests import STATUS, VERDICT, Request

ID_BYTES: Final = 16
OUTCOMES: Final = ("answered", "busy", "no_answer", "failed", "canceled")


def new_id() -> str:
    """Return an id for a call that Twilio has no name for yet."""
    return f"out-{secrets.token_hex(ID_BYTES)}"


@frozen
class State:
    """How far a call is, for whoever asked for it: asked, ringing, answered or over; and what came of it."""

    call_id: str
    agent: str
    state: str
    call_sid: str = ""
    answered_by: str = ""
    outcome: str = ""
    why: str = ""


@define(eq=False)
class Ring:
    """A call from the moment it was asked for until Twilio has told its end."""

    key: Key
    number: str = field(repr=False)
    call: AnyCall = field(repr=False)
    call_sid: str = ""
    status: str = ""
    answered_by: str = ""
    is_answered: bool = False
    why_not_placed: str = ""
    _final: trio.Event = field(factory=trio.Event)

    @property
    def call_id(self) -> str:
        """Return our id of it."""
        return self.key[0]

    def is_proven(self, request: Request) -> bool:
        """Say whether a signed request is about this call: it knows the secret, and names no other CallSid."""
        return self.call.routes.are_proven_by(request.nonce, 0) and self.call_sid in ("", request.call_sid)

    def told(self, request: Request) -> None:
        """Take note of what Twilio says."""
        if request.kind == STATUS:
            return self.has_status(word_of(request.form, "CallStatus", STATUSES))
        self.is_answered = True
        if request.kind == VERDICT:
            self.answered_by = word_of(request.form, "AnsweredBy", VERDICTS) or self.answered_by

    def has_status(self, status: str) -> None:
        """Take note of Twilio's word for how far it is; after its last one nothing changes that any more."""
        if not status or self.is_final:
            return
        self.status = status
        self.is_answered = self.is_answered or status in ("in-progress", "completed")
        if status in FINAL:
            self._final.set()

    @property
    def is_final(self) -> bool:
        """Say whether Twilio is done with it."""
        return self._final.is_set()

    async def wait_final(self) -> None:
        """Return when Twilio has told that it is done with it."""
        await self._final.wait()

    def state(self) -> State:
        """Return how far it is."""
        end, outcome = self.call.end, ""
        if self.is_answered:
            outcome = "answered"
        elif self.status in FINAL:
            outcome = self.status.replace("-", "_")
        elif end is not None:
            outcome = "failed" if self.why_not_placed else "canceled"
        word = (
            "over"
            if end is not None
            else "answered"
            if self.is_answered
            else "ringing"
            if self.status
            else "asked"
        )
        why = self.why_not_placed or (f"{end.by}: {end.why}" if end is not None else "")
        return State(self.call_id, self.key[1], word, self.call_sid, self.answered_by, outcome, why)
