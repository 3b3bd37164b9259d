"""The clock of a call on paper."""

from functools import partial

import pytest

from replay.simulation.agenda import Agenda, AgendaFullError


def all_steps(agenda: Agenda) -> None:
    while agenda.next_ms is not None:
        agenda.step()


def nothing() -> None:
    """Happen, and that is all."""


def test_acts_come_in_the_order_of_their_time_and_then_of_their_planning() -> None:
    agenda, done = Agenda(), list[str]()
    for t_ms, name in [(20, "c"), (10, "a"), (20, "d"), (10, "b")]:
        agenda.at(t_ms, partial(done.append, name))
    all_steps(agenda)
    assert done == ["a", "b", "c", "d"]
    assert agenda.now_ms == 20


def test_what_is_planned_for_the_past_happens_now() -> None:
    agenda, times = Agenda(now_ms=50), list[int]()
    agenda.at(10, lambda: times.append(agenda.now_ms))
    all_steps(agenda)
    assert times == [50]


def test_an_act_may_plan_another_for_the_same_moment() -> None:
    agenda, times = Agenda(), list[int]()
    agenda.at(7, lambda: agenda.at(7, lambda: times.append(agenda.now_ms)))
    all_steps(agenda)
    assert times == [7]


def test_who_plans_without_end_is_stopped() -> None:
    agenda = Agenda(most=2)
    for _ in range(2):
        agenda.at(1, nothing)
    with pytest.raises(AgendaFullError, match="more than 2 things"):
        agenda.at(1, nothing)
