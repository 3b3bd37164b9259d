"""Whose turn it is: one response outstanding, and nobody left waiting."""

import pytest

from bridge.heart.turns import Turns


def turns(*, creates: bool = True) -> Turns:
    return Turns(creates, longest_turn_ms=60_000)


def test_at_first_nothing_is_owed() -> None:
    assert not turns().may_ask


def test_what_is_owed_may_be_asked_for_once() -> None:
    mine = turns()
    mine.owe()
    assert mine.may_ask
    mine.asked("b1")
    assert not mine.may_ask


def test_nothing_is_asked_for_while_a_request_is_unanswered() -> None:
    mine = turns()
    mine.asked("b1")
    mine.owe()
    assert not mine.may_ask
    mine.created("r1")
    assert not mine.may_ask
    mine.finished("r1")
    assert mine.may_ask


def test_the_end_of_another_response_ends_not_the_active_one() -> None:
    mine = turns()
    mine.created("r1")
    mine.owe()
    mine.finished("r0")
    assert (mine.active, mine.may_ask) == ("r1", False)


def test_the_servers_own_response_is_waited_for() -> None:
    mine = turns(creates=True)
    mine.caller_began(0)
    mine.caller_ended()
    mine.owe()
    assert not mine.may_ask


def test_a_response_of_the_servers_own_leaves_our_request_open() -> None:
    mine = turns()
    mine.asked("b1")
    mine.caller_ended()
    mine.created("r1")
    mine.refused("b1", is_busy=True)
    assert not mine.may_ask
    mine.finished("r1")
    assert mine.may_ask


def test_a_request_that_outlives_a_response_is_still_waited_for() -> None:
    mine = turns()
    mine.asked("b1")
    mine.caller_ended()
    mine.created("r1")
    mine.spoke(500)
    assert mine.finished("r1")
    assert mine.waiting_for == "a response to begin"


def test_a_request_refused_for_good_is_not_made_again_by_itself() -> None:
    mine = turns()
    mine.asked("b1")
    mine.refused("b1", is_busy=False)
    assert (mine.may_ask, mine.waiting_for) == (False, "an answer")


def test_a_refusal_of_something_else_changes_nothing() -> None:
    mine = turns()
    mine.asked("b1")
    mine.refused("b7", is_busy=True)
    mine.refused("", is_busy=False)
    mine.owe()
    assert not mine.may_ask


def test_a_cut_response_is_cut_until_it_has_ended() -> None:
    mine = turns()
    mine.created("r1")
    assert mine.cut_active() == "r1"
    assert mine.is_cut("r1")
    mine.finished("r1")
    assert not mine.is_cut("r1")


def test_with_nothing_active_there_is_nothing_to_cut() -> None:
    assert turns().cut_active() == ""


@pytest.mark.parametrize(("sound_ms", "is_answer"), [(0, False), (99, False), (100, True)])
def test_a_response_is_an_answer_if_it_can_be_heard(sound_ms: int, is_answer: bool) -> None:
    mine = turns()
    mine.created("r1")
    mine.spoke(sound_ms)
    assert mine.finished("r1") is is_answer
    assert mine.waiting_for == ("" if is_answer else "an answer")


def test_sound_of_a_response_that_is_cut_off_is_no_answer() -> None:
    mine = turns()
    mine.created("r1")
    mine.spoke(500)
    mine.cut_active()
    assert not mine.finished("r1")


def test_a_retry_waits_longer_each_time_or_as_long_as_it_is_told() -> None:
    mine = turns()
    pauses = []
    for at in (1000, 2000, 3000):
        pauses.append(mine.pause_ms("server_error", None, 0))
        mine.retry(at)
        assert not mine.may_ask
        mine.retry_is_due()
        assert mine.may_ask
    assert pauses == [1000, 2000, 3000]
    assert [mine.pause_ms("", told_ms, 0) for told_ms in (700, 0)] == [700, 250]


def test_an_answer_makes_retries_count_anew() -> None:
    mine = turns()
    mine.retry(1000)
    mine.created("r1")
    mine.spoke(500)
    mine.finished("r1")
    assert mine.pause_ms("server_error", None, 0) == 1000


def test_starting_over_forgets_what_was_expected() -> None:
    mine = turns()
    mine.caller_ended()
    assert not mine.may_ask
    mine.start_over()
    assert mine.may_ask


def test_a_turn_is_closed_for_turn_detection_once() -> None:
    mine = turns()
    mine.caller_began(0)
    assert (mine.turn_due, mine.close_turn(60_000), mine.commit()) == (60_000, True, True)
    mine.caller_ended()  # our own commit is confirmed: no answer of the server's comes of it
    assert (mine.may_ask, mine.turn_due, mine.close_turn(120_000)) == (True, 120_000, False)
    mine.caller_paused()
    assert mine.turn_due is None


def test_a_turn_begins_once_however_often_it_is_told() -> None:
    mine = turns()
    mine.caller_began(0)
    mine.caller_began(40_000)
    assert mine.turn_due == 60_000


def test_a_call_is_going_on_while_somebody_speaks_or_waits() -> None:
    mine = turns()
    mine.created("r0")
    mine.spoke(500)
    mine.finished("r0")
    going_on = [mine.is_going_on]
    for happens in (
        lambda: mine.caller_began(0), mine.caller_ended, lambda: mine.created("r1"), lambda: mine.spoke(500),
        lambda: mine.finished("r1"), lambda: mine.retry(1000),
    ):  # fmt: skip
        happens()
        going_on.append(mine.is_going_on)
    assert going_on == [False, True, True, True, True, False, True]
