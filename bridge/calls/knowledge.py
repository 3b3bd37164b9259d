"""What an agent and its tools know of one call: filled in when it is born, from then on part of what it is made with.

No clock is read: the moment is told.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from attrs import evolve, field, frozen

from bridge.agents import Agent
from bridge.calls.admission import HIDDEN, caller_of
from bridge.dates import in_words, in_zone
from bridge.given import INBOUND, CallInfo
from bridge.settings.placeholders import MOST_CHARACTERS, OWN, fill, names_in
from bridge.tapes.masking import mask
from bridge.text.validity import HARMFUL

UNKNOWN: Final = "unknown"
"""What stands for the number of a caller who hides it."""

UNSAFE: Final = re.compile(r"[^A-Za-z0-9@:;.+_=-]")
"""Whoever calls by SIP chooses their own address: no words of theirs become part of the instructions."""


@frozen
class Origin:
    """How a call came about: when, which way, what it brought, and whom it was for, should another agent answer."""

    at: datetime
    direction: str = INBOUND
    variables: Mapping[str, str] = field(factory=dict)
    """In place of the agent's own of the same names."""
    asked_agent: str = ""
    agent_why: str = ""
    is_closed: bool = False
    """Nobody answers at this hour."""
    outgoing_id: str = ""
    """The id of a call that we make: nobody posted anything, and Twilio has no CallSid for it yet."""


@frozen
class Parties:
    """Who called whom, as it may be shown; empty where it is hidden."""

    caller: str
    called: str

    @classmethod
    def of(cls, form: Mapping[str, str], *, masked: bool) -> "Parties":
        """Return those of a webhook."""
        return cls(*(_shown(form.get(name, ""), masked=masked) for name in ("From", "To")))


def _shown(number: str, *, masked: bool) -> str:
    known = "" if caller_of(number) == HIDDEN else UNSAFE.sub("", number.strip())[:100]
    return mask(known) if masked else known


def informed(agent: Agent, parties: Parties, origin: Origin) -> tuple[Agent, dict[str, str]]:
    """Return an agent with its placeholders filled and the variables of this call, and what each was filled with."""
    brought = {name: HARMFUL.sub(" ", text)[:MOST_CHARACTERS] for name, text in origin.variables.items()}
    agent = evolve(agent, variables={**agent.variables, **brought})
    values = _values(agent, parties, origin.at)
    message = agent.outbound.message if agent.outbound is not None else ""
    asked = dict.fromkeys(
        name for text in (agent.instructions, agent.greeting, message) for name in names_in(text)
    )
    filled = evolve(
        agent,
        instructions=_filled(agent.instructions, values, Agent().instructions),
        greeting=_filled(agent.greeting, values, Agent().greeting),
        outbound=agent.outbound and evolve(agent.outbound, message=fill(agent.outbound.message, values)),
    )
    return filled, {name: values[name] for name in asked if name in values}


def info_of(agent: Agent, call_id: str, parties: Parties, direction: str) -> CallInfo:
    """Return what a tool of an informed agent may ask for; how long the call has lasted is said when it begins."""
    return CallInfo(
        id=call_id,
        caller=parties.caller,
        called=parties.called,
        agent=agent.name,
        variables=agent.variables,
        direction=direction,
    )


def _values(agent: Agent, parties: Parties, at: datetime) -> dict[str, str]:
    language = agent.languages[0] if agent.languages else ""
    return {
        "caller": parties.caller or UNKNOWN,
        "called": parties.called or UNKNOWN,
        "agent": agent.name,
        **in_words(in_zone(at, agent.time_zone), language),
        **{OWN + name: text for name, text in agent.variables.items()},
    }


def _filled(text: str, values: Mapping[str, str], default: str) -> str:
    """Return a text with its values; one that nothing is left of says what an agent without a word says."""
    filled = fill(text, values)
    return filled if filled.strip() else default
