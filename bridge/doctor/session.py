"""The session of each agent, asked for as a call does: what the model refuses of it is told before anybody rings."""

from typing import Final

import trio
from attrs import define, field

from bridge.agents import Agent
from bridge.calls.setup import model_address
from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.world import Patient
from bridge.errors import LinkError
from bridge.heart.events import ModelErred, SessionCreated, SessionUpdated
from bridge.heart.session import Session, other_format
from bridge.links.model import open_model
from bridge.links.web_socket import WebSocketLink
from bridge.wire import realtime

SESSION: Final = "session"
MOST_AGENTS: Final = 20
"""Whose sessions are tried: each is a connection to the model, and costs nothing."""


@define
class _Trial:
    """One agent's session, and what became of it."""

    session: Session
    left_out: list[str] = field(factory=list)
    asked: int = 0

    def answer(self, message: str | bytes) -> str | Finding:
        """Return what to say to this message, empty for nothing; a finding when it is settled."""
        match realtime.parse(message):
            case SessionCreated() if not self.session.event_id:
                return realtime.encode(self.session.ask(self._id()))
            case SessionUpdated() as granted if self.session.event_id:
                return self._granted(granted)
            case ModelErred() as error if self.session.is_refused_by(error) or not self.session.event_id:
                return self._refused(error)
        return ""

    def _id(self) -> str:
        self.asked += 1
        return f"doctor{self.asked}"

    def _granted(self, granted: SessionUpdated) -> Finding:
        name = self.session.agent.name
        if other := other_format(granted):
            step = "calls need a server that speaks audio/pcmu both ways: look into [realtime] url and model"
            return wrong(SESSION, f"{name}: the session speaks {other}, and not what it is asked for", step)
        if self.left_out:
            text = f"{name}: the model refuses {', '.join(self.left_out)}; calls go on without"
            return doubtful(
                SESSION, text, "leave that setting out, or set another value: every call asks in vain"
            )
        return fine(SESSION, f"{name}: the model takes its settings")

    def _refused(self, error: ModelErred) -> str | Finding:
        found = self.session.ask_without(error, self._id())
        if found is not None:
            update, left_out = found
            self.left_out.append(left_out)
            return realtime.encode(update)
        code = error.code or error.kind or "no code"
        step = "correct the setting that it names: calls hear the failure sentence until then"
        return wrong(SESSION, f"{self.session.agent.name}: refused ({code}: {error.message[:200]})", step)


async def check_sessions(patient: Patient) -> list[Finding]:
    """Ask the model for each agent's session, and hang up before anything is said."""
    tried = list(patient.settings.agents.values())[:MOST_AGENTS]
    results: dict[str, Finding] = {}
    async with trio.open_nursery() as nursery:
        for agent in tried:
            nursery.start_soon(_try_session, patient, agent, results)
    return [results[agent.name] for agent in tried]


async def _try_session(patient: Patient, agent: Agent, results: dict[str, Finding]) -> None:
    step = "is outgoing wss allowed here, and may this key's project use the Realtime API?"
    late = f"{agent.name}: no session within {patient.world.wait_seconds:g} s"
    results[agent.name] = wrong(SESSION, late, step)
    try:
        with trio.move_on_after(patient.world.wait_seconds):
            async with open_model(model_address(patient.settings, patient.secrets)) as link:
                results[agent.name] = await _agreed(link, _Trial(Session(agent, ())))
    except LinkError as error:
        results[agent.name] = wrong(SESSION, f"{agent.name}: {error}", step)


async def _agreed(link: WebSocketLink, trial: _Trial) -> Finding:
    while (message := await link.receive()) is not None:
        answer = trial.answer(message)
        if isinstance(answer, Finding):
            return answer
        await link.send(answer)
    closing = link.closing
    name = trial.session.agent.name
    return wrong(
        SESSION,
        f"{name}: the model hung up ({closing.code} {closing.reason})".replace(" )", ")"),
        "try again",
    )
