"""Which calls the lake lacks: what becomes of a mark, whatever process dies meanwhile."""

from pathlib import Path

import pytest

from bridge.store.unsent import Taken, Unsent


@pytest.fixture
def unsent(tmp_path: Path) -> Unsent:
    return Unsent.in_folder(tmp_path)


def test_where_nothing_was_marked_nothing_waits(unsent: Unsent):
    assert (unsent.count(), unsent.oldest(), unsent.take(10)) == (0, None, [])


def test_a_call_that_is_new_is_so_until_it_was_on_its_way_once(unsent: Unsent):
    unsent.mark(["CA1"], are_new=True)
    assert unsent.take(10) == [Taken("CA1", is_new=True)]
    assert unsent.take(10) == [Taken("CA1", is_new=False)]  # whoever took it has died


def test_what_can_not_have_been_sent_is_new_again(unsent: Unsent):
    unsent.mark(["CA1"], are_new=True)
    unsent.give_back(unsent.take(10))
    assert unsent.take(10) == [Taken("CA1", is_new=True)]


def test_what_was_sent_waits_no_more_unless_it_was_marked_meanwhile(unsent: Unsent):
    unsent.mark(["CA1", "CA2"], are_new=True)
    taken = unsent.take(10)
    unsent.mark(["CA2"], are_new=False)
    unsent.done(taken)
    assert unsent.take(10) == [Taken("CA2", is_new=False)]


def test_a_call_that_is_marked_in_two_ways_is_taken_once_and_is_not_new(unsent: Unsent):
    unsent.mark(["CA1"], are_new=True)
    unsent.mark(["CA1"], are_new=False)
    assert unsent.take(10) == [Taken("CA1", is_new=False)]
    assert unsent.count() == 1


def test_no_more_are_taken_than_were_asked_for_and_the_others_wait(unsent: Unsent):
    unsent.mark([f"CA{n}" for n in range(5)], are_new=True)
    first = unsent.take(2)
    unsent.done(first)
    assert {one.call_id for one in first}.isdisjoint(one.call_id for one in unsent.take(10))
    assert unsent.count() == 3


def test_a_call_that_was_erased_waits_no_more(unsent: Unsent):
    unsent.mark(["CA1"], are_new=True)
    unsent.mark(["CA1"], are_new=False)
    unsent.drop(["CA1"])
    assert unsent.count() == 0
