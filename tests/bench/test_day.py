"""Some of the calls that `python -m bench.day` makes by the thousand: random faults on either leg, and what holds."""

import pytest
from attrs import evolve

from bench.day import Day, absences_of, judged, longest_waits
from bench.day_calls import BOUND_MS, drawn_call
from bridge.tapes.tape import decode
from replay.model.script import Faults
from replay.phone.network import Network
from replay.phone.script import Caller, LoseStream, Say, Wait, WaitForEnd, WaitForQuiet
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur

CALLS = 60
FIRST = 2026


def test_some_dozen_calls_of_a_day_keep_every_promise() -> None:
    day = Day()
    for seed in range(FIRST, FIRST + CALLS):
        day.make(seed)
    assert day.broken == {}
    wanted = ["ended by caller", "ended by model", "came back", "tool failed", "nudged", "session_followed"]
    assert min(day.kinds[kind] for kind in wanted) >= 3, day.kinds


@pytest.mark.parametrize("seed", [986616651, 986617346, 986617738, 128746107, 848126033, 848129967])
def test_a_call_that_broke_a_promise_once_keeps_it(seed: int) -> None:
    assert judged(seed).faults == []


def test_a_call_is_made_of_its_seed_alone() -> None:
    first, again = (judged(FIRST).tape for _ in range(2))
    assert first.lines == again.lines


def test_a_stream_that_breaks_off_comes_back_and_nobody_counts_that_as_silence() -> None:
    simulation = drawn_call(FIRST)
    steps = (WaitForQuiet(200), LoseStream(), Wait(400), Say(murmur(400), "words"), WaitForEnd(3000))
    agent = evolve(simulation.agent, limits=evolve(simulation.agent.limits, stream_returns=1))
    script = evolve(simulation.script, faults=Faults())
    tape = Simulation(Caller(steps=steps), script, agent).run()
    lines = [decode(raw) for raw in tape.lines]
    ((begin, end),) = absences_of(lines)
    assert 0 < end - begin < 2000
    assert longest_waits(tape, lines).owed_ms < 2 * BOUND_MS


def test_silence_is_found_where_somebody_waits() -> None:
    simulation = drawn_call(FIRST)
    steps = (WaitForQuiet(200), Say(murmur(400), "words"), WaitForEnd(20_000))
    caller = Caller(steps=steps, network=Network(), patience_ms=20_000)
    script = evolve(simulation.script, faults=Faults(silence="no_response", silent_from=1))
    tape = Simulation(caller, script, simulation.agent).run()
    assert longest_waits(tape, [decode(raw) for raw in tape.lines]).owed_ms >= 2 * BOUND_MS
