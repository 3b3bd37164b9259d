"""The calls of a day, each drawn from its seed: who calls, what the model says, and what goes wrong on either leg."""

from random import Random
from typing import Any, Final, get_args

import trio
from attrs import evolve

from bench.day_webhooks import drawn_deliveries
from bench.excursions import FAULTY, PLACES, PLANS, check_pin, drawn_far_end
from bridge.agents import Agent
from bridge.settings.filler import Clip, Filler
from bridge.settings.limits import Limits
from bridge.settings.places import Collect, FailurePlan, Voicemail
from bridge.settings.speaking import Speaking
from bridge.settings.tool_speech import ToolSpeech
from bridge.settings.turn_detection import ServerVad
from bridge.tools import Progress, Tool, tool
from replay.model.script import CallTool, Delivery, Faults, Reply, Script, Silence, Transcription
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
    WaitForEnd,
    WaitForQuiet,
)
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur

HOLD: Final = Filler(Clip("hold.wav", murmur(300)), after_ms=300)
BOUND_MS: Final = 1500
TURN_SECONDS: Final = 4
RECONNECT_MS: Final = 1500
LIMITS: Final = Limits(
    max_call_seconds=60, quiet_seconds=5, lost_media_ms=1500, model_ready_ms=1200, answer_timeout_ms=BOUND_MS,
    max_turn_seconds=TURN_SECONDS, reconnect_ms=RECONNECT_MS,
)  # fmt: skip


@tool
async def look_up(seconds: int) -> str:
    """Look something up, which takes its time."""
    await trio.sleep(seconds)
    return "yes"


@tool(timeout_ms=2000)
async def hang() -> str:
    """Never answer."""
    await trio.sleep(60)
    return "never"


@tool(late=True, timeout_ms=20_000)
async def order(seconds: int, progress: Progress) -> str:
    """Order something; what comes of it is told when it comes."""
    await trio.sleep(seconds / 2)
    progress.update("half of it is ordered")
    await trio.sleep(seconds / 2)
    return "ordered"


@tool(once=True)
async def book(seconds: int) -> str:
    """Book something, once."""
    await trio.sleep(seconds)
    return "booked"


@tool(cancellable=True)
async def search(seconds: int) -> str:
    """Search, unless the caller goes on."""
    await trio.sleep(seconds)
    return "found"


@tool
def break_down() -> str:
    """Break."""
    raise RuntimeError("out of order")


TOOLS: Final[list[Tool]] = [look_up, hang, order, book, search, break_down, check_pin]
MODEL_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    *FAULTY, {"refuse": "invalid_api_key"}, {"never_create": True}, {"fail_responses": 1}, {"fail_responses": 9},
    {"fail_responses": 2, "try_again_in": "20s"}, {"close_after_ms": 900, "close_with_error": False},
    {"drop_after_ms": 6100}, {"stray_errors": True}, {"garbage": ("unknown_error",)},
    {"garbage": ("binary_frame", "broken_json", "not_an_object", "unknown_event", "missing_fields")},
)  # fmt: skip


def drawn_call(seed: int) -> Simulation:
    """Return the call of a seed, not made yet."""
    dice = Random(f"day {seed}")
    lost_ms = drawn_deliveries(seed).lost_ms
    far_ends = tuple(drawn_far_end(dice) for _ in range(6))
    caller, script = drawn_caller(dice), drawn_script(dice, seed)
    caller = evolve(caller, answer_delay_ms=caller.answer_delay_ms + lost_ms)
    return Simulation(caller, script, drawn_agent(dice), TOOLS, seed, far_ends)


def drawn_agent(dice: Random) -> Agent:
    """Return an agent that may put callers through; its sessions may be left soon, and lost ones be followed or not."""
    limits = evolve(
        LIMITS,
        session_seconds=dice.choice([0, 0, 6, 15]),
        reconnects=dice.choice([0, 1, 3, 3]),
        stream_returns=dice.choice([0, 2]),
        goodbye_seconds=dice.choice([0, 15]),
        still_there_seconds=dice.choice([0, 3]),
        lead_ms=dice.choice([40, 300]),
        spend_cap_usd=dice.choice([0.0, 0.0, 0.0, 0.004]),
    )
    return Agent(
        name="front-desk",
        limits=limits,
        turn_detection=ServerVad(
            silence_duration_ms=dice.choice([200, 500]),
            interrupt_response=dice.random() < 0.85,
            create_response=dice.random() < 0.85,
        ),
        transfer={place.name: place for place in PLACES},
        send_digits=True,
        voicemail=Voicemail(max_seconds=20),
        collect=Collect("check_pin"),
        failure=FailurePlan(dice.choice(PLANS)),
        speaking=drawn_rules(dice),
        tool_speech=dice.choice(
            [ToolSpeech(), ToolSpeech(filler_after_ms=300, progress_every_ms=500, nudge_after_ms=400)]
        ),
        filler=Filler(Clip("hold.wav", murmur(300)), after_ms=dice.choice([300, 1500]))
        if dice.random() < 0.3
        else Filler(),
    )


def drawn_rules(dice: Random) -> Speaking:
    """Return speaking rules, for four calls of ten."""
    if dice.random() < 0.6:
        return Speaking()
    return Speaking(
        protect_greeting=dice.random() < 0.5,
        protected=dice.choice([(), ("an answer that may be cut",)]),
        min_speech_ms=dice.choice([0, 300]),
        min_words=dice.choice([0, 0, 2]),
        backchannels=dice.choice([False, True]),
        resume_after_ms=dice.choice([0, 600]),
    )


# ---------------------------------------------------------------- the model


def drawn_script(dice: Random, seed: int) -> Script:
    """Return what the model says and calls, and perhaps what is wrong with it."""
    delivery = Delivery(
        mode=dice.choice(["cut", "cut", "single", "odd", "frames"]),
        items=dice.choice([1, 1, 2]),
        speed=dice.choice([1.0, 1.5, 8, 40]),
        response_delay_ms=dice.choice([0, 150, 400]),
        late_deltas=dice.choice([0, 0, 3]),
    )
    return Script(
        opening=(Words(murmur(500), "Hello."),),
        turns=tuple(drawn_reply(dice) for _ in range(4)),
        answers=tuple(drawn_reply(dice) for _ in range(4)),
        fallback=(Words(murmur(300), "Pardon?"),),
        transcription=Transcription(dice.choice(["soon", "late", "failed", "never"])),
        delivery=delivery,
        faults=drawn_faults(dice, seed),
    )


def drawn_faults(dice: Random, seed: int) -> Faults:
    """Return what is wrong with the model: nothing in half of all calls; else with all its sessions, or the first."""
    kind = dice.random()
    if kind < 0.5:
        return Faults()
    chosen: dict[str, Any] = dict(dice.choice(MODEL_FAULTS))
    if kind > 0.75:
        silence = dice.choice(get_args(Silence))
        chosen = {
            "silence": silence,
            "silent_from": dice.randint(0, 3),
            "silent_for": dice.choice([1, 2, 1_000_000]),
        }
    return Faults(
        **chosen, first_sessions_only=dice.choice([None, seed + 1, seed + 1])
    )  # sessions count from there


def drawn_reply(dice: Random) -> Reply:
    """Return words, tools, or a way off the stream; several, now and then, or one that can't be taken."""
    text = dice.choice(["some words of an answer that may be cut"] * 2 + ["let me check that"])
    words = Words(murmur(dice.choice([150, 500, 900])), text)
    tools = [
        CallTool("look_up", {"seconds": dice.choice([0, 1, 5])}), CallTool("hang"), CallTool("break_down"),
        CallTool("look_up", "{"), CallTool("nobody_knows"), CallTool("order", {"seconds": dice.choice([1, 2, 6])}),
        CallTool("book", {"seconds": dice.choice([0, 3])}), CallTool("search", {"seconds": dice.choice([1, 4])}),
    ]  # fmt: skip
    ways = [
        *(CallTool("transfer_call", {"place": place.name, "reason": "r", "summary": "s"}) for place in PLACES),
        CallTool("transfer_call", {"place": "+15550100999", "reason": "r", "summary": "s"}),
        CallTool("send_digits", {"digits": "1w2#"}), CallTool("collect_digits", {"reason": "r", "count": 6}),
        CallTool("take_message", {"reason": "r"}), *[CallTool("hang_up", {"reason": "bye"})] * 2,
    ]  # fmt: skip
    kind = dice.random()
    if kind < 0.5:
        return (words,)
    if kind < 0.75:
        return tuple(dice.sample(tools, dice.randint(1, 2)))
    return (words, dice.choice(ways)) if kind < 0.95 else (words, *dice.sample([*tools, *ways], 2))


# ---------------------------------------------------------------- the caller


def drawn_caller(dice: Random) -> Caller:
    """Return somebody who is never silent for long, on a network and with a telephone that may be at fault."""
    steps = [step for _ in range(dice.choice([1, 2, 3, 4])) for step in drawn_exchange(dice)]
    if dice.random() < 0.2:
        faults: list[Step] = [
            DropSocket(),
            DropSocket(),
            GoSilent(),
            StopReading(),
            SendRaw("{"),
            SendRaw(b"\x00"),
        ]
        steps.insert(dice.randint(0, len(steps)), dice.choice(faults))
    last: list[Step] = dice.choice(
        [[HangUp()], [WaitForQuiet(200, timeout_ms=4000), HangUp()], [WaitForEnd(9000)]]
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
        WaitForQuiet(200, timeout_ms=4000),
        InterruptAfter(dice.randint(50, 700), timeout_ms=1500),
        Wait(dice.randint(0, 500)),
    ]
    acts: list[Step] = [Say(murmur(dice.choice([120, 300, 500])), "words"), Press(dice.choice("019#"))]
    return [dice.choice(waits), dice.choices(acts, (5, 1))[0]]


def drawn_network(dice: Random) -> Network:
    """Return a good network for two calls of three, else one with some of what networks and Twilio do."""
    if dice.random() < 0.66:
        return Network()
    bad = {
        "loss": 0.1,
        "latency_ms": 150,
        "jitter_ms": 80,
        "stall_ms": 300,
        "mark_loss": 0.3,
        "mark_late_ms": 600,
    }
    chosen: dict[str, Any] = {name: bad[name] for name in dice.sample(sorted(bad), dice.randint(1, 3))}
    if "mark_loss" in chosen and dice.random() < 0.2:
        chosen["mark_loss"] = 1.0
    return Network(seed=dice.randint(0, 99), stall_every_ms=900, **chosen)
