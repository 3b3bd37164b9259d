"""What callers hear whose call is over, or who never had one; and what the record of a call has of that."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog
from attrs import define

from bridge.agents import Agent
from bridge.calls.admission import FLOODS, SHUT, caller_id_of
from bridge.calls.outcomes import CRASHED, Outcome, lost, names_of
from bridge.calls.returns import MOST_TURNS
from bridge.calls.setup import CurrentSetup
from bridge.config import Settings
from bridge.heart.effects import EndCall
from bridge.heart.keys import MASKED
from bridge.settings.places import CLOSED, FULL
from bridge.tapes.late import Late
from bridge.tapes.masking import taped_request
from bridge.tapes.tape import BRIDGE
from bridge.wire import twiml
from bridge.wire.endings import Answer, Endings
from bridge.wire.requests import FAILURE, OF_THE_RECORD, Request
from bridge.wire.twilio_http import excursion_ended

log = structlog.get_logger(__name__)


@define(eq=False)
class Afterwards:
    """Answers requests that no live call answers; `on_late` is given what a call's record is to have of them."""

    current: CurrentSetup
    on_late: Callable[[Late], None] = lambda late: None

    @property
    def settings(self) -> Settings:
        """Return what holds at this moment."""
        return self.current.setup.settings

    def endings(self, agent: Agent, form: Mapping[str, str]) -> Endings:
        """Return what there is for this caller of an agent's."""
        return Endings(agent, self.settings.server.own_url, caller_id_of(form))

    def ending(self, agent: Agent, end: EndCall) -> str:
        """Return what the caller of a call that has ended hears."""
        return self.endings(agent, {}).of_call(end).twiml

    def lost(self, agent: str) -> str:
        """Return what the caller of a call gets whom nobody here can answer for."""
        known = self.settings.agents.get(agent)
        return twiml.hangup_twiml() if known is None else self.ending(known, lost(known))

    def turned_away(self, agent: Agent, form: Mapping[str, str], reason: str, when_full: str) -> str:
        """Return what a caller gets whom nobody can answer: the agent's steps for that, else the settings' word."""
        cause = CLOSED if reason in SHUT else FULL
        plan = None if reason in FLOODS else self.endings(agent, form).begin(cause)
        steps = plan.twiml if plan else ""
        if reason in SHUT:
            return steps or twiml.hangup_twiml(agent.failure_sentence)
        return steps or twiml.refusal_twiml(when_full)

    def answer(self, request: Request, outcome: Outcome) -> str:
        """Return what a caller hears who comes back to a call that is over; its record tells of it.

        Twilio asks once after an ordinary end, too: of that nothing is told.
        """
        agent, end = outcome.agent, outcome.end
        answer = self.endings(agent, request.form).of_call(end)
        is_crash = end.by == BRIDGE and end.why.startswith(CRASHED)
        if is_crash or request.kind in OF_THE_RECORD:
            self.tell(agent, request, answer)
        return answer.twiml

    def failure_step(self, agent: str, cause: str, step: int, url: str, form: Mapping[str, str]) -> str:
        """Return the next step of an agent's failure plan, unless the one before was what the caller needed."""
        ended = excursion_ended(step, form)
        told = {"cause": cause, "outcome": ended.outcome, "recording": ended.data.get("RecordingUrl", "")}
        log.info("step of a failure plan is over", call_id=form.get("CallSid", ""), agent=agent, **told)
        known = self.settings.agents.get(agent)
        if known is None:
            return twiml.hangup_twiml()
        answer = self.endings(known, form).go_on(cause, step, form)
        if (
            cause == CRASHED
        ):  # of those who were turned away there is no call, and a live one's plan is its heart's
            self.tell(known, Request(FAILURE, step, url, form), answer)
        return answer.twiml

    def tell(self, agent: Agent, request: Request, told: Answer | None = None) -> None:
        """Let a call's record have a request that came after its end.

        A later call under its CallSid comes first: what is told is seldom about the one before.
        """
        first = names_of(agent.name, request)
        later = (f"{name}-{turn}" for turn in range(MOST_TURNS, 1, -1) for name in first)
        is_masked, keys_masked = self.settings.recording.mask_numbers, agent.keys == MASKED
        http = taped_request(request.url, request.form, masked=is_masked, keys_masked=keys_masked)
        call_ids = first if request.turn > 1 else (*later, *first)
        words = told.words if told is not None else None
        self.on_late(Late(request.call_sid, agent.name, call_ids, http, datetime.now(UTC), words))
