"""What a setting may be that says where a caller is put: numbers, addresses, rooms of Twilio's, and steps of a plan."""

import re
from typing import Any, Final

from bridge.checks import REDIRECT, Wrong, has_host
from bridge.languages import MOST_SPOKEN

PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""A phone number with its country, E.164: https://www.itu.int/rec/T-REC-E.164"""

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
