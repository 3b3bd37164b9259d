"""Faults of one call's peers and tools: all of one phase at once in one daemon, beside a caller who only listens."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, evolve, field, frozen

from bench.fault_cells import Outcome, Records, harm, words_after
from bench.stage import PROMPT, PUBLIC, Place, Stage, open_stage, speech, words
from bridge.tapes.tape import Line
from bridge.tools import Tool, tool
from replay.model.faults import send_garbage
from replay.model.script import CallTool, Script
from replay.model.server import _Connection, _Goodbye
from replay.model.session import Session
from replay.phone.ring import Caller, CallReport
from replay.phone.script import (
    DropSocket,
    GoSilent,
    HangUp,
    Step,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
)

CODES: Final = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4000)
KINDS: Final = (
    "binary_frame", "broken_json", "not_an_object", "unknown_event", "missing_fields", "unknown_error", "huge",
)  # fmt: skip
TOOL_SECONDS: Final = 3.0
LIMITS: Final = {"lost_media_ms": 2000, "quiet_seconds": 20, "answer_timeout_ms": 3000}
ASKS: Final = (WaitForQuiet(400), speech("caller_yes"))
CONTROL: Final = Caller(steps=(WaitForQuiet(2500, timeout_ms=60_000), HangUp()), answer_delay_ms=0)
Act = Callable[[_Connection, Session], Awaitable[None]]


@frozen
class Phase:
    """A phase: what the model says, what the caller does to get there, and the line of tape that tells of it."""

    name: str
    script: Script
    lead: tuple[Step, ...]
    is_reached: Callable[[Line], bool]
    answer_delay_ms: int = 0
    settle_seconds: float = 0.3
    patience: tuple[Step, ...] = (WaitForEnd(9000), HangUp())


def _noted(*names: str) -> Callable[[Line], bool]:
    return lambda line: line.note is not None and line.note.get("name") in names


def _script(opening: str, *turn: Any) -> Script:
    answer = (words("caller_no"),)
    return Script(
        opening=(words(opening),), turns=(turn,) if turn else (), answers=(answer,), delivery=PROMPT
    )


GOODBYE: Final = (words("agent_goodbye"), CallTool("hang_up", {"reason": "all said"}))
PHASES: Final = {
    one.name: one
    for one in (
        Phase("waiting", _script("agent_greeting"), (), _noted("model_ready"), answer_delay_ms=2500),
        Phase("speaking", _script("agent_story"), (), _noted("first_audio_heard")),
        Phase("listening", _script("caller_yes"), (), _noted("first_audio_heard"), settle_seconds=1.5),
        Phase("tool", _script("caller_yes", CallTool("work")), ASKS, lambda line: line.run is not None),
        Phase("closing", _script("caller_yes", *GOODBYE), ASKS, _noted("hang_up_asked")),
    )
}


# ---------------------------------------------------------------- the faults


LOST_FOR_GOOD: Final = {"reconnects": 0, "stream_returns": 0}


@frozen
class Fault:
    """A fault: what the model's socket does, or which steps the caller takes, and who may have ended the call then."""

    name: str
    expects: Mapping[str, str]
    act: Act | None = None
    step: Step | None = None
    limits: Mapping[str, int] = LOST_FOR_GOOD

    @property
    def phases(self) -> tuple[str, ...]:
        """Return in which phases it makes sense."""
        return tuple(self.expects)


async def _reset(connection: _Connection, session: Session) -> None:
    await connection._stream.reset()


async def _stall(connection: _Connection, session: Session) -> None:
    connection._stream.narrow()
    connection._stream.stall()


async def _close(connection: _Connection, session: Session, *, code: int) -> None:
    connection.send(_Goodbye(code, "the bench says so"))


async def _garbage(connection: _Connection, session: Session, *, kind: Any) -> None:
    send_garbage(session.wire, kind)


GONE: Final = {
    "waiting": "model",
    "speaking": "model",
    "listening": "model",
    "tool": "model",
    "closing": "model|tool",
}
"""The model is no more: the caller hears the failure sentence, or the end of the goodbye."""

HARMLESS: Final = {
    "waiting": "caller",
    "speaking": "caller",
    "listening": "caller",
    "tool": "caller",
    "closing": "tool",
}
FOLLOWED: Final = {**HARMLESS, "closing": "model|tool"}
"""Another session goes on with the conversation; nobody is waited for while the agent says goodbye."""

LEFT: Final = {"speaking": "caller", "listening": "caller", "tool": "caller", "closing": "caller|tool"}
FAULTS: Final = (
    Fault("model: TCP reset", GONE, _reset),
    Fault("model: stalls", GONE, _stall),
    *(Fault(f"model: closes with {code}", GONE, partial(_close, code=code)) for code in CODES),
    Fault("model: TCP reset, and another session", FOLLOWED, _reset, limits={"reconnects": 3}),
    Fault(
        "model: stalls, and another session",
        {**FOLLOWED, "waiting": "model|caller"},
        _stall,
        limits={"reconnects": 3},
    ),
    *(Fault(f"model: garbage, {kind}", HARMLESS, partial(_garbage, kind=kind)) for kind in KINDS),
    Fault("Twilio: TCP reset", LEFT, step=DropSocket()),
    Fault("Twilio: reads nothing", LEFT, step=StopReading()),
    Fault("Twilio: half-open, says nothing", LEFT, step=GoSilent()),
)


def steps_of(fault: Fault, phase: Phase) -> tuple[Step, ...]:
    """Return what the caller does: into the phase, then their part of the fault, then they wait, and hang up."""
    if fault.step is None:
        return (*phase.lead, *phase.patience)
    pause = {"tool": (Wait(2000),), "closing": (WaitForAgent(), Wait(300))}.get(
        phase.name, (WaitForAgent(), Wait(700))
    )
    return (*phase.lead, *pause, fault.step, *phase.patience)


# ---------------------------------------------------------------- tools


@tool(timeout_ms=10_000)
def work() -> str:
    """Work for a while."""
    time.sleep(TOOL_SECONDS)
    return "done"


def broken_tools() -> dict[str, Tool]:
    """Return what is wrong with a tool, by name, and the tool."""

    @tool(name="work")
    def crash() -> str:
        """Crash."""
        raise RuntimeError("secret detail")

    @tool(name="work", timeout_ms=1000)
    def hang() -> str:
        """Hang."""
        time.sleep(6)
        return "late"

    @tool(name="work")
    def huge() -> str:
        """Say very much."""
        return "x" * 10_000_000

    return {"tool: crashes": crash, "tool: hangs": hang, "tool: huge answer": huge, **_fatal_tools()}


class Fatal(BaseException):
    """As func_timeout's and PyO3's, which no `except Exception` sees."""


def _fatal_tools() -> dict[str, Tool]:
    @tool(name="work")
    def in_a_thread() -> str:
        """Raise in a thread."""
        raise Fatal

    @tool(name="work")
    async def on_the_loop() -> str:
        """Raise on the loop of all calls."""
        await trio.sleep(0.1)
        raise Fatal

    @tool(name="work")
    async def in_a_group() -> str:
        """Raise several at once, from a nursery."""
        async with trio.open_nursery() as nursery:
            for error in (Fatal(), KeyboardInterrupt(), GeneratorExit()):
                nursery.start_soon(_raise_when_cancelled, error)
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel(reason="all of them at once")
        return "never"

    names = ("BaseException", "BaseException, async", "BaseExceptions, a group")
    tools = (in_a_thread, on_the_loop, in_a_group)
    return {f"tool: raises {name}": made for name, made in zip(names, tools, strict=True)}


async def _raise_when_cancelled(error: BaseException) -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise error


# ---------------------------------------------------------------- a phase at once


@frozen
class Cells(Place):
    """A place with an agent for each cell, whose instructions are its name: so its session can be told apart."""

    def tables(self, model_url: str) -> dict[str, Any]:
        """Return the configuration as its file would hold it."""
        tables = super().tables(model_url)
        for name, agent in tables["agents"].items():
            tables["agents"][name] = {**agent, "instructions": f"<{name}>"}
        return tables


@define(eq=False)
class Watch:
    """Tells when a call has reached its phase, by the lines that go onto its tape."""

    is_reached: Callable[[Line], bool]
    reached: dict[str, trio.Event] = field(factory=dict)

    def __call__(self, call_id: str, line: Line) -> None:
        """See a line."""
        if self.is_reached(line):
            self.event(call_id).set()

    def event(self, call_id: str) -> trio.Event:
        """Return what is set when this call has reached the phase."""
        return self.reached.setdefault(call_id, trio.Event())


async def run_phase(
    folder: Path, phase: Phase, faults: list[Fault], tools: dict[str, Tool], *, story: str = "agent_story"
) -> list[Outcome]:
    """Let each fault happen to a call of its own, all at the same time; return what came of each."""
    watch = Watch(phase.is_reached)
    names = tuple(f"cell-{number}" for number in range(len(faults)))
    own = {name: {"limits": {**LIMITS, **fault.limits}} for name, fault in zip(names, faults, strict=True)}
    setup = Cells(
        folder, agents=names, own=own, limits=LIMITS, tools=tools, watch=watch, server={"max_calls": 500}
    )
    reports: dict[str, CallReport] = {}
    async with open_stage(evolve(setup, script=_players(phase, story, len(faults)))) as stage:  # type: ignore[arg-type]
        async with trio.open_nursery() as calls:
            calls.start_soon(_listen, stage, reports)
            await stage.model.wait_session()
            for name, fault in zip(names, faults, strict=True):
                calls.start_soon(_victim, stage, phase, fault, name, reports, watch)
                await trio.sleep(0.02)
        await stage.wait_recorded()
    records = Records.of(folder / "data")
    control = _row(records, reports["control"].call_sid)
    others = harm(reports["control"], control)
    return [
        evolve(
            records.look(Outcome(fault.name, phase.name, fault.expects[phase.name]), reports[name].call_sid),
            heard=words_after(reports[name]),
            others=others,
        )
        for name, fault in zip(names, faults, strict=True)
    ]


def _players(phase: Phase, story: str, calls: int) -> Callable[[str, int], Script]:
    """Return who plays each session: the control's, one for each call, and those that follow, which have an answer."""
    told = Script(opening=(words(story),), delivery=PROMPT)
    follows = evolve(phase.script, fallback=(words("caller_no"),))
    return lambda model, number: told if number == 1 else phase.script if number <= calls + 1 else follows


def _row(records: Records, call_sid: str) -> dict[str, Any] | None:
    return next((row for row in records.rows if row["call_id"] == call_sid), None)


async def _listen(stage: Stage, reports: dict[str, CallReport]) -> None:
    reports["control"] = await stage.ring(CONTROL, total_ms=60_000)


async def _victim(
    stage: Stage, phase: Phase, fault: Fault, name: str, reports: dict[str, CallReport], watch: Watch
) -> None:
    call_sid = f"CA{blake2b(name.encode(), digest_size=16).hexdigest()}"
    caller = Caller(steps=steps_of(fault, phase), answer_delay_ms=phase.answer_delay_ms, patience_ms=2000)
    async with trio.open_nursery() as acting:
        if fault.act is not None:
            acting.start_soon(_act, stage, phase, fault.act, name, watch.event(call_sid))
        reports[name] = await stage.ring(
            caller, webhook=f"{PUBLIC}/voice/{name}", call_sid=call_sid, total_ms=60_000
        )
        acting.cancel_scope.cancel(reason="the call is over")


async def _act(stage: Stage, phase: Phase, act: Act, name: str, reached: trio.Event) -> None:
    await reached.wait()
    await trio.sleep(phase.settle_seconds)
    session = next(
        one for one in stage.model.sessions if f"<{name}>" in str(one.settings.get("instructions"))
    )
    await act(session._send.__self__, session)  # type: ignore[attr-defined]


async def run_calls(
    folder: Path, wanted: Callable[[str, str], bool], tell: Callable[[str], None]
) -> list[Outcome]:
    """Run all faults of peers and tools that are wanted; return what came of each."""
    found: list[Outcome] = []
    for phase in PHASES.values():
        faults = [one for one in FAULTS if phase.name in one.phases and wanted(one.name, phase.name)]
        if faults:
            tell(f"{phase.name}: {len(faults)} faults of the model and of Twilio")
            found += await run_phase(folder / phase.name, phase, faults, {"work": work})
    for name, broken in broken_tools().items():
        if wanted(name, "tool"):
            tell(name)
            fault = Fault(name, {"tool": "caller"})
            apart = folder / f"tool-{len(found)}"
            found += await run_phase(apart, PHASES["tool"], [fault], {"work": broken})
    return found
