"""Webhooks that come again, as `python -m bench.day` hands them in: one call each, whatever comes when."""

import pytest
from msgspec.structs import replace

from bench.day_calls import drawn_call
from bench.day_webhooks import Deliveries, drawn_deliveries, faults_of

ENDED_MS = 20_000
SIMULATION = drawn_call(7)


def found(deliveries: Deliveries, *, taped_as: str = "front-desk") -> list[str]:
    header = replace(SIMULATION.header, agent=taped_as)
    return faults_of(header, SIMULATION.agent, deliveries, ENDED_MS)


@pytest.mark.parametrize("has_restart", [False, True])
def test_a_webhook_is_one_call_however_often_it_comes_and_however_late(has_restart: bool) -> None:
    times = Deliveries((0, 0, 20, 5_100, 19_999, 20_000), (100, 86_000_000), 5_100, has_restart)
    assert found(times) == []


def test_a_record_by_which_nobody_knows_the_call_would_be_found() -> None:
    late = Deliveries(late_ms=(100,), has_restart=True)
    assert found(late, taped_as="somebody-else") == [
        "the webhook of a call that is over opened something", "2 calls of one CallSid",
    ]  # fmt: skip


def test_a_day_has_every_kind_of_them_and_an_answer_that_is_lost_keeps_the_caller_waiting() -> None:
    drawn = {seed: drawn_deliveries(seed) for seed in range(300)}
    assert set().union(*(one.kinds for one in drawn.values())) == {
        "webhook again",
        "webhook late",
        "answer lost",
    }
    lost = [seed for seed, one in drawn.items() if one.lost_ms]
    assert all(drawn_call(seed).caller.answer_delay_ms >= drawn[seed].lost_ms > 0 for seed in lost[:5])
