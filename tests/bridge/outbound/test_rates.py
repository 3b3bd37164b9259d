"""So many calls at once, so many in an hour, so far apart."""

import pytest

from bridge.errors import OutboundError
from bridge.outbound.rates import Rates
from bridge.settings.outgoing import Outbound

SOME = Outbound(calls_at_once=3, calls_per_hour=5, calls_per_second=2.0)


def reason(rates: Rates, live: int, now: float) -> str:
    try:
        rates.check(SOME, live, now)
    except OutboundError as error:
        return error.reason
    return ""


def test_calls_are_given_to_twilio_so_far_apart_however_fast_they_are_asked_for() -> None:
    rates = Rates()
    assert [rates.count(SOME, now) for now in (0.0, 0.0, 0.1, 9.0)] == [0.0, 0.5, 1.0, 9.0]


@pytest.mark.parametrize(("live", "why"), [(0, ""), (2, ""), (3, "calls_at_once"), (9, "calls_at_once")])
def test_no_more_are_made_at_once(live: int, why: str) -> None:
    assert reason(Rates(), live, 0) == why


def test_an_hour_after_a_call_there_is_room_for_another() -> None:
    rates = Rates()
    for now in range(5):
        assert reason(rates, 0, now) == ""
        rates.count(SOME, now)
    assert [reason(rates, 0, now) for now in (5, 3599, 3600, 3601)] == [
        "calls_per_hour",
        "calls_per_hour",
        "",
        "",
    ]
