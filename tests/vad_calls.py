"""Composed calls on tape, small enough for tests, and a server that has heard them."""

from functools import cache

from attrs import evolve

from replay.sound.silero import probabilities
from replay.vad.compose.compose import Recipe, compose
from replay.vad.compose.composed_tape import heard_turns, write_composed
from replay.vad.engine.machine import Hearing, Setting
from replay.vad.truth.recording import Heard, Recording, ServerTurn

SMALL = Recipe(turns=(2, 3))
SETTING = Setting(0.6, 500, 300)
HEARING = Hearing(shift=-0.1, hysteresis=0.2, lag_ms=40)


@cache
def composed(count, seed=21):
    return tuple(compose(SMALL, seed, number) for number in range(count))


def write_calls(folder, count=3, *, heard=False, **kinds):
    """Write composed calls as tapes with labels; `heard` puts a server's events on them."""
    folder.mkdir(exist_ok=True)
    asked = {"setting": SETTING, "hearing": HEARING} if heard else {}
    return [write_composed(folder, call, **asked, **kinds) for call in composed(count)]


@cache
def recordings(count=12, noise_reduction="near_field"):
    """Return composed calls as recordings that a server with HEARING has heard; no tape is written."""
    return tuple(
        Recording(
            call_id=call.call_id,
            path=f"calls/{call.call_id}.jsonl.gz",
            agent_name="front-desk",
            audio=call.audio,
            noise_reduction=noise_reduction,
            heard=(Heard(SETTING, tuple(ServerTurn(*turn) for turn in heard_turns(call, SETTING, HEARING))),),
            agent=call.truth.agent,
        )
        for call in composed(count)
    )


def deaf(recording):
    """Return the recording as if a server with quite another detector had heard it."""
    turns = tuple(ServerTurn(start, start + 900) for start in range(500, recording.length_ms - 1000, 3100))
    return evolve(recording, heard=(Heard(SETTING, turns),))


def listened(count=12):
    return [probabilities(one.audio) for one in recordings(count)]
