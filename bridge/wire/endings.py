"""What Twilio does with a caller whose call is over, or for whom there never was one: words, and a failure plan. Pure.

A plan is walked here without remembering anything. Each document has words and one step; the address that Twilio
asks for the next one says how many steps were taken, and what came of the last one stands in the request.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen
from twilio.twiml.voice_response import VoiceResponse  # ships no types

from bridge.agents import Agent
from bridge.heart.effects import EndCall
from bridge.heart.events import ExcursionEnded
from bridge.heart.parts.trips import place_of
from bridge.heart.plans import GoTo, failure_plans
from bridge.settings.places import CAUSES
from bridge.wire.twilio_http import excursion_ended
from bridge.wire.twiml import Speaker, Ways, hangup_twiml, plan_twiml

CRASHED: Final = "crashed"
HELPED: Final = frozenset({"completed", "bridged", "recorded"})
"""What comes of a step after which the caller needs no other one."""


@frozen
class Answer:
    """What Twilio is told to do with a caller, as TwiML and in words: what they hear, and where they go then."""

    twiml: str
    say: str = ""
    step: str = "hang_up"
    to: str = ""

    @property
    def words(self) -> dict[str, str]:
        """Return it as a tape keeps it: a place by its name."""
        told = {"say": self.say, "step": self.step, "to": self.to}
        return {name: text for name, text in told.items() if text}


@frozen
class Endings:
    """What there is for the callers of one agent; `caller_id` is what others see of one who hides their number."""

    agent: Agent
    base_url: str
    caller_id: str = ""

    def of_call(self, end: EndCall) -> Answer:
        """Return what Twilio does with the caller of a call that has ended: words first, if there are any.

        Where a bug ended it the failure plan is offered, step by step; the heart could not do it any more.
        """
        is_failure = end.by == "bridge" and end.say == self.agent.failure_sentence.text
        if is_failure and (steps := self.begin(CRASHED)):
            return steps
        if not end.go_to:
            return Answer(hangup_twiml(self.agent.sentence(end.say)), end.say)
        response = VoiceResponse()
        Speaker(self.agent).say(response, end.say)
        response.redirect(end.go_to, method="POST")
        return Answer(str(response), end.say, GoTo.kind, end.go_to)

    def begin(self, cause: str) -> Answer | None:
        """Return the first step of the plan for a cause; nothing where there is none."""
        return self._step(cause, 0) if failure_plans(self.agent, cause) else None

    def go_on(self, cause: str, taken: int, form: Mapping[str, str]) -> Answer:
        """Return what comes after so many steps: the next one, unless the last was what the caller needed."""
        ended = excursion_ended(taken, form)
        if cause not in CAUSES or taken < 1 or ended.is_gone or _has_helped(ended):
            return Answer(hangup_twiml())
        return self._step(cause, taken)

    def _step(self, cause: str, taken: int) -> Answer:
        plans = failure_plans(self.agent, cause)
        if taken >= len(plans):
            return Answer(hangup_twiml())
        back = f"{self.base_url}/voice/{self.agent.name}/failure/{cause}/{taken + 1}"
        plan = plans[taken]
        twiml = plan_twiml(plan, self.agent, Ways(back), caller_id=self.caller_id)
        return Answer(twiml, " ".join(plan.say), plan.step.kind, place_of(plan))


def _has_helped(ended: ExcursionEnded) -> bool:
    return ended.outcome in HELPED and ended.data.get("DialBridged") != "false"
