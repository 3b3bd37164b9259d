"""Measured calls made by hand: a steady agent with a little noise, and what can be planted in it."""

from collections.abc import Callable, Sequence
from random import Random

from attrs import evolve

from replay.compare.outcome import Comparison, Conditions, compare
from replay.judge.call import Call
from replay.judge.metrics import Interruption, Measures, ToolUse
from replay.judge.thresholds import Thresholds, thresholds_of

CALLERS = ("asks-hours", "books-table", "interrupts")
WANTED = "Hello, this is Harbour Table. How can I help you?"
TIMES = {"day": "Friday", "people": 4, "time": "19:00"}

Change = Callable[[Measures, int], Measures]


def measures(random: Random, noise_ms: float = 40) -> Measures:
    """Return one call of the steady agent."""

    def about(ms: int) -> int:
        return round(random.gauss(ms, noise_ms))

    return Measures(
        greeting=WANTED,
        greeting_agreement=1.0,
        first_heard_ms=about(420),
        interruptions=(Interruption(9000, random.randint(0, 3), about(180), random.randint(20, 40), False),),
        missed_interruptions=0,
        words_lost=0,
        tools=(tool(TIMES, called_ms=about(700), took_ms=about(200)),),
        latencies_ms=(about(800), about(800), about(800)),
        items_per_response=(1, 1, 2, 1),
        ended_by="tool",
        why="the agent hung up",
        tokens={
            "text_in": 400,
            "text_cached": 0,
            "text_out": 120,
            "audio_in": 300,
            "audio_cached": 0,
            "audio_out": 500,
        },
        cost_usd=random.gauss(0.04, 0.001),
        cost_without="",
        duration_ms=about(14_000),
    )


def tool(arguments: object, called_ms: int = 700, took_ms: int = 200) -> ToolUse:
    """Return a tool call that was answered, and the answer spoken."""
    return ToolUse("check_table", arguments, "{}", called_ms, took_ms, is_answered=True, is_spoken=True)


def same(measures: Measures, repeat: int) -> Measures:
    """Change nothing."""
    return measures


def calls(
    variant: str, seed: int, change: Change = same, *, repeats: int = 5, callers: Sequence[str] = CALLERS,
    noise_ms: float = 40,
) -> list[Call]:  # fmt: skip
    """Return a variant's calls, every caller so many times."""
    random = Random(f"{variant}-{seed}")
    return [
        Call(
            variant,
            caller,
            repeat,
            f"{variant}/{caller}-{repeat}.jsonl.gz",
            change(measures(random, noise_ms), repeat),
        )
        for repeat in range(repeats)
        for caller in callers
    ]


def conditions(repeats: int = 5, callers: Sequence[str] = CALLERS) -> Conditions:
    """Return what such calls have in common."""
    return Conditions("front-desk", "turns", dict.fromkeys(callers, "0" * 64), repeats)


def compared(
    change: Change = same, *, seed: int = 1, repeats: int = 5, thresholds: Thresholds | None = None
) -> Comparison:
    """Return the comparison of the steady agent with one in which something was planted."""
    sides = calls("old", seed, repeats=repeats), calls("new", seed, change, repeats=repeats)
    return compare(conditions(repeats), sides[0], [sides[1]], thresholds_of(thresholds or {}))


# ---------------------------------------------------------------- what can be planted


def other_greeting_in_one_of_five(measures: Measures, repeat: int) -> Measures:
    """Greet with other words in every fifth call."""
    if repeat % 5 != 3:
        return measures
    return evolve(
        measures, greeting="Hi there, Harbour Table, what can I do for you?", greeting_agreement=0.4
    )


def silent_300_ms_later(measures: Measures, repeat: int) -> Measures:
    """Go on talking 300 ms longer when interrupted."""
    late = [
        evolve(one, onset_to_silence_ms=(one.onset_to_silence_ms or 0) + 300)
        for one in measures.interruptions
    ]
    return evolve(measures, interruptions=tuple(late))


def other_time_format(measures: Measures, repeat: int) -> Measures:
    """Ask the tool for 7 pm."""
    return evolve(measures, tools=(tool({**TIMES, "time": "7 pm"}),))


def one_more_item(measures: Measures, repeat: int) -> Measures:
    """Put one more output item into every response."""
    return evolve(measures, items_per_response=tuple(count + 1 for count in measures.items_per_response))
