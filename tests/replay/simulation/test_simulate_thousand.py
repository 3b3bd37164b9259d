"""A thousand calls drawn from seeds: callers, answers, networks and faults of every kind; what holds of each."""

from collections import Counter
from random import Random
from typing import Any, Final

import attrs
import pytest
import trio

from bench.promises import faults_of
from bridge.agents import Agent
from bridge.settings.limits import Limits
from bridge.settings.tool_speech import ToolSpeech
from bridge.settings.turn_detection import ServerVad
from bridge.store.records import Records, records_of
from bridge.tapes.tape import decode
from bridge.tools import Progress, Tool, tool
from replay.model.script import CallTool, Delivery, Faults, Reply, Script, Transcription
from replay.model.script import Say as Words
from replay.phone.network import Network
from replay.phone.script import (
    Caller,
    DropSocket,
    GoSilent,
    HangUp,
    InterruptAfter,
    Press,
    Say,
    SendRaw,
    Step,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
)
from replay.simulation.simulate import simulate
from replay.sound.formats import murmur

CALLS: Final = 1000
LIMITS: Final = Limits(
    max_call_seconds=5, quiet_seconds=2, lost_media_ms=1500, model_ready_ms=1200, answer_timeout_ms=1500
)


@tool
def look_up(day: str) -> str:
    """Look something up."""
    return f"{day}: yes"


@tool
def break_down() -> str:
    """Break."""
    raise RuntimeError("out of order")


@tool(late=True, once=True)
async def search(day: str, progress: Progress) -> str:
    """Search for long."""
    await trio.sleep(0.3)
    progress.update("half of it is searched")
    await trio.sleep(0.3)
    return f"{day}: found"


@tool(once=True)
async def pay(day: str) -> str:
    """Pay once."""
    await trio.sleep(0.5)
    return f"{day}: paid"


@tool(cancellable=True)
async def scan(day: str) -> str:
    """Scan, while anybody wants it."""
    await trio.sleep(1)
    return f"{day}: scanned"


TOOLS: Final[list[Tool]] = [look_up, break_down, search, pay, scan]
OF_TOOLS: Final = (
    "tool_delivered", "tool_undelivered", "tool_joined", "tool_cancelled", "tool_progress_told", "tool_filler",
    "nudged",
)  # fmt: skip
FAULTY: Final[list[dict[str, Any]]] = [
    {"refuse": "http_401"}, {"refuse": "invalid_api_key"}, {"never_create": True}, {"never_update": True},
    {"never_answer": True}, {"fail_responses": 1}, {"fail_responses": 9}, {"close_after_ms": 1800},
    {"close_after_ms": 900, "close_with_error": False}, {"drop_after_ms": 1300}, {"stall_after_ms": 1100},
    {"garbage": ("binary_frame", "broken_json", "not_an_object", "unknown_event", "missing_fields")},
    {"garbage": ("unknown_error",)}, {"stray_errors": True},
]  # fmt: skip


# ---------------------------------------------------------------- what is drawn


def drawn_caller(dice: Random) -> Caller:
    steps = [step for _ in range(dice.choice([0, 1, 2, 2, 3])) for step in drawn_exchange(dice)]
    if dice.random() < 0.12:
        faults: list[Step] = [DropSocket(), GoSilent(), StopReading(), SendRaw("{"), SendRaw(b"\x00")]
        steps.insert(dice.randint(0, len(steps)), dice.choice(faults))
    last: list[Step] = dice.choice(
        [[HangUp()], [WaitForQuiet(200, timeout_ms=1500), HangUp()], [WaitForEnd(900)]]
    )
    return Caller(
        steps=(*steps, *last),
        patience_ms=dice.choice([400] * 9 + [4000]),
        answer_delay_ms=dice.choice([0, 60, 400]),
        start_delay_ms=dice.choice([0, 0, 150]),
        media_before_start=dice.random() < 0.1,
        two_starts=dice.random() < 0.1,
        network=drawn_network(dice),
    )


def drawn_exchange(dice: Random) -> list[Step]:
    waits: list[Step] = [
        WaitForQuiet(200, timeout_ms=1500),
        WaitForAgent(900),
        InterruptAfter(dice.randint(50, 700), timeout_ms=1200),
        Wait(dice.randint(0, 500)),
    ]
    acts: list[Step] = [Say(murmur(dice.choice([120, 300, 500])), "words"), Press(dice.choice("019#"))]
    return [dice.choice(waits), dice.choices(acts, (5, 1))[0]]


def drawn_network(dice: Random) -> Network:
    if dice.random() < 0.7:
        return Network()
    bad = {"loss": 0.1, "latency_ms": 150, "jitter_ms": 80, "stall_ms": 300}
    chosen: dict[str, Any] = {name: bad[name] for name in dice.sample(sorted(bad), dice.randint(1, 3))}
    return Network(seed=dice.randint(0, 99), stall_every_ms=900, **chosen)


def drawn_reply(dice: Random) -> Reply:
    text = dice.choice(["some words of an answer that may be cut", "let me check that"])
    words = Words(murmur(dice.choice([100, 400, 900, 1500])), text)
    calls = [
        CallTool("look_up", {"day": "Friday"}), CallTool("look_up", "{"), CallTool("break_down"),
        CallTool("nobody_knows"), CallTool("hang_up", {"reason": "bye"}),
        *(CallTool(name, {"day": "Friday"}) for name in ("search", "pay", "scan")),
    ]  # fmt: skip
    kind = dice.random()
    if kind < 0.6:
        return (words,)
    return (words, dice.choice(calls)) if kind < 0.8 else tuple(dice.sample(calls, dice.randint(1, 2)))


def drawn_script(dice: Random) -> Script:
    delivery = Delivery(
        mode=dice.choice(["cut", "cut", "single", "odd", "frames"]),
        items=dice.choice([1, 1, 2]),
        speed=dice.choice([1.5, 8, 40]),
        response_delay_ms=dice.choice([0, 150]),
        late_deltas=dice.choice([0, 0, 3]),
    )
    return Script(
        opening=(Words(murmur(500), "Hello."),),
        turns=tuple(drawn_reply(dice) for _ in range(3)),
        answers=tuple(drawn_reply(dice) for _ in range(2)),
        fallback=(Words(murmur(300), "Pardon?"),),
        transcription=Transcription(dice.choice(["soon", "late", "failed", "never"])),
        delivery=delivery,
        faults=Faults(**dice.choice(FAULTY)) if dice.random() < 0.25 else Faults(),
    )


def drawn_agent(dice: Random) -> Agent:
    turns = ServerVad(
        silence_duration_ms=dice.choice([200, 500]),
        interrupt_response=dice.random() < 0.85,
        create_response=dice.random() < 0.85,
    )
    limits = attrs.evolve(LIMITS, lead_ms=dice.choice([40, 300]))
    speech = dice.choice(
        [ToolSpeech(), ToolSpeech(filler_after_ms=300, progress_every_ms=500, nudge_after_ms=400)]
    )
    return Agent(name="front-desk", turn_detection=turns, limits=limits, tool_speech=speech)


def kinds_of(rows: Records) -> set[str]:
    """Return what came about in a call: who ended it, whether the caller cut in, whether a tool was asked."""
    came = {"interruption": rows.call["interruptions"], "tool": rows.tool_calls}
    came |= {row["name"]: True for row in rows.milestones if row["name"] in OF_TOOLS}
    return {f"ended by {rows.call['ended_by']}", *(name for name, what in came.items() if what)}


@pytest.mark.parametrize("first", range(0, CALLS, CALLS // 4))
def test_a_thousand_calls_keep_every_promise(first: int) -> None:
    """A quarter of them at a time: several cores share them, and none ends long after the others."""
    wrong: dict[int, list[str]] = {}
    kinds: Counter[str] = Counter()
    for seed in range(first, first + CALLS // 4):
        dice = Random(seed)
        tape = simulate(drawn_caller(dice), drawn_script(dice), drawn_agent(dice), tools=TOOLS, seed=seed)
        lines = [decode(raw) for raw in tape.lines]
        rows = records_of(tape.header, lines)
        if faults := faults_of(tape, lines, rows):
            wrong[seed] = faults
        kinds.update(kinds_of(rows))
    assert wrong == {}
    wanted = [*(f"ended by {by}" for by in ("caller", "model", "tool", "limit")), "interruption", "tool"]
    assert min(kinds[kind] for kind in wanted) > 5, kinds  # or the thousand would be fewer than they seem
    assert sum(kinds[kind] for kind in OF_TOOLS) > 20, kinds
