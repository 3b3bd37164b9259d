"""Where a caller can be put, and what is asked of them there: the values of an agent's file, beside `agents`. Pure."""

from attrs import field, frozen

from bridge.checks import flag, setting, text, whole
from bridge.languages import sayable
from bridge.phone_checks import client_name, phone_number, plan_steps, room, sip_address


@frozen
class Place:
    """One place that a caller may be transferred to; exactly one of the six ways to reach it is set.

    Its name is what the model knows; no number is ever the model's own. `say` is what the caller hears before.
    """

    name: str = field(default="", metadata={"check": text("no name here: it is the table's")})
    description: str = setting("", text("when a caller is put through there, in plain words", empty=True))
    number: str = setting("", phone_number)
    sip: str = setting("", sip_address)
    client: str = setting("", client_name)
    queue: str = setting("", room)
    conference: str = setting("", room)
    refer: str = setting("", sip_address)
    say: str = setting("", sayable("the words that a caller hears before", empty=True))
    is_warm: bool = setting(False, flag, key="warm")
    """Whoever answers hears a summary first, and takes the call by a key."""
    is_offered: bool = setting(True, flag, key="offered")
    """The model may put callers there; otherwise only a failure plan does."""
    ring_seconds: int = setting(20, whole(5, 600))
    talk_seconds: int = setting(3600, whole(10, 14_400))
    caller_id: str = setting("", phone_number)


@frozen
class Voicemail:
    """How a message is taken: the words before it, and what ends it."""

    say: str = setting(
        "Please leave a message after the tone.", sayable("the words before the tone", empty=True)
    )
    max_seconds: int = setting(120, whole(2, 3600))
    silence_seconds: int = setting(5, whole(1, 60))
    beep: bool = setting(True, flag)


@frozen
class Collect:
    """How keys are asked for off the stream; `tool` is the only one that is ever given them."""

    tool: str = setting("", text("the name of the tool that is given the digits", empty=True))
    say: str = setting("", sayable("the words that ask for the digits", empty=True))
    seconds: int = setting(5, whole(1, 60))


CAUSES = ("unreachable", "refused", "quota", "silent", "crashed", "full", "closed")
"""Why a caller can't be answered by the model: each may have steps of its own."""

FULL, CLOSED = "full", "closed"
TURNED_AWAY = (FULL, CLOSED)
"""Those for which no call begins."""


@frozen
class FailurePlan:
    """What is done with a caller whom the model can't answer: steps in words, in their order.

    "say:WORDS", "dial:PLACE", "voicemail", "queue:NAME", an https URL of other TwiML, or "hang_up".
    """

    steps: tuple[str, ...] = setting((), plan_steps)
    unreachable: tuple[str, ...] = setting((), plan_steps)
    refused: tuple[str, ...] = setting((), plan_steps)
    quota: tuple[str, ...] = setting((), plan_steps)
    silent: tuple[str, ...] = setting((), plan_steps)
    crashed: tuple[str, ...] = setting((), plan_steps)
    full: tuple[str, ...] = setting((), plan_steps)
    closed: tuple[str, ...] = setting((), plan_steps)

    def steps_for(self, cause: str) -> tuple[str, ...]:
        """Return the steps for one of `CAUSES`: its own, or those for whatever has none.

        Who is turned away gets its own alone: nothing has gone wrong, and nobody has been answered yet.
        """
        own: tuple[str, ...] = getattr(self, cause) if cause in CAUSES else ()
        return own or (() if cause in TURNED_AWAY else self.steps)
