"""What the model is told in words beside its instructions: the opening, patience, a tool that failed. Pure."""

import msgspec

from bridge.agents import Agent


def opening_instructions(agent: Agent) -> str:
    """Return the instructions of the first response: the same opening in every call."""
    named = f", in language '{agent.languages[0]}'," if agent.languages else ""
    return f"The call has just been answered. Say exactly this{named} and nothing more: {agent.greeting}"


def patience_instructions(agent: Agent) -> str:
    """Return the instructions of a response that only says that a tool still runs."""
    named = f" (at first '{agent.languages[0]}')" if agent.languages else ""
    return (
        "What you are looking for takes longer than usual. Say in one short sentence that you are still on it, in the "
        f"language of this conversation{named}. Promise nothing, and ask nothing."
    )


def failure_output(kind: str, message: str) -> str:
    """Return what the model reads when a tool gave no answer: an answer too, so that it can say something.

    What a crashed tool said of itself stays on the tape: the model might read it to the caller.
    """
    if kind == "crashed":
        message = "the tool failed; say so, and offer another way"
    return msgspec.json.encode({"error": kind, "message": message}).decode("utf-8")
