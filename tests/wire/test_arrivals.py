"""Many connections told of by one task: each hears its own, in order; what goes wrong with one is nobody else's."""

import os
import sys

import pytest
import trio
from small_connections import Connect, small_tcp
from test_web_socket import LONG, Ends, each_end, each_kind, models, phones
from trio.testing import wait_all_tasks_blocked
from wsproto.events import CloseConnection, TextMessage

from bridge.links.arrivals import Arrivals
from bridge.links.link import Closing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is epoll on Linux alone")


@each_kind
@each_end
async def test_every_message_is_heard_in_order_until_the_goodbye(ends: Ends, connected: Connect) -> None:
    said, heard = ["one", LONG, *map(str, range(500))], list[str | bytes]()
    async with trio.open_nursery() as nursery, connected() as (pipe, peer):
        nursery.start_soon(Arrivals().run)
        await wait_all_tasks_blocked()
        link, wire = ends(pipe)

        async def speak() -> None:
            for message in said:
                await peer.send_all(wire.send(TextMessage(message)))
            await peer.send_all(wire.send(CloseConnection(1000, "done")))

        nursery.start_soon(speak)
        await link.listen(heard.append)
        assert (heard, link.heard, link.closing) == (said, len(said), Closing(1000, "done"))
        nursery.cancel_scope.cancel()


@each_kind
async def test_what_had_come_before_is_heard_first(connected: Connect) -> None:
    heard = list[str | bytes]()
    async with trio.open_nursery() as nursery, connected() as (pipe, peer):
        nursery.start_soon(Arrivals().run)
        link, wire = phones(pipe)
        await peer.send_all(wire.send(TextMessage("one")) + wire.send(TextMessage("two")))
        assert await link.receive() == "one"
        nursery.start_soon(link.listen, heard.append)
        await wait_all_tasks_blocked(0.001)
        assert heard == ["two"]
        nursery.cancel_scope.cancel()


async def test_a_fault_of_one_is_raised_where_it_listens_and_the_others_hear_on() -> None:
    heard = list[str | bytes]()

    def fail(message: str | bytes) -> None:
        raise OSError(f"a bug of whoever hears {message!r}")

    async with trio.open_nursery() as nursery, small_tcp() as (bad, peer), small_tcp() as (good, other):
        nursery.start_soon(Arrivals().run)
        await wait_all_tasks_blocked()
        (broken, wire), (link, well) = phones(bad), models(good)
        nursery.start_soon(link.listen, heard.append)
        await peer.send_all(wire.send(TextMessage("x")))
        with pytest.raises(OSError, match="a bug of whoever hears 'x'"):
            await broken.listen(fail)
        await peer.send_all(wire.send(TextMessage("nobody listens")))
        await other.send_all(well.send(TextMessage("y")))
        await wait_all_tasks_blocked(0.001)
        assert heard == ["y"]
        nursery.cancel_scope.cancel()


async def test_whoever_still_listens_when_nobody_tells_any_more_waits_alone() -> None:
    heard = list[str | bytes]()
    async with trio.open_nursery() as nursery, small_tcp() as (pipe, peer):
        link, wire = phones(pipe)
        with trio.CancelScope() as present:
            async with trio.open_nursery() as telling:
                telling.start_soon(Arrivals().run)
                await wait_all_tasks_blocked()
                nursery.start_soon(link.listen, heard.append)
                await wait_all_tasks_blocked()
                present.cancel()
        await peer.send_all(wire.send(TextMessage("still here")))
        await wait_all_tasks_blocked(0.001)
        assert heard == ["still here"]
        nursery.cancel_scope.cancel()


async def test_whoever_is_cancelled_hears_no_more_and_leaves_nothing_behind() -> None:
    heard, arrivals = list[str | bytes](), Arrivals()
    async with trio.open_nursery() as nursery, small_tcp() as (pipe, peer):
        nursery.start_soon(arrivals.run)
        await wait_all_tasks_blocked()
        link, wire = phones(pipe)
        with trio.move_on_after(0.01):
            await link.listen(heard.append)
        await peer.send_all(wire.send(TextMessage("too late")))
        await wait_all_tasks_blocked(0.001)
        assert (heard, arrivals._listeners) == ([], {})
        assert os.read(pipe.number, 100)  # it is for whoever reads next
        nursery.cancel_scope.cancel()
