"""One excursion as it is wished for, and what makes it one from which nobody comes back. Values, pure."""

from typing import Final

from attrs import frozen

from bridge.heart.plans import Dial, JoinQueue, Plan


@frozen
class Trip:
    """One excursion: what Twilio does, and who wished it. A failure plan's own has no `call_id`: it answers no tool."""

    plan: Plan
    call_id: str = ""
    to: str = ""
    reason: str = ""
    is_listening_after: bool = False
    """Nothing is to be said on return: the other side speaks first."""


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
