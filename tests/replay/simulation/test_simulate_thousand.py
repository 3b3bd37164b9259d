"""A thousand calls of a day, each cut short after six seconds: faults of every kind; what holds of each."""

from collections import Counter
from typing import Final

import pytest
from attrs import evolve

from bench.day_calls import drawn_call
from bench.promises import faults_of
from bridge.store.records import Records, records_of
from bridge.tapes.tape import decode
from replay.simulation.simulate import Simulation

CALLS: Final = 1000
OF_TOOLS: Final = (
    "tool_delivered", "tool_undelivered", "tool_joined", "tool_cancelled", "tool_progress_told", "tool_filler",
    "nudged",
)  # fmt: skip


def short_call(seed: int) -> Simulation:
    """Return the call of a day's seed, with limits that it reaches soon."""
    whole = drawn_call(seed)
    limits = evolve(whole.agent.limits, max_call_seconds=6, quiet_seconds=2)
    caller = evolve(whole.caller, answer_delay_ms=min(400, whole.caller.answer_delay_ms))
    agent = evolve(whole.agent, limits=limits)
    return Simulation(caller, whole.script, agent, whole.tools, seed, whole.far_ends)


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
        tape = short_call(seed).run()
        lines = [decode(raw) for raw in tape.lines]
        rows = records_of(tape.header, lines)
        if faults := faults_of(tape, lines, rows):
            wrong[seed] = faults
        kinds.update(kinds_of(rows))
    assert wrong == {}
    wanted = [*(f"ended by {by}" for by in ("caller", "model", "tool", "limit")), "interruption", "tool"]
    assert min(kinds[kind] for kind in wanted) > 5, kinds  # or the thousand would be fewer than they seem
    assert sum(kinds[kind] for kind in OF_TOOLS) > 20, kinds
