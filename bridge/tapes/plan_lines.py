"""A plan as it stands on a tape: what Twilio was told to do with a caller who left, in words. Pure."""

from bridge.heart.effects import LeaveStream
from bridge.heart.plans import CollectDigits, Dial, JoinQueue, PressDigits
from bridge.tapes.lines import Leave


def leave_of(effect: LeaveStream) -> Leave:
    """Return what a tape keeps of it: a place by its name, whose number stands in the header's settings."""
    plan = effect.plan
    leave = Leave(number=effect.number, kind=plan.step.kind)
    if plan.say:
        leave["say"] = list(plan.say)
    match plan.step:
        case Dial(place, summary):
            leave["to"] = place.name
            if summary:
                leave["summary"] = summary
        case JoinQueue(name):
            leave["to"] = name
        case PressDigits(digits):
            leave["digits"] = digits
        case CollectDigits(count=count):
            leave["count"] = count
    return leave
