"""What waits for a peer: neither a burst nor our own lateness is a stall, only a peer that takes nothing is one."""

import trio
from attrs import define, field
from lone_calls import Silence
from trio.testing import wait_all_tasks_blocked

from bridge.links.outbox import MOST_AT_ONCE, MOST_BYTES, STALLED_SECONDS, Outbox


@define
class Clock:
    """A clock that is moved by hand."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


async def sending() -> tuple[Outbox, Clock]:
    """Return a box whose sender has taken a message and is busy with it."""
    clock = Clock()
    box = Outbox(clock)
    box.put("first")
    assert await box.take() == ["first"]
    return box, clock


async def test_what_waits_is_taken_in_order_and_all_of_it() -> None:
    box = Outbox()
    sent = [str(number) for number in range(10)]
    for message in sent:
        assert box.put(message)
    assert await box.take() == sent
    assert len(box) == 0


async def test_a_sender_waits_for_the_next_message() -> None:
    box, taken = Outbox(), list[str]()

    async def send() -> None:
        taken.extend(await box.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        box.put("one")
        box.put("two")
    assert taken == ["one", "two"]


async def test_a_slow_peer_is_given_no_more_than_some_at_a_time() -> None:
    box = Outbox()
    for number in range(MOST_AT_ONCE + 1):
        box.put(str(number))
    assert (len(await box.take()), len(await box.take())) == (MOST_AT_ONCE, 1)


async def test_however_many_messages_come_at_once_they_are_no_stall() -> None:
    box, _ = await sending()
    assert all(box.put("x" * 300) for _ in range(10_000))
    assert not box.is_closed


async def test_a_message_that_waits_too_long_is_a_stall_and_told_once() -> None:
    box, clock = await sending()
    assert box.put("waits")
    clock.seconds += STALLED_SECONDS - 0.1
    assert box.put("waits too")
    clock.seconds += 0.1
    assert [box.put("too late"), box.put("nobody is told again")] == [False, True]
    assert box.is_closed


async def test_a_peer_that_takes_some_now_and_then_has_not_stalled() -> None:
    box, clock = await sending()
    for _ in range(20):
        assert box.put("waits")
        clock.seconds += STALLED_SECONDS - 0.1
        assert await box.take() == ["waits"]


async def test_a_peer_that_takes_too_little_has() -> None:
    box, clock = await sending()
    for _ in range(20 * MOST_AT_ONCE):
        box.put("waits")
    for _ in range(4):
        clock.seconds += STALLED_SECONDS / 5
        await box.take()
    clock.seconds += STALLED_SECONDS / 5
    assert not box.put("waits")


async def test_while_nobody_sends_yet_nothing_stalls() -> None:
    clock = Clock()
    box = Outbox(clock)
    box.put("before there is a socket")
    clock.seconds += 60
    assert box.put("and after a minute")


async def test_memory_has_a_bound_of_its_own() -> None:
    box = Outbox()
    half = "x" * (MOST_BYTES // 2)
    assert [box.put(half), box.put(half), box.put("x")] == [True, True, False]


async def test_a_closed_box_gives_what_it_has_and_takes_no_more() -> None:
    box = Outbox()
    box.put("last words")
    box.close()
    assert box.put("too late")
    assert (await box.take(), await box.take()) == (["last words"], [])


async def test_closing_ends_a_sender_that_waits() -> None:
    box = Outbox()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.take)
        await wait_all_tasks_blocked()
        box.close()


# ---------------------------------------------------------------- what leaves at once


@define
class Slow(Silence):
    """A socket that takes so many messages before it is full."""

    room: int = 10**9
    sent: list[str] = field(factory=list)

    def send_now(self, *messages: str) -> None:
        self.sent += messages
        self.is_ready = len(self.sent) < self.room


async def test_what_is_pushed_leaves_at_once_and_wakes_nobody() -> None:
    box, link = Outbox(), Slow()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.take)
        await wait_all_tasks_blocked()
        assert box.add("media")
        assert box.add("mark")
        box.push(link)
        await wait_all_tasks_blocked()
        assert (link.sent, len(box), len(nursery.child_tasks)) == (["media", "mark"], 0, 1)
        nursery.cancel_scope.cancel()


async def test_what_a_full_socket_does_not_take_is_left_to_the_sender_in_order() -> None:
    box, link, taken = Outbox(), Slow(room=1), list[str]()

    async def send() -> None:
        taken.extend(await box.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        for message in ("one", "two", "three"):
            box.add(message)
            box.push(link)
    assert (link.sent, taken) == (["one"], ["two", "three"])


async def test_without_a_socket_yet_it_waits_for_one() -> None:
    box = Outbox()
    box.add("early")
    box.push(None)
    assert await box.take() == ["early"]


async def test_what_was_added_before_the_box_was_closed_still_leaves() -> None:
    box, link = Outbox(), Slow()
    box.add("last words")
    box.close()
    box.push(link)
    assert link.sent == ["last words"]
