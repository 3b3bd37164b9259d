"""One excursion as it is wished for, and what makes it one from which nobody comes back. Values, pure."""

from typing import Final

from attrs import frozen

from bridge.heart.events import ExcursionEnded
from bridge.heart.plans import Dial, JoinQueue, Plan, PressDigits, Step


@frozen
class Trip:
    """One excursion: what Twilio does, and who wished it. What answers no tool has no `call_id`."""

    plan: Plan
    call_id: str = ""
    to: str = ""
    reason: str = ""
    is_listening_after: bool = False
    """Nothing is to be said on return: the other side speaks first."""
    who: str = ""
    """Somebody at the daemon whose wish it is, and not the model's."""

    @property
    def is_of_failure(self) -> bool:
        """Say whether nobody wished it: it is a step of a failure plan."""
        return not self.call_id and not self.who

    def ending(self, why_lost: str) -> tuple[str, str]:
        """Return who ends the call of a caller who was taken there, and why."""
        done = f"transferred to {self.to}"
        if self.who:
            return "operator", f"{done} by {self.who}"
        return ("tool", done) if self.call_id else ("model", f"{why_lost}; {done}")


TAKEN: Final = ("completed", "bridged")


def taking(step: Dial) -> str:
    """Return what tells that the caller was taken: of a warm place, the key."""
    return "accepted" if step.place.is_warm else "answered"


def place_of(plan: Plan) -> str:
    """Return where a plan brings the caller, by name."""
    match plan.step:
        case Dial(place):
            return place.name
        case JoinQueue(name):
            return name
    return ""


def outcome_of(step: Step, event: ExcursionEnded, *, is_taken: bool) -> str:
    """Return how a step ended: what its kind of request leaves open is known here."""
    told = event.outcome
    if told == "refused":
        return told
    match step:
        case Dial():
            return _outcome_of_dial(step, told, event.data.get("DialBridged", ""), is_taken=is_taken)
        case JoinQueue():
            return "failed" if told == "sent" else told
        case PressDigits():
            return "sent"
        case _:
            return "empty" if told == "sent" else told


def _outcome_of_dial(step: Dial, told: str, bridged: str, *, is_taken: bool) -> str:
    """Return whether the caller was taken: by our own note of the key, and where there is none by Twilio's word."""
    if is_taken:
        return "completed"
    if told != "completed":
        return told if told != "sent" else "failed"
    return "declined" if step.place.is_warm or bridged == "false" else "completed"
