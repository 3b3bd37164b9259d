"""Where a caller can be put, and what is asked of them there: the values of an agent's file, beside `agents`. Pure."""

from attrs import frozen


@frozen
class Place:
    """One place that a caller may be transferred to; exactly one of the six ways to reach it is set.

    Its name is what the model knows; no number is ever the model's own. `say` is what the caller hears before.
    """

    name: str
    description: str = ""
    number: str = ""
    sip: str = ""
    client: str = ""
    queue: str = ""
    conference: str = ""
    refer: str = ""
    say: str = ""
    is_warm: bool = False
    """Whoever answers hears a summary first, and takes the call by a key."""
    ring_seconds: int = 20
    talk_seconds: int = 3600
    caller_id: str = ""


@frozen
class Voicemail:
    """How a message is taken: the words before it, and what ends it."""

    say: str = "Please leave a message after the tone."
    max_seconds: int = 120
    silence_seconds: int = 5
    beep: bool = True


@frozen
class Collect:
    """How keys are asked for off the stream; `tool` is the only one that is ever given them."""

    tool: str
    say: str = ""
    seconds: int = 5


CAUSES = ("unreachable", "refused", "quota", "silent", "crashed", "full", "closed")
"""Why a caller can't be answered by the model: each may have steps of its own."""

TURNED_AWAY = ("full", "closed")
"""Those for which no call begins."""


@frozen
class FailurePlan:
    """What is done with a caller whom the model can't answer: steps in words, in their order.

    "say:WORDS", "dial:PLACE", "voicemail", "queue:NAME", an https URL of other TwiML, or "hang_up".
    """

    steps: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    quota: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    crashed: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    def steps_for(self, cause: str) -> tuple[str, ...]:
        """Return the steps for one of `CAUSES`: its own, or those for whatever has none.

        Who is turned away gets its own alone: nothing has gone wrong, and nobody has been answered yet.
        """
        own: tuple[str, ...] = getattr(self, cause) if cause in CAUSES else ()
        return own or (() if cause in TURNED_AWAY else self.steps)
