"""Where the caller of one call is, as Twilio's requests have it: on a leg of the phone, away by a plan, or coming back.

It knows which request opens something now, and what Twilio was told last; what is decided is the heart's.
"""

import hmac
from typing import Final

from attrs import define, field, frozen

from bridge.agents import Agent
from bridge.heart.effects import EndCall, LeaveStream, ReturnToStream
from bridge.heart.plans import CollectDigits, Dial, Plan
from bridge.wire.endings import Endings
from bridge.wire.requests import BACK, KEY, NEXT, OF_THE_FAR_END, TOLD, WHISPER, Request
from bridge.wire.routes import Routes
from bridge.wire.twilio_http import ACCEPT_KEY
from bridge.wire.twiml import CONNECTED, hangup_twiml, plan_twiml, whisper_twiml

NO_ANSWER: Final = ""
"""For what is told and not asked: 204."""

NO_KEY: Final = "none"


@frozen
class Last:
    """The last request that was answered with what the caller hears next, and that answer."""

    once: tuple[str, int]
    url: str
    answer: str


@define(eq=False)
class Whereabouts:
    """Where one caller is."""

    agent: Agent
    call_sid: str
    routes: Routes
    caller_id: str = ""
    """The number to ring others with, where the caller hides their own."""
    leg: int = 1
    number: int = 0
    """Of the last excursion."""
    plan: Plan | None = None
    """What Twilio does with the caller while they are away."""
    _last: Last | None = None
    _key: str = ""
    _digits: dict[int, str] = field(factory=dict, repr=False)

    @property
    def is_away(self) -> bool:
        """Say whether the caller has left the stream, and has not been sent back."""
        return self.plan is not None

    @property
    def has_left(self) -> bool:
        """Say whether the caller has ever left the stream, or lost it."""
        return self.number > 0 or self.leg > 1

    @property
    def token(self) -> str:
        """Return what opens the present leg, or the one that is to come."""
        return self.routes.token(self.leg)

    def is_opened_by(self, token: str) -> bool:
        """Say whether this token is that of the present leg, in a time that tells nothing."""
        return hmac.compare_digest(self.token.encode(), token.encode("utf-8", "replace"))

    @property
    def bound_ms(self) -> int:
        """Return how long the present excursion may take, everything taken together."""
        if self.plan is None:
            return 0
        step = self.plan.step
        return self.plan.said_ms + getattr(step, "bound_ms", 0) + getattr(step, "talk_ms", 0)

    def left(self, effect: LeaveStream) -> None:
        """The caller leaves the stream, or goes from one excursion to the next."""
        self.number, self.plan, self._key = effect.number, effect.plan, ""

    def returned(self, effect: ReturnToStream) -> None:
        """The caller is sent back."""
        self.leg, self.plan = effect.leg, None

    # ------------------------------------------------------------ requests

    def fault_of(self, request: Request) -> str:
        """Return why a request opens nothing, in plain words; "" when it does."""
        if request.kind == NEXT:
            return "" if request.number == self.leg else "request about a stream of before: refused"
        if not self.routes.are_proven_by(request.nonce, request.number):
            return "request that can't prove which excursion it is about: refused"
        if request.parent_sid not in ("", self.call_sid):
            return "request about an excursion of another call: refused"
        is_present = self.is_away and request.number == self.number
        is_told_late = request.kind in TOLD and request.number <= self.number
        return "" if is_present or is_told_late else "request about an excursion that is over: refused"

    def of_refusal(self, request: Request) -> Request:
        """Return what it means that Twilio could not do what it was told: this excursion is over.

        Twilio names the address whose answer it was; it has to be the last one that was given.
        """
        is_last = self._last is not None and _refused_at(request) == self._last.url
        number, url = self.number if is_last else 0, f"{self.routes.url_of(self.number)}/{BACK}"
        return Request(BACK, number, url, request.form, self.routes.nonce(number))

    def answered_before(self, request: Request) -> str | None:
        """Return the answer that the same request had, while it is the last one; None when there is another since."""
        if self.fault_of(request) and request.kind != BACK:
            return None
        if request.kind == KEY and self._key:
            return self._answer_key()
        if self._last is None or self._last.once != request.once:
            return None
        is_proven = request.kind == NEXT or self.routes.are_proven_by(request.nonce, request.number)
        return self._last.answer if is_proven and request.call_sid == self.call_sid else None

    def answer(self, request: Request, end: EndCall | None) -> str:
        """Return what Twilio is told, now that the heart knows."""
        if request.kind in TOLD:
            return NO_ANSWER
        if request.kind in OF_THE_FAR_END:
            return hangup_twiml() if end is not None else self._answer_far_end(request)
        answer = self.next_step(end)
        self._last = Last(request.once, _refused_at(request) or request.url, answer)
        return answer

    def _answer_far_end(self, request: Request) -> str:
        if request.kind == WHISPER:
            summary = self.plan.step.summary if self.plan and isinstance(self.plan.step, Dial) else ""
            return whisper_twiml(summary, self.agent, self.routes.ways(self.number))
        self._key = request.form.get("Digits", "") or NO_KEY
        return self._answer_key()

    def _answer_key(self) -> str:
        """The first key decides."""
        return CONNECTED if self._key == ACCEPT_KEY else hangup_twiml()

    def next_step(self, end: EndCall | None) -> str:
        """Return what Twilio is to do with the caller now."""
        if end is not None:
            return Endings(self.agent, self.routes.base_url, self.caller_id).of_call(end).twiml
        if self.plan is not None:
            ways = self.routes.ways(self.number)
            return plan_twiml(self.plan, self.agent, ways, caller_id=self.caller_id)
        return self.routes.connect(self.leg)

    # ------------------------------------------------------------ keys that nobody sees

    def keep_digits(self, request: Request) -> str:
        """Keep what was asked for off the stream, for the one tool that is given it; return it."""
        if request.kind != BACK or self.plan is None or not isinstance(self.plan.step, CollectDigits):
            return ""
        self._digits = {request.number: request.form.get("Digits", "")}
        return self._digits[request.number]

    def take_digits(self, number: int) -> str:
        """Return what was kept of that excursion, once: from then on nobody has it but the tool."""
        return self._digits.pop(number, "")


def _refused_at(request: Request) -> str:
    """Return the address whose answer Twilio could not use; what stands behind its # is not signed, and may be gone."""
    return request.form.get("ErrorUrl", "").partition("#")[0]
