"""A thousand calls with a model that goes silent in every way there is: how long did anybody wait for a sound?

    uv run python -m bench.silent_calls [CALLS]

Everything is drawn from the call's number. What the caller hears is measured on their line, frame by frame; what the
heart believes plays no part. Exit code 1 when somebody waited longer than the bound and as long again for the asking.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from time import perf_counter
from typing import Final, get_args

import trio
from attrs import define, field, frozen

from bridge.agents import Agent
from bridge.heart.audio import FRAME_BYTES, is_audible
from bridge.heart.keys import PAUSE_MS
from bridge.settings.limits import Limits
from bridge.settings.turn_detection import ServerVad
from bridge.store.records import Records, records_of
from bridge.tapes.tape import decode
from bridge.tools import Tool, tool
from replay.model.script import CallTool, Delivery, Faults, Reply, Script, Silence
from replay.model.script import Say as Words
from replay.phone.script import Caller, HangUp, Press, Say, Step, WaitForAgent, WaitForQuiet
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur

CALLS: Final = 1000
BOUND_MS: Final = 1500
TURN_SECONDS: Final = 4
FRAME_MS: Final = 20
BURST_MS: Final = 100
"""Less sound than this, with silence around it, is a click and no answer."""

LIMITS: Final = Limits(
    max_call_seconds=60, quiet_seconds=30, answer_timeout_ms=BOUND_MS, max_turn_seconds=TURN_SECONDS
)
SLACK_MS: Final = 300
"""What runs beside a bound: the frame it ends in, clicks, a caller who takes breath before they answer."""

WAYS: Final[tuple[Silence, ...]] = get_args(Silence)


@tool
async def look_up(seconds: int) -> str:
    """Look something up, which takes its time."""
    await trio.sleep(seconds)
    return "yes"


TOOLS: Final[list[Tool]] = [look_up]

# ---------------------------------------------------------------- what is drawn


def drawn(seed: int) -> tuple[Simulation, Silence]:
    """Return a call that has not been made yet, and how its model goes silent."""
    dice = Random(seed)
    way = WAYS[seed % len(WAYS)]
    agent = Agent(name="front-desk", limits=LIMITS, turn_detection=drawn_turns(dice))
    return Simulation(drawn_caller(dice), drawn_script(dice, way), agent, TOOLS, seed), way


def drawn_turns(dice: Random) -> ServerVad:
    return ServerVad(
        silence_duration_ms=dice.choice([200, 500]),
        create_response=dice.random() < 0.8,
        interrupt_response=dice.random() < 0.8,
    )


def drawn_caller(dice: Random) -> Caller:
    """Somebody who always has a next question; some press keys, and some ask whether anybody is there."""
    steps: list[Step] = []
    for _ in range(dice.randint(2, 4)):
        steps.append(WaitForQuiet(200, timeout_ms=20_000))
        steps.append(Press("5") if dice.random() < 0.15 else Say(murmur(dice.choice([300, 700])), "words"))
        if dice.random() < 0.3:
            steps += [WaitForAgent(timeout_ms=dice.randint(900, 2400)), Say(murmur(300), "Hello?")]
    return Caller(steps=(*steps, WaitForQuiet(200, timeout_ms=20_000), HangUp()), answer_delay_ms=0)


def drawn_script(dice: Random, way: Silence) -> Script:
    faults = Faults(
        silence=way,
        silent_from=dice.randint(0, 3),
        silent_for=dice.choice([1, 2, 1_000_000]),
        fail_responses=dice.choice([0, 0, 0, 2]),
        try_again_in=dice.choice(["", "620ms", "1.2s", "20s"]),
    )
    return Script(
        opening=(Words(murmur(500), "Hello."),),
        turns=tuple(drawn_reply(dice) for _ in range(4)),
        answers=tuple(drawn_reply(dice) for _ in range(2)),
        fallback=(Words(murmur(300), "One moment."),),
        delivery=Delivery(
            speed=dice.choice([1.0, 8.0]), response_delay_ms=dice.choice([50, 400]), mode=dice.choice(["cut", "frames"])
        ),
        faults=faults,
    )  # fmt: skip


def drawn_reply(dice: Random) -> Reply:
    words = Words(murmur(dice.choice([400, 900])), "an answer")
    call = CallTool("look_up", {"seconds": dice.choice([0, 1, 5])})
    return dice.choice([(words,), (words,), (call,), (words, call)])


# ---------------------------------------------------------------- what is heard


def longest_silence_ms(simulation: Simulation) -> int:
    """Return the longest time in which neither the agent nor the caller was heard."""
    longest = silent = 0
    for sound_ms, is_sound in runs(simulation):
        silent = 0 if is_sound and sound_ms >= BURST_MS else silent + sound_ms
        longest = max(longest, silent)
    return longest


def runs(simulation: Simulation) -> Iterator[tuple[int, bool]]:
    """Yield how long it was silent, loud, silent ... on the line, from the beginning of the stream."""
    heard, said = bytes(simulation.line.heard), bytes(simulation.line.said)
    length, before = 0, False
    for at in range(0, max(len(heard), len(said)), FRAME_BYTES):
        is_sound = is_audible(heard[at : at + FRAME_BYTES]) or is_audible(said[at : at + FRAME_BYTES])
        if is_sound != before:
            yield length, before
            length, before = 0, is_sound
        length += FRAME_MS
    yield length, before


def most_ms(simulation: Simulation, way: Silence) -> int:
    """Return how long a silence may be: twice the bound, from when the caller can be known to have ended."""
    vad = simulation.agent.turn_detection
    pause_ms = vad.silence_duration_ms if isinstance(vad, ServerVad) else 0
    if any(isinstance(step, Press) for step in simulation.caller.steps):
        pause_ms = (
            2 * PAUSE_MS
        )  # an entry is the caller's turn, as speech is: it lasts so long, and takes back as much waiting
    if way == "no_stop":
        pause_ms = TURN_SECONDS * 1000
    return pause_ms + 2 * BOUND_MS + SLACK_MS


@frozen
class Outcome:
    """What became of one call."""

    seed: int
    way: Silence
    silence_ms: int
    most_ms: int
    rows: Records

    @property
    def is_right(self) -> bool:
        """Say whether nobody waited too long, and a call that was given up ended with a sentence."""
        is_given_up = self.rows.call["ended_by"] == "model"
        return self.silence_ms <= self.most_ms and (self.rows.call["next_step"] == "say") == is_given_up


def outcome_of(seed: int) -> Outcome:
    """Make one call."""
    simulation, way = drawn(seed)
    tape = simulation.run()
    rows = records_of(tape.header, map(decode, tape.lines))
    return Outcome(seed, way, longest_silence_ms(simulation), most_ms(simulation, way), rows)


@define
class Tally:
    """All calls together."""

    longest: Counter[str] = field(factory=Counter)
    done: Counter[str] = field(factory=Counter)
    wrong: list[Outcome] = field(factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a call."""
        self.longest[outcome.way] = max(self.longest[outcome.way], outcome.silence_ms)
        self.done[f"ended by {outcome.rows.call['ended_by']}"] += 1
        self.done.update(
            {what: count for what, count in outcome.rows.call["counts"].items() if "dead air" in what}
        )
        if not outcome.is_right:
            self.wrong.append(outcome)


def main(calls: int) -> int:
    """Make so many calls and print what became of them."""
    began, tally = perf_counter(), Tally()
    for seed in range(calls):
        tally.add(outcome_of(seed))
    print(
        f"{calls} calls in {perf_counter() - began:.1f} s; bound {BOUND_MS} ms, turns at most {TURN_SECONDS} s"
    )
    for way, ms in tally.longest.items():
        print(f"  {way:14} longest silence {ms} ms")
    print(", ".join(f"{what}: {count}" for what, count in sorted(tally.done.items())))
    for outcome in tally.wrong:
        why = outcome.rows.call["why"]
        print(
            f"WRONG call {outcome.seed} ({outcome.way}): {outcome.silence_ms} of {outcome.most_ms} ms; {why}"
        )
    print(f"{len(tally.wrong)} of {calls} calls went wrong")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
