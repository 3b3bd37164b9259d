"""The tools that the heart carries out itself: described to the model like any tool, and offered where configured."""

from typing import Annotated, Any, Final

from bridge.agents import Agent
from bridge.tools import HANG_UP, tool

Definition = dict[str, Any]


def _send_digits(
    digits: Annotated[str, "The keys: 0-9 * # A-D. w waits half a second, W a second."],
    listen: Annotated[bool, "True if a menu answers: then you say nothing until it has spoken."] = False,
) -> None:
    """Press keys on the phone, for a menu at the other end. All keys of one step at once; you are back right after.

    Say nothing with it.
    """


def _collect_digits(
    reason: Annotated[str, "What is asked for, in a few words, for the record."],
    count: Annotated[int, "How many digits there are at most."],
) -> None:
    """Have the caller type a number that nobody is to hear, such as a PIN; you learn what came of it, not the number.

    Say first, in the same turn, that they will be asked to type it.
    """


def _take_message(
    reason: Annotated[str, "What the message is about, in a few words, for the record."],
) -> None:
    """Have the caller leave a spoken message, which is recorded. Say first, in the same turn, that they can."""


TRANSFER: Final = "transfer_call"
SEND_DIGITS: Final = tool(name="send_digits")(_send_digits).definition
COLLECT_DIGITS: Final = tool(name="collect_digits")(_collect_digits).definition
TAKE_MESSAGE: Final = tool(name="take_message")(_take_message).definition


def built_in_tools(agent: Agent) -> list[Definition]:
    """Return what this agent's model is offered beside its tools: to hang up, and what the file has places for."""
    offered = [HANG_UP]
    if agent.places:
        offered.append(_transfer_call(agent))
    if agent.send_digits:
        offered.append(SEND_DIGITS)
    if agent.collect is not None:
        offered.append(COLLECT_DIGITS)
    if agent.voicemail is not None:
        offered.append(TAKE_MESSAGE)
    return offered


def _transfer_call(agent: Agent) -> Definition:
    """Return the one whose choices are the agent's own: places by their names, never numbers."""
    places = "; ".join(
        f"{place.name}: {place.description or 'no description'}" for place in agent.places.values()
    )
    text = "for the record and for whoever answers"
    return {
        "type": "function",
        "name": TRANSFER,
        "description": (
            "Put the caller through to a person or a place. Say first, in the same turn, that you do: your last words "
            "are heard before. If nobody takes the call the caller is back with you, and you are told why.\n\n"
            f"Places: {places}"
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "place": {
                    "type": "string",
                    "enum": list(agent.places),
                    "description": "Where to, by its name.",
                },
                "reason": {"type": "string", "description": "Why, in a few words, for the record."},
                "summary": {
                    "type": "string",
                    "description": f"One sentence, {text}: who calls and what about.",
                },
            },
            "required": ["place", "reason", "summary"],
            "additionalProperties": False,
        },
    }
