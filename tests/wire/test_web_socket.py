"""One link on either leg, plain and by TLS: whole frames whatever is cancelled, pings, goodbyes, upgrades in pieces."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from small_connections import CONNECTS, Connect, small_tcp
from trio.testing import wait_all_tasks_blocked
from websockets.protocol import State
from websockets.uri import WebSocketURI
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, Pong, TextMessage

from bridge.errors import LinkError
from bridge.links.link import Closing
from bridge.links.model import ModelAddress, ModelProtocol, open_model
from bridge.links.phone import MediaProtocol
from bridge.links.pipes import Pipe
from bridge.links.web_socket import WebSocketLink

LONG = "x" * 50_000


def phones(pipe: Pipe) -> tuple[WebSocketLink, Connection]:
    """Return the phone's link, and the protocol of its peer, which is another implementation."""
    return WebSocketLink(pipe, MediaProtocol(state=State.OPEN)), Connection(ConnectionType.CLIENT)


def models(pipe: Pipe) -> tuple[WebSocketLink, Connection]:
    """Return the model's link, and the protocol of its peer."""
    core = ModelProtocol(WebSocketURI(False, "model.test", 80, "/", ""), state=State.OPEN)
    return WebSocketLink(pipe, core), Connection(ConnectionType.SERVER)


Ends = Callable[[Pipe], tuple[WebSocketLink, Connection]]
each_end = pytest.mark.parametrize("ends", [phones, models])
each_kind = pytest.mark.parametrize("connected", CONNECTS.values(), ids=list(CONNECTS))


async def events(wire: Connection, peer: Any, until: Callable[[list[Event]], bool]) -> list[Event]:
    """Read until that much has come."""
    found: list[Event] = []
    while not until(found):
        wire.receive_data(await peer.receive_some())
        found += wire.events()
    return found


def texts(found: list[Event]) -> list[str]:
    """Return the texts of messages that have ended."""
    parts, whole = "", []
    for event in found:
        if isinstance(event, TextMessage):
            parts += event.data
            if event.message_finished:
                whole.append(parts)
                parts = ""
    return whole


@each_kind
@each_end
async def test_no_frame_is_torn_or_lost_when_its_sender_is_cancelled(ends: Ends, connected: Connect) -> None:
    said = [f"{number}{LONG}" for number in range(12)]
    async with connected() as (pipe, peer):
        link, wire = ends(pipe)
        for message in said[:-1]:
            with trio.CancelScope() as impatience:
                impatience.cancel()
                await link.send(message)
        assert not link.is_ready
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.send, said[-1])
            assert texts(await events(wire, peer, lambda found: len(texts(found)) == len(said))) == said
        assert link.is_ready


@each_kind
@each_end
async def test_what_is_sent_at_once_and_what_waited_come_in_order(ends: Ends, connected: Connect) -> None:
    told: list[str] = []
    async with connected() as (pipe, peer):
        link, wire = ends(pipe)
        link.on_waiting = lambda: told.append("something waits")
        link.send_now("media", "mark")
        assert (link.is_ready, told) == (True, [])
        while link.is_ready:
            link.send_now(LONG)
        assert told == ["something waits"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.send, "at last")
            found = texts(await events(wire, peer, lambda found: "at last" in texts(found)))
        assert (found[:2], found[-1], set(found[2:-1])) == (["media", "mark"], "at last", {LONG})


@each_kind
@each_end
async def test_messages_of_every_size_arrive(ends: Ends, connected: Connect) -> None:
    said = ["", "ä", "x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536, "x" * 700_000, "€" * 1000]
    async with connected() as (pipe, peer):
        link, wire = ends(pipe)
        async with trio.open_nursery() as nursery:

            async def speak() -> None:
                for message in said:
                    await peer.send_all(wire.send(TextMessage(message)))

            nursery.start_soon(speak)
            assert [await link.receive() for _ in said] == said


@each_end
async def test_a_ping_of_ours_waits_for_its_own_answer(ends: Ends) -> None:
    async with small_tcp() as (pipe, peer):
        link, wire = ends(pipe)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.receive)
            with trio.move_on_after(0.01):
                await link.ping()
            nursery.start_soon(link.ping)
            first, second = await events(wire, peer, lambda found: len(found) == 2)
            assert isinstance(first, Ping)
            assert isinstance(second, Ping)
            await peer.send_all(wire.send(Pong(first.payload)))
            await wait_all_tasks_blocked(0.001)
            assert len(nursery.child_tasks) == 2
            await peer.send_all(wire.send(Pong(second.payload)))
            await wait_all_tasks_blocked(0.001)
            assert len(nursery.child_tasks) == 1
            nursery.cancel_scope.cancel()


@each_end
async def test_a_peer_that_leaves_ends_a_ping(ends: Ends) -> None:
    async with small_tcp() as (pipe, peer):
        link, _ = ends(pipe)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.receive)
            nursery.start_soon(link.ping)
            await wait_all_tasks_blocked()
            await peer.aclose()
        await link.ping()


@each_end
async def test_the_peers_goodbye_is_waited_for_whatever_it_says_before(ends: Ends) -> None:
    async with small_tcp() as (pipe, peer):
        link, wire = ends(pipe)
        await link.close(1000, "the call is over")
        await peer.send_all(wire.send(TextMessage("on its way")) + wire.send(Ping(b"too")))
        assert await link.receive() == "on its way"
        (close,) = await events(wire, peer, bool)
        assert isinstance(close, CloseConnection)
        assert (close.code, close.reason) == (1000, "the call is over")
        await peer.send_all(wire.send(close.response()))
        assert (await link.receive(), link.closing) == (None, Closing(1000, "the call is over"))


@each_end
async def test_no_text_is_sent_behind_a_goodbye(ends: Ends) -> None:
    async with small_tcp() as (pipe, peer):
        link, wire = ends(pipe)
        await link.close(1000)
        link.send_now("too late")
        await link.send("too late")
        pipe.cut_off()
        found = await events(wire, peer, bool)
        assert [type(event) for event in found] == [CloseConnection]


ENDINGS: dict[str, tuple[bytes, int]] = {
    "no UTF-8": (b"\x81\x02\xc3\x28", 1007),
    "no UTF-8, in two parts": (b"\x01\x01\xc3\x80\x01\x28", 1007),
    "a surrogate": (b"\x81\x03\xed\xa0\x80", 1007),
    "a reserved bit": (b"\xc1\x00", 1002),
    "an unknown opcode": (b"\x83\x00", 1002),
    "a continuation of nothing": (b"\x80\x00", 1002),
    "a message within a message": (b"\x01\x00\x81\x00", 1002),
    "a ping in parts": (b"\x09\x00", 1002),
    "a long ping": (b"\x89\x7e\x00\x7e" + b"x" * 126, 1002),
    "a close frame of one byte": (b"\x88\x01\x03", 1002),
    "a close code that nobody may send": (b"\x88\x02\x03\xed", 1002),
    "a close reason that is no UTF-8": (b"\x88\x03\x03\xe8\xff", 1007),
    "more than a message may have": (b"\x81\x7f" + (2**40).to_bytes(8, "big"), 1009),
}


@pytest.mark.parametrize(("frames", "code"), ENDINGS.values(), ids=list(ENDINGS))
async def test_what_the_rfc_forbids_ends_the_link_with_its_code(frames: bytes, code: int) -> None:
    async with small_tcp() as (pipe, peer):
        link, wire = models(pipe)
        await peer.send_all(b"\x81\x02ok" + frames + b"\x81\x08unheard!")
        assert (await link.receive(), await link.receive()) == ("ok", None)
        assert link.closing.code == 1006
        (close,) = await events(wire, peer, bool)
        assert isinstance(close, CloseConnection)
        assert close.code == code


# ---------------------------------------------------------------- the upgrade


async def answering(answer: bytes, pieces: int, port: list[int], *, task_status: Any) -> None:
    """Answer one upgrade with these bytes, in so many pieces."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port.append(listener.socket.getsockname()[1])
    task_status.started()
    async with listener, await listener.accept() as stream:
        await stream.receive_some()
        step = -(-len(answer) // pieces)
        for at in range(0, len(answer), step):
            await stream.send_all(answer[at : at + step])
            await wait_all_tasks_blocked(0.001)


REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 21\r\n\r\n\r\n\r\nno, not here.\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 2, 7, len(REFUSAL)])
async def test_a_refusal_may_come_in_any_pieces(pieces: int) -> None:
    port: list[int] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(answering, REFUSAL, pieces, port)
            with pytest.raises(LinkError, match="refused the connection with HTTP 403"):
                async with open_model(ModelAddress(f"ws://127.0.0.1:{port[0]}/v1", "m", [], proxy=None)):
                    pass
            nursery.cancel_scope.cancel()


async def test_a_header_that_cannot_be_sent_is_named_and_what_it_holds_is_not() -> None:
    port: list[int] = []
    headers = [("Authorization", "Bearer sk-hush\r\nX-Evil: 1")]
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(answering, b"", 1, port)
            with pytest.raises(LinkError, match="the header Authorization") as refused:
                async with open_model(ModelAddress(f"ws://127.0.0.1:{port[0]}/v1", "m", headers, proxy=None)):
                    pass
            assert "hush" not in str(refused.value)
            nursery.cancel_scope.cancel()
