"""Where a caller can be put, and what is asked of them there: values of an agent's file, and what each may be. Pure."""

import re
from typing import Any, Final

from attrs import field, frozen

from bridge.checks import REDIRECT, Wrong, flag, has_host, setting, text, whole
from bridge.settings.languages import MOST_SPOKEN, sayable

PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""A phone number with its country, E.164: https://www.itu.int/rec/T-REC-E.164; nothing else is dialled."""

SIP: Final = re.compile(
    r"sips?:[^\s@<>\"?;]{1,100}@[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(;[^\s<>\"?]{1,200})?(\?[^\s<>\"]{1,500})?"
)
CLIENT: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,121}")
ROOM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")
"""The name of a queue or a conference."""

MOST_STEPS: Final = 10
STEPS: Final = (
    '"say:WORDS", "dial:PLACE", "voicemail", "queue:NAME", "hang_up" or the https URL of other TwiML'
)


def phone_number(value: Any) -> str:
    """Accept a phone number with its country, or nothing."""
    if value == "" or (isinstance(value, str) and PHONE.fullmatch(value)):
        return str(value)
    bare = re.sub(r"\(0\)|[\s()/.-]", "", value) if isinstance(value, str) else ""
    bare = re.sub("^00", "+", bare)
    raise Wrong(
        f'"{bare}"' if PHONE.fullmatch(bare) else 'a number with its country, such as "+493012345678"'
    )


def sip_address(value: Any) -> str:
    """Accept the address of somebody on SIP, or nothing."""
    if value != "" and not (isinstance(value, str) and SIP.fullmatch(value)):
        raise Wrong('a SIP address, such as "sip:sales@example.com"')
    return str(value)


def client_name(value: Any) -> str:
    """Accept the name under which a browser or an app is known to Twilio, or nothing."""
    name = value.removeprefix("client:") if isinstance(value, str) else value
    if name != "" and not (isinstance(name, str) and CLIENT.fullmatch(name)):
        raise Wrong('the name of a Twilio client, of letters, digits and _ . @ + -, such as "anna"')
    return str(name)


def room(value: Any) -> str:
    """Accept the name of a queue or a conference of Twilio's, or nothing."""
    if value != "" and not (isinstance(value, str) and ROOM.fullmatch(value)):
        raise Wrong('a name of 1 to 64 letters, digits, spaces and _ . -, such as "support"')
    return str(value)


def plan_steps(value: Any) -> tuple[str, ...]:
    """Accept a list of steps, each of which can be taken by itself."""
    if not isinstance(value, list | tuple) or not all(isinstance(step, str) for step in value):
        raise Wrong(f"a list of steps: {STEPS}")
    if len(value) > MOST_STEPS:
        raise Wrong(f"at most {MOST_STEPS} steps; these are {len(value)}")
    if unknown := [step for step in value if not is_step(step)]:
        raise Wrong(f'{STEPS}, and not "{unknown[0][:60]}"')
    return tuple(value)


def is_step(step: str) -> bool:
    """Say whether a text has the form of one; what it names is not looked for here."""
    kind, _, rest = step.partition(":")
    match kind:
        case "say":
            return bool(rest.strip()) and len(rest) <= MOST_SPOKEN
        case "dial":
            return bool(rest)
        case "queue":
            return ROOM.fullmatch(rest) is not None
        case "https":
            return REDIRECT.fullmatch(step) is not None and has_host(step)
    return step in ("voicemail", "hang_up")


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
