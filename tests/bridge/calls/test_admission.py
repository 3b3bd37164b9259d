"""Admission: how many calls of whom, how many connections from where, and that remembering it all stays small."""

from collections import Counter
from typing import Any

import pytest
from attrs import evolve
from heart import agent_with
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.calls.admission import (
    CALLS_AT_ONCE,
    CALLS_PER_CALLER,
    DRAINING,
    HIDDEN,
    MAX_CALLS,
    MOST_CALLERS,
    NO_WORKER,
    OPEN_FILES,
    OUT_OF_HOURS,
    REASONS,
    WAITING_CALLS,
    Admission,
    Callers,
    Door,
    Load,
    Seldom,
    caller_of,
    network_of,
)
from bridge.settings.server import Server

NOBODY = Load(live=0, of_agent=0, waiting=0)
CALLER = "+15550123456"


def asked(
    admission: Admission,
    load: Load = NOBODY,
    number: str = CALLER,
    *,
    now: float = 0,
    agent: Agent | None = None,
) -> str:
    """Ask for one more call."""
    return admission.refuse(agent or agent_with(), number, load, now=now, is_draining=False)


def admission_with(**server: Any) -> Admission:
    return Admission(evolve(Server(), **server))


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(live=49, of_agent=1, waiting=4), ""),
        (Load(live=50, of_agent=1, waiting=4), MAX_CALLS),
        (Load(live=49, of_agent=2, waiting=4), CALLS_AT_ONCE),
        (Load(live=49, of_agent=1, waiting=5), WAITING_CALLS),
        (Load(live=49, of_agent=1, waiting=4, has_room=False, has_files=False), NO_WORKER),
        (Load(live=49, of_agent=1, waiting=4, has_files=False), OPEN_FILES),
    ],
)
def test_a_call_above_a_limit_is_refused_with_the_name_of_the_limit(load: Load, reason: str) -> None:
    admission = admission_with(max_calls=50, waiting_calls=5)
    assert asked(admission, load, agent=agent_with(calls_at_once=2)) == reason
    assert Counter(admission.refused) == Counter({reason: 1} if reason else {})


def test_every_reason_is_counted_from_the_start() -> None:
    assert admission_with().refused == dict.fromkeys(REASONS, 0)


def test_a_draining_daemon_takes_no_call() -> None:
    admission = admission_with()
    assert admission.refuse(agent_with(), CALLER, NOBODY, now=0, is_draining=True) == DRAINING


def test_a_caller_may_call_so_often_in_a_window_and_again_after_it() -> None:
    admission = admission_with(calls_per_caller=2, caller_window_seconds=60)
    answers = [asked(admission, now=now) for now in (0, 30, 59, 60, 61, 90)]
    assert answers == ["", "", CALLS_PER_CALLER, "", CALLS_PER_CALLER, ""]


def test_other_callers_are_not_counted_together() -> None:
    admission = admission_with(calls_per_caller=1)
    assert [asked(admission, number=f"+1555012345{n}") for n in range(4)] == [""] * 4


def test_a_refused_call_does_not_make_the_wait_longer() -> None:
    admission = admission_with(calls_per_caller=1, caller_window_seconds=60)
    assert [bool(asked(admission, now=now)) for now in (0, 20, 40, 59, 60)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_out_of_hours_a_caller_may_call_no_more_often_than_else() -> None:
    closed, admission = evolve(NOBODY, is_open=False), admission_with(calls_per_caller=2)
    assert [asked(admission, closed) for _ in range(3)] == [OUT_OF_HOURS, OUT_OF_HOURS, CALLS_PER_CALLER]
    assert (admission.refused[OUT_OF_HOURS], admission.refused[CALLS_PER_CALLER]) == (2, 1)


def test_hidden_numbers_are_one_caller() -> None:
    admission = admission_with(calls_per_caller=2)
    hidden = ["anonymous", "+266696687", "", "Restricted"]
    assert [bool(asked(admission, number=number)) for number in hidden] == [False, False, True, True]
    assert not asked(admission)


def test_no_limit_remembers_nobody() -> None:
    admission = admission_with(calls_per_caller=0)
    assert not any(asked(admission) for _ in range(200))
    assert len(admission._callers) == 0


@pytest.mark.parametrize(
    ("number", "caller"),
    [
        ("+15550123456", "+15550123456"), (" +15550123456", "+15550123456"), ("15550123456", "15550123456"),
        ("sip:ann@example.com", "sip:ann@example.com"), ("client:ann", "client:ann"), ("12345", "12345"),
        ("+266696687", HIDDEN), ("+7378742833", HIDDEN), ("+86282452253", HIDDEN), ("Anonymous", HIDDEN),
        ("", HIDDEN), ("+", HIDDEN), ("+1555\u0661", HIDDEN), ("sip:" + "x" * 5000, "sip:" + "x" * 96),
    ],
)  # fmt: skip
def test_who_calls_is_the_number_unless_it_is_hidden(number: str, caller: str) -> None:
    assert caller_of(number) == caller


def test_callers_are_remembered_up_to_a_number_and_the_oldest_is_forgotten() -> None:
    callers = Callers(most=1, window_seconds=1e9)
    for number in range(MOST_CALLERS + 500):
        callers.called(f"+{number}", number)
    assert len(callers) == MOST_CALLERS
    assert callers.may_call("+499", MOST_CALLERS + 500)
    assert not callers.may_call("+500", MOST_CALLERS + 500)


def test_nobody_is_remembered_for_longer_than_the_window() -> None:
    callers = Callers(most=2, window_seconds=60)
    for number in range(200):
        callers.called(f"+{number}", number)
    assert len(callers) == 60
    callers.called("+1", 1000)
    assert len(callers) == 1


def test_a_limit_that_is_read_again_holds_for_those_who_have_called() -> None:
    admission = admission_with(calls_per_caller=4)
    for most, may_call in ((4, True), (4, True), (2, False), (3, True), (3, False), (0, True), (1, False)):
        admission.follow(evolve(Server(), calls_per_caller=most))
        assert (asked(admission) == "") == may_call


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=80), st.integers(1, 4))
def test_no_caller_is_ever_let_in_more_often_than_the_window_allows(
    attempts: list[tuple[int, int]], most: int
) -> None:
    admission, now = admission_with(calls_per_caller=most, caller_window_seconds=50), 0
    let_in: list[tuple[int, int]] = []
    for caller, after in attempts:
        now += after
        recent = sum(who == caller and when > now - 50 for who, when in let_in)
        is_refused = bool(asked(admission, number=f"+1555{caller}", now=now))
        assert is_refused == (recent >= most)
        if not is_refused:
            let_in.append((caller, now))


def test_what_a_refused_call_gets_is_the_agents_word_or_the_servers() -> None:
    admission = admission_with(when_full="reject")
    assert admission.choice(Agent()) == "reject"
    assert admission.choice(Agent(when_full="queue:waiting")) == "queue:waiting"


# ---------------------------------------------------------------- connections


def test_the_door_lets_so_many_in_from_one_address_and_so_many_in_all() -> None:
    door = Door(most=4, most_per_address=2)
    with (
        door.visit("192.0.2.1") as first,
        door.visit("192.0.2.1") as second,
        door.visit("192.0.2.1") as third,
    ):
        with (
            door.visit("192.0.2.2") as fourth,
            door.visit("192.0.2.3") as fifth,
            door.visit("192.0.2.4") as sixth,
        ):
            assert (first, second, third, fourth, fifth, sixth) == (True, True, False, True, True, False)
        assert door.inside == 2
    assert (door.inside, door.refused, dict(door._by_network)) == (0, 2, {})


def test_loopback_is_the_proxy_and_has_no_limit_of_its_own() -> None:
    door = Door(most=3, most_per_address=1)
    with (
        door.visit("127.0.0.1") as first,
        door.visit("::1") as second,
        door.visit("::ffff:127.0.0.1") as third,
        door.visit("127.0.0.1") as fourth,
    ):
        assert (first, second, third, fourth) == (True, True, True, False)


def test_a_visit_that_ends_in_an_error_is_over_too() -> None:
    door = Door(most=1, most_per_address=1)
    with pytest.raises(OSError, match="reset"), door.visit("192.0.2.1"):
        raise OSError("reset")
    assert door.inside == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("127.9.9.9", "loopback"), ("", ""), ("somewhere", "somewhere"),
    ],
)  # fmt: skip
def test_an_ipv6_subscriber_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


# ---------------------------------------------------------------- log lines


def test_a_flood_is_one_line_a_second_that_says_how_many_there_were() -> None:
    seldom = Seldom()
    assert [seldom.lets(now) for now in (0.0, 0.1, 0.9, 1.0, 1.1, 5.0, 5.1)] == [
        0,
        None,
        None,
        2,
        None,
        1,
        None,
    ]
