"""The garbage collector of a process with calls: measured always, and made to wait for a moment between calls."""

import gc
from collections.abc import Iterator

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from bridge.workers.garbage import LOOK_SECONDS, MOST_CALLS, MOST_PAUSES, THRESHOLDS, Garbage


@define
class Place:
    """What a collector sees of its process, and what it does there."""

    is_quiet: bool = True
    did: list[str] = field(factory=list)
    pauses: list[float] = field(factory=list)

    def garbage(self) -> Garbage:
        return Garbage(
            lambda: self.is_quiet,
            self.pauses.append,
            give_back=lambda: self.did.append("gave back"),
            collect=lambda: self.did.append("collected"),
            settle=lambda: self.did.append("settled"),
            step=lambda: self.did.append("step"),
        )


@pytest.fixture
def place() -> Iterator[Place]:
    before = gc.get_threshold()
    yield Place()
    gc.set_threshold(*before)
    gc.unfreeze()


def with_calls(garbage: Garbage, count: int) -> Garbage:
    for _ in range(count):
        garbage.call_begins()
    return garbage


async def test_every_pause_is_told_and_nothing_stays_behind(place: Place, autojump_clock: MockClock) -> None:
    before = list(gc.callbacks)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.garbage().run)
        await trio.sleep(LOOK_SECONDS / 2)
        place.pauses.clear()
        gc.collect()
        gc.collect(0)
        await trio.sleep(LOOK_SECONDS)
        assert len(place.pauses) >= 2
        assert all(0 <= pause < 60 for pause in place.pauses)
        nursery.cancel_scope.cancel()
    assert gc.callbacks == before


def test_pauses_that_nobody_looks_at_are_bounded(place: Place) -> None:
    garbage = place.garbage()
    for _ in range(MOST_PAUSES + 10):
        garbage._measure("start", {})
        garbage._measure("stop", {})
    garbage.look()
    assert len(place.pauses) == MOST_PAUSES


def test_a_process_of_ours_has_no_full_collection_of_its_own_accord(place: Place) -> None:
    place.garbage().own_process()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 0
    assert len(gc.get_objects(generation=2)) < 1000


def test_what_loading_has_left_is_looked_for_in_the_first_quiet_second(place: Place) -> None:
    garbage = place.garbage()
    garbage.own_process()
    place.is_quiet = False
    with_calls(garbage, 1).look()
    assert place.did == ["step"]
    place.is_quiet = True
    for _ in range(3):
        garbage.look()
    assert place.did == ["step", "settled"]


def test_after_calls_memory_is_given_back_once_and_as_soon_as_it_is_quiet(place: Place) -> None:
    garbage = place.garbage()
    garbage.own_process()
    garbage.look()
    place.is_quiet = False
    with_calls(garbage, 3).look()
    garbage.look()
    assert place.did == ["settled", "step", "step"]
    place.is_quiet = True
    for _ in range(3):
        garbage.look()
    assert place.did == ["settled", "step", "step", "gave back"]


def test_where_it_is_never_quiet_there_is_a_full_collection_every_so_many_calls(place: Place) -> None:
    garbage = place.garbage()
    garbage.own_process()
    place.is_quiet = False
    for count in (MOST_CALLS - 1, 1, MOST_CALLS - 1):
        with_calls(garbage, count).look()
    assert place.did == ["step", "collected", "step"]


def test_in_a_process_of_others_nothing_is_changed(place: Place) -> None:
    before = gc.get_threshold()
    with_calls(place.garbage(), 2 * MOST_CALLS).look()
    assert place.did == []
    assert gc.get_threshold() == before
