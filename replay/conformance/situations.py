"""The calls that are made to a bridge: what the caller does, and what the model does meanwhile. Plain values."""

from typing import Final

import attrs

from replay.model.script import Say as Answer
from replay.model.script import Script
from replay.phone.script import Caller, HangUp, Wait, WaitForQuiet
from replay.sound.clips import clip

PATIENCE_MS: Final = 12_000
"""So long whoever waits for the agent waits; a caller would have hung up."""


def speaks(name: str) -> Answer:
    """The agent says a clip."""
    return Answer(clip(name).audio, clip(name).text)


GREETS: Final = Script(opening=(speaks("agent_greeting"),), fallback=(speaks("agent_pardon"),))


@attrs.frozen(kw_only=True)
class Situation:
    """One call, or `copies` of it at once. Alone means that no other call may go on meanwhile."""

    name: str
    title: str
    caller: Caller
    script: Script = GREETS
    copies: int = 1
    is_alone: bool = False


def quiet(ms: int = 700) -> WaitForQuiet:
    """Until the agent has spoken, and was quiet for so long."""
    return WaitForQuiet(ms, timeout_ms=PATIENCE_MS)


GREETING: Final = Situation(
    name="greeting",
    title="the caller listens to the greeting and hangs up",
    caller=Caller(steps=(quiet(), Wait(500), HangUp())),
)

SITUATIONS: Final = (GREETING,)
