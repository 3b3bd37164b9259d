"""What the model is told in words beside its instructions: the opening, patience, a tool that failed, where the caller
was. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bridge.agents import Agent
from bridge.heart.events import ExcursionEnded
from bridge.heart.plans import CollectDigits, PressDigits, Step, TakeMessage


def opening_instructions(agent: Agent, words: str = "") -> str:
    """Return the instructions of the first response: the same opening in every call, or the message for a machine."""
    named = f", in language '{agent.languages[0]}'," if agent.languages else ""
    return f"The call has just been answered. Say exactly this{named} and nothing more: {words or agent.greeting}"


def patience_instructions(agent: Agent) -> str:
    """Return the instructions of a response that only says that a tool still runs."""
    named = f" (at first '{agent.languages[0]}')" if agent.languages else ""
    return (
        "What you are looking for takes longer than usual. Say in one short sentence that you are still on it, in the "
        f"language of this conversation{named}. Promise nothing, and ask nothing."
    )


def still_there_instructions(agent: Agent) -> str:
    """Return the instructions of a response that only asks whether anybody is there."""
    named = f" (at first '{agent.languages[0]}')" if agent.languages else ""
    return (
        "The caller has said nothing for a while. Ask in one short sentence whether they are still there, in the "
        f"language of this conversation{named}. Say nothing else."
    )


def time_is_up(left_seconds: int) -> str:
    """Return what the model reads some seconds before the longest call is over."""
    return (
        f"(This call has reached its longest time and ends in {left_seconds} seconds, whatever is being said. Say so, "
        "say goodbye in one or two short sentences, and hang up.)"
    )


def failure_output(kind: str, message: str) -> str:
    """Return what the model reads when a tool gave no answer: an answer too, so that it can say something.

    What a crashed tool said of itself stays on the tape: the model might read it to the caller.
    """
    if kind == "crashed":
        message = "the tool failed; say so, and offer another way"
    return msgspec.json.encode({"error": kind, "message": message}).decode("utf-8")


WHY: Final[Mapping[str, str]] = {
    "busy": "busy",
    "no_answer": "nobody answered",
    "declined": "the person who answered did not take the call",
    "failed": "the place could not be reached",
    "canceled": "the call was cancelled before anybody answered",
    "left": "the caller left the queue",
    "full": "the queue is full",
    "refused": "the telephone service refused it",
}


def excursion_output(step: Step, to: str, event: ExcursionEnded) -> str:
    """Return what the model reads when the caller is back with it: what came of where they were."""
    why = WHY.get(event.outcome, event.outcome)
    told: dict[str, Any]
    match step:
        case PressDigits():
            told = {"status": "pressed"} if event.outcome == "sent" else {"status": "not pressed", "why": why}
        case TakeMessage() if event.outcome == "recorded":
            recording = event.data.get("RecordingUrl", "")
            told = {"status": "recorded", "seconds": event.seconds, "recording": recording}
        case TakeMessage() | CollectDigits():
            what = "recorded" if isinstance(step, TakeMessage) else "typed"
            told = {"status": f"nothing was {what}"} | ({"why": why} if event.outcome in WHY else {})
        case _:
            told = {"status": "not transferred", "place": to, "why": why, "caller": "is back with you"}
    return msgspec.json.encode(told).decode("utf-8")
