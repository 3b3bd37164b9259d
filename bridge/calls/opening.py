"""Who answers a call: the agent that was called, or another one outside its hours. It reads no clock."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime

from attrs import define, evolve, field

from bridge.agents import Agent
from bridge.calls.intake import Webhook
from bridge.calls.messages import Key
from bridge.calls.outcomes import MOST_REMEMBERED
from bridge.dates import in_zone
from bridge.given import OUTBOUND
from bridge.settings.hours import Hours


@define(eq=False)
class Answering:
    """Who answers which call, for as long as Twilio may ask again: it may deliver a webhook twice."""

    _stand_ins: OrderedDict[Key, Agent] = field(factory=OrderedDict)

    def told(self, webhook: Webhook, *, is_known: bool) -> Webhook:
        """Return the webhook with the agent who answers at its hour; a call that is known keeps the agent it has."""
        agents, origin, key = webhook.setup.settings.agents, webhook.origin, webhook.key
        if is_known or origin.direction == OUTBOUND:
            return webhook
        stands_in = self._stand_ins.get(key)
        agent, why = (stands_in, "") if stands_in else answering(agents, webhook.agent, origin.at)
        if agent is None:
            return evolve(webhook, origin=evolve(origin, is_closed=True))
        if agent.name == webhook.agent.name:
            return webhook
        self._remember(key, agent)
        origin = evolve(origin, asked_agent=webhook.agent.name, agent_why=why)
        return evolve(webhook, agent=agent, origin=origin)

    def _remember(self, key: Key, agent: Agent) -> None:
        self._stand_ins[key] = agent
        if len(self._stand_ins) > MOST_REMEMBERED:
            self._stand_ins.popitem(last=False)


def answering(agents: Mapping[str, Agent], asked: Agent, now: datetime) -> tuple[Agent | None, str]:
    """Return who answers for an agent at this moment, and why it is not that one itself; None if nobody does."""
    closed: list[str] = []
    for agent in substitutes(agents, asked):
        local = in_zone(now, agent.time_zone)
        if agent.hours.is_open(local):
            return agent, ", ".join(closed)
        closed.append(f"{agent.name} is closed on {local:%a %H:%M} {agent.time_zone or 'UTC'}")
    return None, ", ".join(closed)


def substitutes(agents: Mapping[str, Agent], asked: Agent) -> list[Agent]:
    """Return an agent and whoever may answer for it, in order; each once, though two may stand in for each other."""
    found, agent = dict[str, Agent](), asked
    while agent.name not in found:
        found[agent.name] = agent
        agent = agents.get(agent.hours.agent, agent)
    return list(found.values())


def hours_in_words(agents: Mapping[str, Agent], name: str, now: datetime) -> str:
    """Return whether an agent is open at this moment, until when, and who answers if not; nothing without hours."""
    agent = agents[name]
    if agent.hours == Hours():
        return ""
    local = in_zone(now, agent.time_zone)
    until = agent.hours.next_change(local)
    when = (
        f" {'until' if agent.hours.is_open(local) else 'and opens'} {until:%a %d %b %H:%M}" if until else ""
    )
    state = f"{'open' if agent.hours.is_open(local) else 'closed'} now ({local:%a %H:%M} {agent.time_zone or 'UTC'})"
    answers, _ = answering(agents, agent, now)
    if answers is None:
        meanwhile = (
            "get the steps of [failure] closed" if agent.failure.closed else "hear the failure_sentence"
        )
        return f"{state}{when}; meanwhile callers {meanwhile}"
    return state + when + (f"; {answers.name} answers" if answers is not agent else "")
