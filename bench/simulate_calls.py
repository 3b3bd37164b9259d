"""How fast calls are simulated: the demo's conversation again and again, on one core, with other ids each time.

    uv run python bench/simulate_calls.py [CALLS]

It prints what `bench/simulation.md` keeps, and checks that every call ended as the conversation does.
"""

import sys
from time import perf_counter, process_time

from bridge.agents import Agent
from replay.callers.restaurant import check_table, opening_hours
from replay.demo.stories import caller_does, model_says
from replay.simulation.simulate import Simulation

CALLS = 160
"""A little less than an hour of the demo's 22 seconds."""


def simulated(seed: int) -> Simulation:
    """Return the demo's call, made."""
    agent = Agent(name="front-desk")
    simulation = Simulation(caller_does(), model_says(), agent, (check_table, opening_hours), seed)
    simulation.run()
    return simulation


def main(calls: int) -> None:
    """Make so many calls and print how long they took."""
    simulated(0)  # clips and tables are read once
    began, used = perf_counter(), process_time()
    done = [simulated(seed) for seed in range(calls)]
    took, used = perf_counter() - began, process_time() - used
    said_ms = sum(one.ended_ms for one in done)
    lines = sum(len(one.lines) for one in done)
    assert all(b'"end":{"by":"tool"' in b"".join(one.lines[-4:]) for one in done)
    print(f"{calls} calls, {said_ms / 3_600_000:.2f} h of conversation, {lines} lines of tape")
    print(f"{took:.2f} s ({used:.2f} s of CPU): {said_ms / 1000 / took:.0f} x real time,", end=" ")
    print(f"{took * 3_600_000 / said_ms:.1f} s an hour, {took / calls * 1000:.1f} ms a call")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
