"""How a tape has what Twilio was told to do with a caller who left, and what somebody at the daemon wanted. Pure."""

from bridge.heart.effects import LeaveStream
from bridge.heart.plans import CollectDigits, Dial, JoinQueue, PressDigits
from bridge.heart.wishes import (
    InstructionWhispered,
    ListenerCame,
    ListenerLeft,
    TransferAsked,
    Wish,
)
from bridge.tapes.lines import Asked, Leave


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


def asked_of(event: Wish | ListenerLeft) -> Asked:
    """Return what a tape keeps of it."""
    match event:
        case ListenerCame(who, number):
            return Asked(wish="listen", who=who, number=number)
        case ListenerLeft(number):
            return Asked(wish="leave", number=number)
        case InstructionWhispered(who, text, is_answered):
            return Asked(wish="whisper", who=who, text=text, is_answered=is_answered)
        case TransferAsked(who, place, summary):
            asked = Asked(wish="transfer", who=who, place=place)
            return asked | Asked(wish="transfer", summary=summary) if summary else asked


def operator_event(asked: Asked) -> Wish | ListenerLeft:
    """Return the event that it stands for; what a line does not say is nothing."""
    who, number = asked.get("who", ""), asked.get("number", 0)
    match asked["wish"]:
        case "listen":
            return ListenerCame(who, number)
        case "leave":
            return ListenerLeft(number)
        case "whisper":
            return InstructionWhispered(who, asked.get("text", ""), asked.get("is_answered", False))
        case "transfer":
            return TransferAsked(who, asked.get("place", ""), asked.get("summary", ""))
