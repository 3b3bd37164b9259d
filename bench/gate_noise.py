"""How calls of one and the same live model differ: a model of it with few parameters, and the calls that it makes.

No call is made: what is drawn are measured calls, as `replay compare` has them from tapes, some thousands a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Final

import numpy as np
from attrs import evolve, field, frozen

from bridge.errors import BridgeError
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.compare.outcome import Conditions
from replay.judge.call import Call
from replay.judge.metrics import Interruption, Measures, ToolUse, measures_of

WANTED: Final = "Hello, this is Harbour Table. How can I help you?"
OTHERS: Final = (
    "Hello, Harbour Table here. How may I help you?",
    "Hi, this is Harbour Table. How can I help you today?",
    "Hello and welcome to Harbour Table. What can I do for you?",
)
NOTES: Final = (
    "window",
    "quiet",
    "birthday",
    "pram",
    "terrace",
    "near",
    "the",
    "a",
    "please",
    "table",
    "for",
    "dog",
)
TURNS: Final = (2, 3, 4)
"""Answers of a call, by caller: some callers say more than others."""


@frozen
class Noise:
    """How much calls vary: shares of calls, and spreads as parts of the mean.

    `mood` is by how much callers differ from each other, `call_spread` calls of one caller beyond their turns;
    `unsaid` calls leave out a fact that must be said, `news` tell a number that no other does.
    """

    reworded: float = 0.06
    other_tool: float = 0.06
    free_words: bool = True
    answer_ms: float = 900.0
    answer_spread: float = 0.35
    call_spread: float = 0.0
    mood: float = 0.25
    silence_ms: float = 260.0
    silence_spread: float = 0.35
    tokens: float = 600.0
    token_spread: float = 0.12
    unsaid: float = 0.04
    news: float = 0.06


LIVE: Final = Noise()
"""What was reported of live models."""

CALM: Final = Noise(
    reworded=0.02,
    other_tool=0.02,
    answer_spread=0.15,
    silence_spread=0.15,
    token_spread=0.06,
    unsaid=0.02,
    news=0.02,
)
"""A model that varies a third to half as much."""


@frozen
class Change:
    """What is planted in a variant's calls; what is no time and no token is a share of calls in addition."""

    answer_ms: float = 0.0
    silence_ms: float = 0.0
    reworded: float = 0.0
    other_form: float = 0.0
    tokens_percent: float = 0.0
    unsaid: float = 0.0
    other_price: float = 0.0


EQUAL: Final = Change()


def callers_of(count: int) -> tuple[str, ...]:
    """Return the names of so many callers."""
    return tuple(f"caller-{number + 1}" for number in range(count))


def conditions_of(callers: int, repeats: int) -> Conditions:
    """Return what such calls have in common."""
    return Conditions("front-desk", "turns", dict.fromkeys(callers_of(callers), "0" * 64), repeats)


@frozen(eq=False)
class Town:
    """Callers with their moods, who may ring any variant any number of times."""

    noise: Noise
    random: np.random.Generator
    moods: Mapping[str, float]
    words: np.random.Generator
    """Draws of its own for what is said: the others stay as they were before it was drawn."""

    def calls(
        self, variant: str, repeats: int | range, change: Change = EQUAL, callers: Sequence[str] = ()
    ) -> list[Call]:
        """Return the measured calls of a variant."""
        which = range(repeats) if isinstance(repeats, int) else repeats
        return [
            self._call(variant, caller, repeat, change)
            for repeat in which
            for caller in callers or self.moods
        ]

    def _call(self, variant: str, caller: str, repeat: int, change: Change) -> Call:
        is_said = self.words.random() >= self.noise.unsaid + change.unsaid
        told = ["48 dollar" if self.words.random() < change.other_price else "45 dollar", "friday"]
        told += ["7:00"] if is_said else []
        told += [str(self.words.integers(100, 100_000))] if self.words.random() < self.noise.news else []
        measures = evolve(self._measures(caller, change), said=(" ".join(told),), told=tuple(told))
        return Call(variant, caller, repeat, "", measures, promised={"7 pm": is_said})

    def _measures(self, caller: str, change: Change) -> Measures:
        noise, random, mood = self.noise, self.random, self.moods[caller]
        turns = TURNS[list(self.moods).index(caller) % len(TURNS)]
        slow = mood * _about(random, 1.0, noise.call_spread)
        delays = [
            _about(random, noise.answer_ms * slow, noise.answer_spread) + change.answer_ms
            for _ in range(turns)
        ]
        silence = _about(random, noise.silence_ms, noise.silence_spread) + change.silence_ms
        tokens = _about(random, noise.tokens, noise.token_spread) * (1 + change.tokens_percent / 100)
        is_reworded = random.random() < noise.reworded + change.reworded
        return Measures(
            greeting=str(random.choice(OTHERS)) if is_reworded else WANTED,
            greeting_agreement=0.75 if is_reworded else 1.0,
            first_heard_ms=round(_about(random, 420, noise.answer_spread)),
            interruptions=(Interruption(9000, int(random.integers(0, 3)), round(silence), 20, False),),
            missed_interruptions=0,
            words_lost=0,
            tools=(self._tool(change, slow),),
            latencies_ms=tuple(map(round, delays)),
            items_per_response=(1,) * turns + (2,),
            ended_by="tool",
            why="the agent hung up",
            tokens={"text_in": 400, "text_cached": 0, "text_out": round(tokens / 5), "audio_in": 300,
                    "audio_cached": 0, "audio_out": round(tokens * 4 / 5)},
            cost_usd=0.01 + tokens * 5e-5,
            cost_without="",
            duration_ms=14_000,
        )  # fmt: skip

    def _tool(self, change: Change, slow: float) -> ToolUse:
        random = self.random
        is_other = random.random() < self.noise.other_tool
        arguments = {"people": 4, "time": "7 pm" if random.random() < change.other_form else "19:00"}
        words = (
            random.choice(NOTES, size=int(random.integers(1, 6))) if self.noise.free_words else ("window",)
        )
        called, took = (_about(random, mean, self.noise.answer_spread) for mean in (700 * slow, 200))
        return ToolUse(
            "find_table" if is_other else "check_table", {**arguments, "note": " ".join(words)}, "{}",
            round(called), round(took), is_answered=True, is_spoken=True, free=(".note",),
        )  # fmt: skip


def _about(random: np.random.Generator, mean: float, spread: float) -> float:
    """Return a log-normal number of this mean and relative spread."""
    deviation = np.sqrt(np.log1p(spread**2))
    return float(mean * np.exp(random.normal(-(deviation**2) / 2, deviation)))


def town_of(noise: Noise, callers: int, seed: int) -> Town:
    """Return callers, each with a mood of their own."""
    random = np.random.default_rng(seed)
    moods = {name: _about(random, 1.0, noise.mood) for name in callers_of(callers)}
    return Town(noise, random, moods, random.spawn(1)[0])


@frozen(eq=False)
class Ledger:
    """Calls that are made when they are asked for, and kept: what a folder of tapes is to the command."""

    town: Town
    changes: Mapping[str, Change]
    kept: dict[tuple[str, str], list[Call]] = field(factory=dict)

    def make(self, counts: Mapping[tuple[str, str], int]) -> list[Call]:
        """Return so many calls of each caller to each variant."""
        for (variant, caller), count in counts.items():
            known = self.kept.setdefault((variant, caller), [])
            more = range(len(known), count)
            known += self.town.calls(variant, more, self.changes.get(variant, EQUAL), [caller])
        return [call for key, count in counts.items() for call in self.kept[key][:count]]


# ---------------------------------------------------------------- fitted to tapes


def fitted(folder: Path, *, base: Noise = LIVE) -> Noise:
    """Return the noise of recorded calls; tapes that can't be read cost themselves. Raises `ValueError` for too few.

    Calls with the same agent are taken for calls of one caller: what callers do differently counts as noise, too.
    """
    found = list(_measured(tapes_under(folder)))
    if len(found) < 5:
        raise ValueError(
            f"{folder}: {len(found)} tapes that can be read; five are the least that show any noise"
        )
    delays = [list(map(float, one.latencies_ms)) for one in found if one.latencies_ms]
    means = [fmean(turns) for turns in delays]
    within = [value / fmean(turns) for turns in delays if len(turns) > 1 for value in turns]
    silences = [
        float(cut.onset_to_silence_ms)
        for one in found
        for cut in one.interruptions
        if cut.onset_to_silence_ms
    ]
    tokens = [float(one.tokens["text_out"] + one.tokens["audio_out"]) for one in found if one.has_usage]
    tools = [" ".join(tool.name for tool in one.tools) for one in found]
    greetings = [one.greeting for one in found if one.greeting is not None]
    spread = _spread(within, base.answer_spread)
    return evolve(
        base,
        reworded=_departing(greetings, base.reworded),
        other_tool=_departing(tools, base.other_tool),
        answer_ms=fmean(means) if means else base.answer_ms,
        answer_spread=spread,
        mood=_spread(means, base.mood),
        silence_ms=fmean(silences) if silences else base.silence_ms,
        silence_spread=_spread(silences, base.silence_spread),
        tokens=fmean(tokens) if tokens else base.tokens,
        token_spread=_spread(tokens, base.token_spread),
    )


def _measured(paths: Sequence[Path] | Iterator[Path]) -> Iterator[Measures]:
    for path in paths:
        try:
            tape = read_tape(path)
            yield measures_of(tape.header, map(decode, tape.lines))
        except BridgeError as error:
            print(f"left out: {path}: {error}")


def _spread(values: Sequence[float], default: float) -> float:
    return (
        float(np.std(values, ddof=1) / np.mean(values))
        if len(values) > 2 and np.mean(values) > 0
        else default
    )


def _departing(labels: Sequence[str], default: float) -> float:
    """Return the share of labels that are not the most frequent one."""
    return 1 - max(map(partial(list.count, list(labels)), labels)) / len(labels) if labels else default
