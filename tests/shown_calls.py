"""Calls to be looked at: with real voices, an interruption and tools; made by the simulation, in a moment."""

from pathlib import Path

from attrs import evolve

from bridge.agents import agent_from
from bridge.tapes.header import encode_header
from bridge.tapes.reader import Tape
from replay.callers.restaurant import check_table, opening_hours
from replay.demo.stories import AGENT, RESTAURANT, STORIES
from replay.simulation.simulate import simulate
from replay.tapes.rewrite import write_tape

LIMITS = {"max_call_seconds": 3540, "quiet_seconds": 3540, "tool_calls_per_call": 1000}


def restaurant_call(folder: Path | None = None, *, turns: int = 1) -> Tape:
    """Return the demo's call, by the simulation; in a folder, if it is to be a file there.

    With more `turns` the caller asks for tables again and again before they say goodbye.
    """
    story = STORIES["table"]()
    *asks, quiet, thanks = story.caller.steps
    *answers, goodbye = story.model.turns
    *heard, thanked = story.model.heard
    caller = evolve(story.caller, steps=(*asks * turns, quiet, thanks))
    model = evolve(
        story.model, turns=(*answers * turns, goodbye), answers=story.model.answers * turns,
        heard=(*heard * turns, thanked),
    )  # fmt: skip
    agent = agent_from(AGENT, {**RESTAURANT, **story.agent, "limits": LIMITS})
    tape = simulate(caller, model, agent, tools=(check_table, opening_hours))
    if folder is None:
        return tape
    path = folder / f"{tape.header.call_id}.jsonl.gz"
    write_tape(path, [encode_header(tape.header), *tape.lines])
    return evolve(tape, path=path)
