"""Whose turn it is: one response outstanding, and nobody left waiting."""

from bridge.turns import Turns


def turns(*, creates: bool = True) -> Turns:
    return Turns(creates, answer_timeout_ms=5000)


def test_at_first_nothing_is_owed() -> None:
    assert not turns().may_ask


def test_what_is_owed_may_be_asked_for_once() -> None:
    mine = turns()
    mine.owe(0)
    assert mine.may_ask
    mine.asked("b1", 0)
    assert not mine.may_ask


def test_nothing_is_asked_for_while_a_request_is_unanswered() -> None:
    mine = turns()
    mine.asked("b1", 0)
    mine.owe(10)
    assert not mine.may_ask
    mine.created("r1")
    assert not mine.may_ask
    mine.finished("r1", 20)
    assert mine.may_ask


def test_the_end_of_another_response_ends_not_the_active_one() -> None:
    mine = turns()
    mine.created("r1")
    mine.owe(0)
    mine.finished("r0", 10)
    assert (mine.active, mine.may_ask) == ("r1", False)


def test_the_servers_own_response_is_waited_for() -> None:
    mine = turns(creates=True)
    mine.caller_began()
    mine.caller_ended(100)
    mine.owe(110)
    assert not mine.may_ask


def test_a_response_of_the_servers_own_leaves_our_request_open() -> None:
    mine = turns()
    mine.asked("b1", 0)
    mine.caller_ended(10)
    mine.created("r1")
    mine.refused("b1", is_busy=True)
    assert not mine.may_ask
    mine.finished("r1", 20)
    assert mine.may_ask


def test_a_request_that_outlives_a_response_is_waited_for_again() -> None:
    mine = turns()
    mine.asked("b1", 0)
    mine.caller_ended(10)
    mine.created("r1")
    mine.answered()
    assert mine.answer_due is None
    mine.finished("r1", 300)
    assert mine.answer_due == 5300


def test_a_request_refused_for_good_is_not_made_again_by_itself() -> None:
    mine = turns()
    mine.asked("b1", 0)
    mine.refused("b1", is_busy=False)
    assert not mine.may_ask
    assert mine.answer_due == 5000


def test_a_refusal_of_something_else_changes_nothing() -> None:
    mine = turns()
    mine.asked("b1", 0)
    mine.refused("b7", is_busy=True)
    mine.refused("", is_busy=False)
    mine.owe(0)
    assert not mine.may_ask


def test_a_cut_response_is_cut_until_it_has_ended() -> None:
    mine = turns()
    mine.created("r1")
    assert mine.cut_active() == "r1"
    assert mine.is_cut("r1")
    mine.finished("r1", 0)
    assert not mine.is_cut("r1")


def test_with_nothing_active_there_is_nothing_to_cut() -> None:
    assert turns().cut_active() == ""


def test_a_retry_waits_longer_each_time_and_is_given_up_after_three() -> None:
    mine = turns()
    pauses = []
    for _ in range(3):
        assert mine.retry(0)
        pauses.append(mine.retry_at)
        assert not mine.may_ask
        mine.retry_is_due()
        assert mine.may_ask
    assert pauses == [1000, 2000, 3000]
    assert not mine.retry(0)


def test_an_answer_makes_retries_count_anew() -> None:
    mine = turns()
    assert all(mine.retry(0) for _ in range(3))
    mine.answered()
    assert mine.retry(0)


def test_a_nudge_forgets_what_was_expected_and_comes_once() -> None:
    mine = turns()
    mine.caller_ended(0)
    assert mine.nudge(5000)
    assert (mine.may_ask, mine.answer_due) == (True, 10_000)
    assert not mine.nudge(10_000)


def test_nobody_waits_while_the_caller_speaks() -> None:
    mine = turns()
    mine.asked("b1", 0)
    mine.caller_began()
    mine.owe(100)
    assert mine.answer_due is None
    mine.caller_paused(900)
    assert mine.answer_due == 5900


def test_a_call_is_going_on_while_somebody_speaks_or_waits() -> None:
    mine = turns()
    going_on = [mine.is_going_on]
    for happens in (mine.caller_began, lambda: mine.caller_ended(0), mine.answered, lambda: mine.retry(0)):
        happens()
        going_on.append(mine.is_going_on)
    assert going_on == [False, True, True, False, True]
