"""Is the judge right? Few of the relay's switches, those of which the calls are short; the bench tries all of them."""

import pytest

from bench.planted import FAILS, Row, calls_for, failed_by
from bench.relays.planted.faults import FAULTS, Fault
from replay.conformance.catalogue import CHECKS

FEW: tuple[Fault, ...] = (
    "drops_first_frames",
    "ignores_signature",
    "plays_late_deltas",
    "sends_before_start",
)


def test_every_switch_has_something_that_it_fails() -> None:
    assert set(FAILS) == set(FAULTS)
    assert set().union(*FAILS.values()) <= {check.name for check in CHECKS}
    assert all(FAILS.values())


@pytest.mark.parametrize("fault", FEW)
async def test_a_switch_fails_what_it_should_and_nothing_else(fault: Fault) -> None:
    assert set(await failed_by([fault], calls_for([fault]))) == FAILS[fault]


async def test_nothing_fails_when_all_switches_are_off() -> None:
    assert await failed_by([], calls_for(FEW)) == {}


def test_what_comes_out_otherwise_is_counted_with_its_reason() -> None:
    row = Row("doubles_greeting")
    row.note({"one-greeting": "two"})
    assert "as declared" in str(row)
    row.note({"no-gaps": "turns: a hole"})
    assert "1 x one-greeting did not fail; 1 x no-gaps failed (turns: a hole)" in str(row)
