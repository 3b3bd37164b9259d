"""Some of the calls that `bench/excursions.py` makes by the thousand: callers who leave, come back, or are let down."""

from collections import Counter

from bench.excursions import drawn_call, faults_of, kinds_of

CALLS = 40


def test_some_dozen_calls_with_excursions_keep_every_promise() -> None:
    wrong: dict[int, list[str]] = {}
    kinds: Counter[str] = Counter()
    for seed in range(CALLS):
        tape = drawn_call(seed).run()
        if faults := faults_of(tape):
            wrong[seed] = faults
        kinds.update(kinds_of(tape))
    assert wrong == {}
    assert (
        min(kinds[kind] for kind in ("came back", "session over", "left by dial", "left by digits")) >= 3
    ), kinds
