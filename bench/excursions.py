"""Simulated calls whose callers leave the stream and come back, with random far ends and faults; what holds of each.

    uv run python bench/excursions.py [CALLS]

Every call is made from its seed alone. It prints what broke a promise, and how often each kind of thing came about.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from time import perf_counter
from typing import Any, Final, get_args

from bridge.agents import Agent
from bridge.heart.parts.excursions import CONNECT_MS
from bridge.heart.plans import JoinQueue, plan_to
from bridge.settings.limits import Limits
from bridge.settings.places import Collect, FailurePlan, Place, Voicemail
from bridge.store.records import records_of
from bridge.tapes.reader import Tape
from bridge.tapes.tape import BRIDGE, HTTP, MODEL, PHONE, Line, decode
from bridge.tools import Tool, tool
from replay.model.script import CallTool, Faults, Reply, Script
from replay.model.script import Say as Words
from replay.phone.script import (
    Caller,
    HangUp,
    InterruptAfter,
    Press,
    Say,
    Step,
    Wait,
    WaitForEnd,
    WaitForQuiet,
)
from replay.simulation.away import FarEnd, Trouble
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur
from replay.tapes.player import retold

CALLS: Final = 1000
LIMITS: Final = Limits(
    max_call_seconds=60, quiet_seconds=5, lost_media_ms=1500, model_ready_ms=1200, answer_timeout_ms=1500
)
PIN: Final = "470812"
PLACES: Final = (
    Place("sales", number="+15550100111", ring_seconds=5, talk_seconds=20),
    Place("anna", number="+15550100112", is_warm=True, ring_seconds=5, talk_seconds=20, say="One moment."),
    Place("line", queue="support"),
)
PLANS: Final = (
    (), ("say:Our agent is ill.", "hang_up"), ("dial:sales", "voicemail"), ("voicemail",), ("dial:nobody", "hang_up"),
    ("say:Please hold.", "dial:anna", "queue:support", "https://example.com/other"),
)  # fmt: skip
FAULTY: Final[tuple[dict[str, Any], ...]] = (
    {"refuse": "http_401"}, {"never_update": True}, {"close_after_ms": 2500}, {"drop_after_ms": 4300},
    {"stall_after_ms": 3100}, {"never_answer": True},
)  # fmt: skip


@tool
def check_pin(digits: str) -> str:
    """Check a PIN."""
    return "right" if digits == PIN else f"wrong: {digits}"


@tool
def look_up(day: str) -> str:
    """Look something up."""
    return f"{day}: yes"


TOOLS: Final[list[Tool]] = [check_pin, look_up]

# ---------------------------------------------------------------- what is drawn


def drawn_agent(dice: Random) -> Agent:
    """Return an agent with places, and perhaps with a plan for when its model fails."""
    return Agent(
        name="front-desk",
        limits=LIMITS,
        transfer={place.name: place for place in PLACES},
        send_digits=True,
        voicemail=Voicemail(max_seconds=20),
        collect=Collect("check_pin"),
        failure=FailurePlan(dice.choice(PLANS)),
    )


def drawn_reply(dice: Random) -> Reply:
    """Return words, and as a rule a way off the line with them; now and then several, or one that can't be taken."""
    ways = [
        *(CallTool("transfer_call", {"place": place.name, "reason": "r", "summary": "s"}) for place in PLACES),
        CallTool("transfer_call", {"place": "+15550100999", "reason": "r", "summary": "s"}),
        CallTool("send_digits", {"digits": "1w2#"}), CallTool("send_digits", {"digits": "1", "listen": True}),
        CallTool("send_digits", {"digits": "call me"}), CallTool("collect_digits", {"reason": "r", "count": 6}),
        CallTool("take_message", {"reason": "r"}), CallTool("hang_up", {"reason": "bye"}),
        CallTool("look_up", {"day": "Friday"}),
    ]  # fmt: skip
    words = Words(murmur(dice.choice([150, 500, 900])), "some words of an answer that may be cut")
    kind = dice.random()
    if kind < 0.2:
        return (words,)
    return (words, dice.choice(ways)) if kind < 0.85 else (words, *dice.sample(ways, 2))


def drawn_script(dice: Random) -> Script:
    """Return what the model says, and perhaps what is wrong with it."""
    return Script(
        opening=(Words(murmur(400), "Hello."),),
        turns=tuple(drawn_reply(dice) for _ in range(4)),
        answers=tuple(drawn_reply(dice) for _ in range(4)),
        fallback=(Words(murmur(300), "Pardon?"),),
        faults=Faults(**dice.choice(FAULTY)) if dice.random() < 0.25 else Faults(),
    )


def drawn_caller(dice: Random) -> Caller:
    """Return a caller who says something now and then, over the agent too."""
    acts: list[Step] = [Say(murmur(400), "words"), Say(murmur(300), "words"), Press(dice.choice("019#"))]
    waits: list[Step] = [WaitForQuiet(200, timeout_ms=2500), InterruptAfter(200, timeout_ms=1500), Wait(400)]
    steps = [dice.choice(kind) for _ in range(dice.randint(1, 4)) for kind in (waits, acts)]
    last: list[Step] = dice.choice([[WaitForEnd(9000)], [WaitForEnd(3000), HangUp()], [HangUp()]])
    return Caller(steps=(*steps, *last), patience_ms=400, answer_delay_ms=dice.choice([60, 400]))


def drawn_far_end(dice: Random) -> FarEnd:
    """Return what becomes of one excursion."""
    troubles = [*[""] * 24, *get_args(Trouble)]
    outcomes = ["completed", "completed", "busy", "no_answer", "declined", "failed", "canceled"]
    after_ms = dice.choice([200, 1500, 4000, 9000])
    return FarEnd(dice.choice(outcomes), after_ms, dice.choice(troubles), PIN)


def drawn_call(seed: int) -> Simulation:
    """Return the call of a seed, not made yet."""
    dice = Random(seed)
    far_ends = tuple(drawn_far_end(dice) for _ in range(6))
    return Simulation(drawn_caller(dice), drawn_script(dice), drawn_agent(dice), TOOLS, seed, far_ends)


# ---------------------------------------------------------------- what holds of every call


def faults_of(tape: Tape) -> list[str]:
    """Return which promises a call broke: none."""
    lines = [decode(raw) for raw in tape.lines]
    agent, rows = tape.header.agent_settings(), records_of(tape.header, lines)
    told = b"".join(tape.lines)
    checks = {
        "not exactly one end": sum(line.end is not None for line in lines) == 1,
        "one record a call": rows.call["call_sid"] == tape.header.call_sid,
        "a replay says something else": list(retold(tape)) == tape.lines,
        "a leg begins while another is there": legs_follow_each_other(lines),
        "something is played or given to the model while the caller is away": not heard_while_away(lines),
        "a place that is not configured": all(is_configured(agent, line) for line in lines),
        "away for longer than allowed": all(is_bounded(agent, *trip) for trip in trips_of(lines)),
        "silence on return": not silences(lines),
        "keys that were collected": PIN.encode() not in told,
        "the greeting again on return": b"Say exactly this" not in told.partition(b'"leave":')[2],
        "an answer twice": max(Counter(answers_of(lines)).values(), default=0) <= 1,
    }
    return [name for name, holds in checks.items() if not holds]


def starts(line: Line) -> bool:
    """Say whether this is the start of a stream."""
    return line.leg == PHONE and line.is_input and line.message.get("event") == "start"


def legs_follow_each_other(lines: list[Line]) -> bool:
    """Say whether each stream but the first comes after a leave and a return, and excursions count from 1."""
    numbers, legs, is_open, sid = [], [], False, ""
    for line in lines:
        if line.leave is not None:
            numbers.append(line.leave["number"])
            is_open = False
        elif line.leg == PHONE and line.close is not None:
            is_open = False
        elif line.back is not None:
            legs.append(line.back["leg"])
        elif starts(line) and line.message["streamSid"] != sid:  # the same again is no other one
            if is_open:
                return False
            is_open, sid = True, line.message["streamSid"]
    return numbers == [*range(1, len(numbers) + 1)] and legs == [*range(2, len(legs) + 2)]


def heard_while_away(lines: list[Line]) -> bool:
    """Say whether anything was sent to the phone or given to the model between a leave and the next start."""
    is_away = False
    for line in lines:
        is_away = (is_away or line.leave is not None) and not starts(line)
        if is_away and line.sender == BRIDGE and (line.audio is not None or line.append is not None):
            return True
        if is_away and line.sender == BRIDGE and line.leg == PHONE and line.msg:
            return True
    return False


def is_configured(agent: Agent, line: Line) -> bool:
    """Say whether a line sends nobody anywhere but to a place of the file."""
    if line.leave is None or line.leave["kind"] not in ("dial", "queue"):
        return True
    queues = {step.name for place in PLACES if isinstance(step := plan_to(place).step, JoinQueue)}
    return line.leave["to"] in (agent.transfer if line.leave["kind"] == "dial" else queues)


def trips_of(lines: list[Line]) -> Iterator[tuple[Line, int, bool]]:
    """Yield each leave, how long it lasted, and whether somebody had taken the caller."""
    begun: Line | None = None
    is_taken = False
    for line in lines:
        is_taken = is_taken or line.session_over is True
        if begun is not None and (line.leave is not None or line.back is not None or line.end is not None):
            yield begun, line.t_ms - begun.t_ms, is_taken
            begun = None
        if line.leave is not None:
            begun = line
            is_taken = False


def is_bounded(agent: Agent, leave: Line, ms: int, is_taken: bool) -> bool:
    """Say whether the caller was away for no longer than the kind of the step allows."""
    assert leave.leave is not None
    kind, to = leave.leave["kind"], leave.leave.get("to", "")
    place = agent.transfer.get(to, PLACES[0])
    bounds = {
        "dial": place.ring_seconds + 35 + (place.talk_seconds + 30 if is_taken or ms else 0),
        "digits": 20, "collect": 80, "voicemail": 60, "queue": 3600,
    }  # fmt: skip
    return ms <= bounds[kind] * 1000 + CONNECT_MS


def silences(lines: list[Line]) -> list[int]:
    """Return the times of returns after which nothing was heard for longer than the caller's patience."""
    bound_ms = 3 * LIMITS.answer_timeout_ms
    found, since, owed = [], None, False
    for line in lines:
        if since is not None and line.t_ms - since > bound_ms:
            found.append(since)
            since = None
        if line.leg == MODEL and line.sender == BRIDGE and line.message.get("type") == "response.create":
            owed = True
        if line.leave is not None or line.end is not None or line.audio is not None or is_callers(line):
            since = None
        if line.leg == PHONE and line.close is not None:
            since = None  # they are not on the stream
            owed = owed and line.audio is None
        if starts(line) and owed and any(one.back is not None for one in lines):
            since = line.t_ms
    return found


def is_callers(line: Line) -> bool:
    """Say whether the caller speaks here, as turn detection hears it, or presses a key: what they wait for is new."""
    if line.leg == PHONE:
        return line.is_input and line.message.get("event") == "dtmf"
    return line.is_input and line.leg == MODEL and "speech_started" in str(line.message.get("type"))


def answers_of(lines: list[Line]) -> Iterator[tuple[int, str]]:
    """Yield the session and the call id of each answer that was given to the model."""
    session = 1
    for line in lines:
        session = line.session_opens or session
        if (
            line.leg == MODEL
            and line.sender == BRIDGE
            and line.message.get("type") == "conversation.item.create"
        ):
            item = line.message["item"]
            if item["type"] == "function_call_output":
                yield session, item["call_id"]


def kinds_of(tape: Tape) -> set[str]:
    """Return what came about in a call."""
    lines = [decode(raw) for raw in tape.lines]
    left = {f"left by {line.leave['kind']}" for line in lines if line.leave is not None}
    back = {"came back" for line in lines if line.back is not None}
    taken = {"session over" for line in lines if line.session_over}
    asked = {"asked by Twilio" for line in lines[1:] if line.leg == HTTP}
    return left | back | taken | asked | {f"ended by {line.end['by']}" for line in lines if line.end}


def main(calls: int) -> None:
    """Make so many calls, and print what broke a promise, and what came about."""
    began, kinds, wrong = perf_counter(), Counter[str](), dict[int, list[str]]()
    for seed in range(calls):
        tape = drawn_call(seed).run()
        if faults := faults_of(tape):
            wrong[seed] = faults
        kinds.update(kinds_of(tape))
    print(f"{calls} calls in {perf_counter() - began:.1f} s; {len(wrong)} broke a promise")
    for seed, faults in wrong.items():
        print(f"  seed {seed}: {', '.join(faults)}")
    print("; ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items())))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
