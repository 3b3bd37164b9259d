"""A call made for a test of an agent: simulated, or through the whole daemon on loopback; and what came of it.

It asserts nothing: what a call should be like is the test's to say.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import attrs
import trio
from attrs import field, frozen

from bridge import config
from bridge.agents import Agent
from bridge.calls.knowledge import Origin, Parties, informed
from bridge.calls.setup import tools_of
from bridge.config import Realtime, Recording, Secrets, Settings
from bridge.daemon.server import open_daemon
from bridge.errors import BridgeError
from bridge.settings.hours import Hours
from bridge.settings.server import Server
from bridge.store.records import Records, Row, records_of
from bridge.tapes.header import encode_header
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from bridge.tools import Tool
from replay.callers.recorded_caller import caller_of, longest_ms
from replay.model.replies import MS_PER_CHARACTER
from replay.model.scenario import load_scenario
from replay.model.script import Reply, Say, Script
from replay.model.server import serve_model
from replay.phone import scenario as phone_scenario
from replay.phone.exchange.town import Town
from replay.phone.ring import DEFAULT_ACCOUNT, ring
from replay.phone.script import Caller
from replay.simulation.setup import STARTED_AT
from replay.simulation.simulate import PUBLIC_URL, simulate
from replay.sound.formats import murmur
from replay.tapes.rewrite import write_tape

NAMELESS: Final = "agent"
"""An agent is part of a URL, so one made in a test has a name too."""


class RingError(BridgeError):
    """The call could not be made; the message says why."""


@frozen
class Turn:
    """What one side said in one go, as the `transcript` table has it. `role` is agent or caller.

    `heard` and `unheard` divide the agent's words as its audio was divided: an estimate, for nobody tells which word a
    millisecond belongs to. `began_ms` counts from the accepted webhook; None when that is not known.
    """

    role: str
    said: str
    heard: str
    unheard: str
    interrupted: bool
    began_ms: int | None


@frozen
class ToolRun:
    """One tool that the model asked for, with its arguments as they were parsed, or None where that can't be done.

    `error_kind` is None when it answered, else arguments, crashed, timeout, busy, limit, unknown or cancelled.
    `is_delivered`: the model was given the answer; of an `is_late` tool, and spoke of it. `joined`: the id of the call
    with the same arguments whose answer it got, where the tool runs once.
    """

    name: str
    arguments: Any
    output: str | None
    error_kind: str | None
    error: str | None
    is_delivered: bool
    is_late: bool = False
    joined: str | None = None


@frozen(repr=False)
class RungCall:
    """What became of a call; as text it is the conversation, which a failed test shows."""

    tape: Path
    records: Records = field(repr=False)

    @property
    def call(self) -> Any:
        """Return the call's row, its columns as attributes: `call.call.interruptions`."""
        return SimpleNamespace(**self.records.call)

    @property
    def ended_by(self) -> str:
        """Return who ended the call: caller, model, tool, limit, operator or bridge."""
        return str(self.records.call["ended_by"])

    @property
    def why(self) -> str:
        """Return why the call ended."""
        return str(self.records.call["why"])

    @property
    def transcript(self) -> list[Turn]:
        """Return the conversation in order."""
        return [Turn(**_only(Turn, row)) for row in self.records.transcript]

    @property
    def tools(self) -> list[ToolRun]:
        """Return the tools that were asked for, in order, `hang_up` included."""
        return [ToolRun(**_only(ToolRun, row)) for row in self.records.tool_calls]

    def heard(self, text: str) -> bool:
        """Say whether the caller heard the agent say this; case and spacing don't matter."""
        return _plain(text) in _plain(
            " ".join(turn.heard for turn in self.transcript if turn.role == "agent")
        )

    def __str__(self) -> str:
        turns = [
            (row["began_ms"] or 0, _turn_line(Turn(**_only(Turn, row)))) for row in self.records.transcript
        ]
        tools = [(row["called_ms"] or 0, _tool_line(row)) for row in self.records.tool_calls]
        lines = [f"{ms / 1000:7.2f}  {line}" for ms, line in sorted([*turns, *tools], key=lambda one: one[0])]
        end = f"{self.records.call['duration_ms'] / 1000:7.2f}  ended by {self.ended_by}: {self.why}"
        return "\n".join([*lines, end, f"tape: {self.tape}"])

    def __repr__(self) -> str:
        # pytest cuts what it shows of a value, and writes it on one line
        return f"<call of {self.records.call['agent']}, ended by {self.ended_by}: {self.why}>"


def _only(cls: type[Any], row: Row) -> Row:
    """Return the columns of a row that a class has."""
    return {name: row[name] for name in attrs.fields_dict(cls)}


def _turn_line(turn: Turn) -> str:
    unheard = f"[not heard: {turn.unheard}]" if turn.unheard else ""
    return f"{turn.role}: {' '.join(filter(None, (turn.heard, unheard)))}"


def _tool_line(row: Row) -> str:
    came = f"failed ({row['error_kind']}): {row['error']}" if row["error_kind"] else row["output"]
    return f"tool: {row['name']}({row['arguments_raw']}) -> {came}"


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def ring_agent(
    agent: Agent | Path | str,
    caller: Caller | Path | str,
    model: Script | Path | str | None = None,
    *,
    folder: Path,
    beside: Path = Path(),
    name: str = "",
    tools: Iterable[Tool] = (),
    variables: Mapping[str, str] | None = None,
    real: bool = False,
    seed: int = 0,
) -> RungCall:
    """Make one call and return what came of it; its tape is kept in `folder`, and relative paths start at `beside`.

    `agent` is one, or a configuration file with the `name` of one; `caller` is one, a phone scenario (.toml) or a
    tape; `model` is a script or a model scenario, by default one that greets and says one sentence to everything.
    `variables` stand in place of the agent's own; a simulated call is made on 1 January 2026 at midnight UTC.
    `real` calls through the daemon's own sockets, in real time. Not for async code. Raises `BridgeError` children:
    `RingError`, `NotSimulatedError`, `ConfigError`, `ToolError`, `TapeError`.

    >>> from replay.testing import Agent, Caller, HangUp, WaitForQuiet
    >>> listens = Caller(steps=(WaitForQuiet(300), HangUp()))
    >>> call = ring_agent(Agent(greeting="Good evening."), listens, folder=Path("calls"))
    >>> call.heard("good evening"), call.ended_by, call.why
    (True, 'caller', 'hung up')
    >>> [(turn.role, turn.said, turn.unheard) for turn in call.transcript]
    [('agent', 'Good evening.', '')]
    """
    if trio.lowlevel.in_trio_run():
        raise RingError("ring_agent runs a loop of its own: call it from a plain def test, not an async one")
    agent, known = _agent(agent if isinstance(agent, Agent) else beside / agent, name, list(tools))
    agent = attrs.evolve(agent, variables={**agent.variables, **(variables or {})})
    caller, town = (caller, Town()) if isinstance(caller, Caller) else _caller(beside / caller)
    greeting = _greeting(agent, real=real)
    script = (
        model if isinstance(model, Script) else _script(beside / model if model else None, greeting, seed)
    )
    if real:
        path = trio.run(_over_sockets, agent, known, caller, script, folder.resolve(), town)
    else:
        path = _simulated(agent, known, caller, script, folder, seed)
    tape = read_tape(path)
    return RungCall(path, records_of(tape.header, map(decode, tape.lines), is_torn=tape.is_torn))


# ---------------------------------------------------------------- who calls whom


def _agent(agent: Agent | Path, name: str, tools: list[Tool]) -> tuple[Agent, list[Tool]]:
    """Return the agent and its tools; those a file names are loaded as the daemon would load them."""
    if isinstance(agent, Agent):
        return attrs.evolve(agent, name=agent.name or NAMELESS), tools
    settings = config.load(agent)
    known = ", ".join(settings.agents)
    if not name and len(settings.agents) > 1:
        raise RingError(f"{agent} has several agents: say name= one of {known}")
    found = settings.agents.get(name or next(iter(settings.agents)))
    if found is None:
        raise RingError(f'{agent} has no agent "{name}": use one of {known}')
    return found, [*tools_of(found, settings.folder).values(), *tools]


def _caller(path: Path) -> tuple[Caller, Town]:
    """Return the caller, and whoever else can be reached in a call over sockets."""
    if path.suffix == ".toml":
        told = phone_scenario.load(path)
        return told.caller, told.town
    return caller_of(read_tape(path), mode="turns"), Town()


def _greeting(agent: Agent, *, real: bool) -> str:
    """Return what the agent says first in a call that is made now, or in a simulated one."""
    at = datetime.now(UTC) if real else datetime.fromisoformat(STARTED_AT)
    parties = Parties(DEFAULT_ACCOUNT.caller, DEFAULT_ACCOUNT.number)
    return informed(agent, parties, Origin(at))[0].greeting


def _script(path: Path | None, greeting: str, seed: int) -> Script:
    if path is not None:
        return load_scenario(path).script_for(Realtime().model, seed + 1)
    return Script(opening=_spoken(greeting), fallback=_spoken("I see. What else can I do for you?"))


def _spoken(words: str) -> Reply:
    return (Say(murmur(MS_PER_CHARACTER * len(words)), words),)


# ---------------------------------------------------------------- the call


def _simulated(
    agent: Agent, tools: list[Tool], caller: Caller, script: Script, folder: Path, seed: int
) -> Path:
    tape = simulate(caller, script, agent, tools=tools, seed=seed)
    path = _free(folder, tape.header.call_id)
    write_tape(path, [encode_header(tape.header), *tape.lines])
    return path


def _free(folder: Path, call_id: str) -> Path:
    """Return a name for a tape: two calls of one test, alike but for their agent, have the same id."""
    folder.mkdir(parents=True, exist_ok=True)
    made = len(list(folder.glob("*.jsonl.gz")))
    return folder / f"{made + 1:03d}-{call_id}.jsonl.gz"


async def _over_sockets(
    agent: Agent, tools: list[Tool], caller: Caller, script: Script, folder: Path, town: Town
) -> Path:
    """Run the daemon and both stand-ins for one call; return its tape, complete once the daemon is gone."""
    data = folder / "real"
    async with trio.open_nursery() as peers:
        model = await peers.start(serve_model, script)
        settings = Settings(
            server=Server(bind="127.0.0.1:0", public_url=PUBLIC_URL, drain_seconds=3),
            realtime=Realtime(url=model.url),
            recording=Recording(folder=str(data)),
            agents={agent.name: attrs.evolve(agent, hours=Hours())},  # a test is run at any hour
            folder=folder,
        )
        secrets = Secrets((DEFAULT_ACCOUNT.auth_token,), "no-key-needed-here")
        by_name = {tool.name: tool for tool in tools}
        async with open_daemon(settings, secrets, tools={agent.name: by_name}) as daemon:
            report = await ring(
                caller,
                webhook=f"{PUBLIC_URL}/voice/{agent.name}",
                via=f"http://127.0.0.1:{daemon.port}",
                also_hosts=(),
                total_ms=longest_ms(caller),
                town=town,
            )
        peers.cancel_scope.cancel(reason="the call was made")
    path = next((data / "tapes").rglob(f"{report.call_sid}.jsonl.gz"), None)
    if path is None:
        raise RingError(f"the call left no tape: {report.error or 'nobody knows why'}")
    return path
