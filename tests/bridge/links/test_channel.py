"""Messages between processes: whole, in order, with their files, and bounded when nobody reads."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import trio

from bridge.calls.messages import Vitals, together
from bridge.links import channel as channel_module
from bridge.links.channel import Channel
from bridge.links.packets import hear, say


class Both:
    """Two ends of a pair, and what arrived at the second."""

    def __init__(self) -> None:
        first, second = socket.socketpair()
        self.first, self.second = Channel.on(first), Channel.on(second)
        self.arrived: list[tuple[Any, int | None]] = []

    def take(self, message: Any, file: int | None) -> None:
        self.arrived.append((message, file))

    async def carry(self, count: int) -> None:
        """Carry so many messages to the second end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.first.run, self.take)
            nursery.start_soon(self.second.run, self.take)
            with trio.fail_after(5):
                while len(self.arrived) < count:  # noqa: ASYNC110 - `take` waits for nobody
                    await trio.sleep(0.001)
            nursery.cancel_scope.cancel()


async def test_letters_of_any_size_arrive_in_order() -> None:
    both = Both()
    messages = ["a", "b" * 3_000_000, {"c": 1}, *range(2000)]
    for message in messages:
        both.first.send(message)
    await both.carry(len(messages))
    assert [message for message, _ in both.arrived] == messages
    assert both.first.waiting == 0


async def test_each_file_arrives_with_its_own_letter_and_no_copy_is_left(tmp_path: Path) -> None:
    both = Both()
    before = set(os.listdir("/proc/self/fd"))
    for number in range(200):
        path = tmp_path / str(number)
        path.write_text(str(number))
        both.first.send(number, os.open(path, os.O_RDONLY) if number % 3 else None)
    await both.carry(200)
    for message, file in both.arrived:
        assert (file is None) == (message % 3 == 0)
        if file is not None:
            assert os.read(file, 9) == str(message).encode()
            os.close(file)
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0


async def test_files_that_nobody_took_are_closed() -> None:
    both = Both()
    reading, writing = os.pipe()
    both.first.send("late", writing)
    with trio.move_on_after(0):
        await both.first.run(both.take)
    assert os.read(reading, 1) == b""  # the writing end is closed
    os.close(reading)
    both.second._socket.close()


async def test_the_end_of_one_process_ends_the_other_ones_post() -> None:
    both = Both()
    both.second._socket.close()
    with trio.fail_after(5):
        await both.first.run(both.take)
    assert both.first.is_gone
    both.first.send("nobody reads this")
    assert both.first.waiting == 0


async def test_whoever_does_not_read_counts_as_gone(monkeypatch: Any) -> None:
    monkeypatch.setattr(channel_module, "MOST_WAITING", 3)
    both = Both()
    for number in range(5):
        both.first.send(number)
    assert (both.first.waiting, both.first.is_gone) == (3, True)
    with trio.fail_after(5):
        await both.first.run(both.take)  # it ends, and with it the process is ended
    both.second._socket.close()


def test_a_process_that_does_one_thing_at_a_time_says_and_hears_the_same_letters() -> None:
    first, second = socket.socketpair()
    with first, second:
        for message in ("a", {"b": 1}):
            say(first, message)
        assert [hear(second, 5), hear(second, 5)] == ["a", {"b": 1}]
        with pytest.raises(TimeoutError):
            hear(second, 0.01)
        first.sendall(b"half")
        first.close()
        with pytest.raises(EOFError):
            hear(second, 5)


async def test_both_kinds_of_ends_understand_each_other() -> None:
    first, second = socket.socketpair()
    channel, arrived = Channel.on(first), list[Any]()
    channel.send("a" * 1_000_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(channel.run, lambda message, _: arrived.append(message))
        with second, trio.fail_after(5):
            assert await trio.to_thread.run_sync(hear, second, 5) == "a" * 1_000_000
            await trio.to_thread.run_sync(say, second, "b")
            while not arrived:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert arrived == ["b"]


def test_counts_of_processes_add_up_and_of_depths_the_worst_counts() -> None:
    one = Vitals(files_left=7, tapes=1, shed=2, phone=3, most_lines=4, lines=5, lags=(0.1,), pauses=(0.003,))
    other = Vitals(is_failing=True, tapes=10, shed=20, phone=2, most_lines=1, lines=50, lags=(0.2,), deaths=1)
    seen = together([one, other])
    assert seen == Vitals(
        is_failing=True,
        tapes=11,
        shed=22,
        phone=3,
        most_lines=4,
        lines=55,
        files_left=7,
        workers=2,
        deaths=1,
        lags=(0.1, 0.2),
        pauses=(0.003,),
    )
    assert together([]) == Vitals(workers=0)
