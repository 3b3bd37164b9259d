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


def restaurant_call(folder: Path | None = None) -> Tape:
    """Return the demo's call, by the simulation; in a folder, if it is to be a file there."""
    story = STORIES["table"]()
    agent = agent_from(AGENT, {**RESTAURANT, **story.agent})
    tape = simulate(story.caller, story.model, agent, tools=(check_table, opening_hours))
    if folder is None:
        return tape
    path = folder / f"{tape.header.call_id}.jsonl.gz"
    write_tape(path, [encode_header(tape.header), *tape.lines])
    return evolve(tape, path=path)
