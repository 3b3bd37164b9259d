"""Whether a number may be called by an agent at this moment. Every refusal is a sentence; whatever can't be looked at
refuses.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from attrs import field, frozen

from bridge.agents import Agent
from bridge.checks import nearest
from bridge.config import Settings
from bridge.errors import OutboundError
from bridge.extras import install_hint, is_installed
from bridge.outbound.callee import check_hours, number_of
from bridge.outbound.do_not_call import check_list
from bridge.settings.outgoing import Outbound

REASONS: Final = (
    "not_set_up", "draining", "agent", "number", "allow", "do_not_call", "hours", "same_number", "calls_at_once",
    "calls_per_hour", "no_room",
)  # fmt: skip
"""Why a call may be refused, named after what to look at."""

MOST_VARIABLES: Final = 50
MOST_CHARACTERS: Final = 2000


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    agent: str
    to: str
    variables: dict[str, str] = {}
    time_zone: str = ""


@frozen
class Wish:
    """A call that somebody asks for."""

    agent: str
    to: str
    variables: Mapping[str, str] = field(factory=dict)
    time_zone: str = ""

    @classmethod
    def read(cls, body: bytes) -> "Wish":
        """Return what a request's body asks for. Raises `OutboundError`."""
        try:
            said = msgspec.json.decode(body, type=_Wish)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise OutboundError(
                f'not a call to be made: {error}; send JSON such as {{"agent": "front-desk", "to": "+15550100100"}}',
                "request",
            ) from None
        too_long = any(len(name) + len(value) > MOST_CHARACTERS for name, value in said.variables.items())
        if len(said.variables) > MOST_VARIABLES or too_long:
            most = f"{MOST_VARIABLES} variables of {MOST_CHARACTERS} characters"
            raise OutboundError(f"more variables, or longer ones, than a call may have: {most}", "request")
        return cls(said.agent, said.to, said.variables, said.time_zone)


def check_setup(settings: Settings, *, has_tokens: bool) -> Outbound:
    """Return the settings of outbound calls. Raises `OutboundError` when no call can be made with them."""
    outbound = settings.outbound
    if not outbound.caller_id:
        raise OutboundError(
            "no calls are made here: set [outbound] caller_id to a number of yours", "not_set_up"
        )
    if not settings.twilio.account_sid or not has_tokens:
        what = "[twilio] account_sid and an auth token"
        raise OutboundError(f"calls are made over Twilio's REST API, which needs {what}", "not_set_up")
    if not settings.server.public_url:
        raise OutboundError("Twilio has to reach this bridge: set [server] public_url", "not_set_up")
    if not is_installed("phonenumbers"):
        raise OutboundError(
            f"[outbound] needs a package that is not here: {install_hint('outbound')}", "not_set_up"
        )
    return outbound


def agent_of(settings: Settings, name: str) -> Agent:
    """Return the agent of this name. Raises `OutboundError` when it makes no calls."""
    agent = settings.agents.get(name)
    if agent is None:
        raise OutboundError(f"no agent {name[:60]!r}: {nearest(name[:60], settings.agents)}", "agent")
    if agent.outbound is None:
        raise OutboundError(f"{name} makes no calls: give it a table [agents.{name}.outbound]", "agent")
    return agent


def check_variables(agent: Agent, given: Mapping[str, str]) -> None:
    """Make sure that the agent knows these variables: one with a slip in its name would be said by nobody."""
    for name in given:
        if name not in agent.variables:
            hint = (
                nearest(name[:60], agent.variables)
                if agent.variables
                else f"add it to [agents.{agent.name}.variables]"
            )
            raise OutboundError(f"no variable {name[:60]!r}: {hint}", "request")


def check_number(settings: Settings, wish: Wish, now: datetime) -> str:
    """Return the number to be called, if it may be at this moment. Blocks: it reads files. Raises `OutboundError`."""
    outbound = settings.outbound
    number = number_of(wish.to)
    if not number.startswith(outbound.allow or ()):
        allowed = ", ".join(outbound.allow) or "nothing"
        raise OutboundError(
            f"numbers like this one are not called: [outbound] allow = {allowed}; add how it begins if it shall be",
            "allow",
        )
    if outbound.do_not_call:
        check_list(settings.folder / outbound.do_not_call, number)
    check_hours(number, outbound.hours, now, wish.time_zone)
    return number
