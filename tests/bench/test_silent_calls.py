"""Calls with a model that goes silent in every way there is: what the caller hears, measured on their own line."""

from bench.silent_calls import BOUND_MS, WAYS, Tally, drawn, longest_silence_ms, outcome_of
from bridge.heart.audio import silence
from replay.model.silence import SOUND

CALLS = 10 * len(WAYS)
"""`python -m bench.silent_calls` makes a thousand."""


def test_nobody_waits_longer_than_the_bound_and_as_long_again_for_the_asking() -> None:
    tally = Tally()
    for seed in range(CALLS):
        tally.add(outcome_of(seed))
    assert [(one.seed, one.way, one.silence_ms, one.most_ms) for one in tally.wrong] == []
    assert set(tally.longest) == set(WAYS)
    wanted = ["asked", "given_up", "turn_closed"]
    assert min(tally.done[f"dead air: {did}"] for did in wanted) >= 5, (
        tally.done
    )  # or nothing was put to the test
    assert max(tally.longest.values()) > BOUND_MS


def test_a_silence_is_measured_between_sounds_that_are_more_than_a_click() -> None:
    simulation, _ = drawn(0)
    simulation.phone.line.heard += SOUND * 200 + silence(1000) + SOUND * 20 + silence(500) + SOUND * 200
    assert longest_silence_ms(simulation) == 1520
