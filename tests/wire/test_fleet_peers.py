"""What a host believes of what others say at their admin addresses, over real sockets: little, and not for long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from bridge.fleet.peers import MOST_CALLS, Peers

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CALL = b'{"id": "CA1", "agent": "desk", "phase": "talking", "seconds": 3.5, "from": "+1******23", "to": "x", "more": 1}'


@asynccontextmanager
async def answering(*pieces: bytes, for_ever: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve a host that answers whatever it is asked with these bytes, the last of them again and again."""
    asked = list[bytes]()

    async def serve(stream: trio.SocketStream) -> None:
        asked.append(await stream.receive_some())
        try:
            for piece in pieces:
                await stream.send_all(piece)
            while for_ever:
                await stream.send_all(pieces[-1])
            await stream.send_eof()
        except trio.BrokenResourceError:
            return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}", asked
        nursery.cancel_scope.cancel(reason="the test is over")


def of(body: bytes) -> bytes:
    """Return a whole answer."""
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


async def calls_told(address: str) -> list[dict[str, object]] | None:
    """Return what is made of the calls that one host tells of."""
    with trio.fail_after(10):
        return (await Peers({"two": address}, lambda: "a token").calls())["two"]


async def test_others_are_asked_with_the_token_and_what_they_tell_is_read() -> None:
    async with answering(of(b"[" + CALL + b"]")) as (address, asked):
        told = await calls_told(address)
    assert told == [
        {"id": "CA1", "agent": "desk", "phase": "talking", "seconds": 3.5, "from": "+1******23", "to": "x"}
    ]
    assert b"authorization: bearer a token" in asked[0].lower()


async def test_no_answer_leads_anywhere_else_with_the_token() -> None:
    async with answering(of(b"[]")) as (elsewhere, asked):
        redirect = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere}/calls\r\nContent-Length: 0\r\n\r\n".encode()
        async with answering(redirect) as (address, _):
            assert await calls_told(address) is None
    assert asked == []


NOTHING = [
    b"",
    b"SSH-2.0-x\r\n",
    b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    HEAD + b"Content-Length: 9\r\n\r\n",
]


@pytest.mark.parametrize("said", NOTHING)
async def test_a_host_that_says_nothing_of_use_is_away(said: bytes) -> None:
    async with answering(said) as (address, _):
        assert await calls_told(address) is None


async def test_a_host_that_never_ends_is_away_and_holds_up_nobody() -> None:
    """One byte at a time, a body without end, and nobody at all: asked at once, with one bound for each."""
    endless = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    async with answering(endless, chunk, for_ever=True) as (flood, _), answering(of(b"[]")) as (fine, _):
        silent = trio.socket.socket()
        await silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        admin = {"flood": flood, "fine": fine, "silent": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with trio.fail_after(5):
            told = await Peers(admin | {"nobody": "http://127.0.0.1:9"}, lambda: "", 0.3).calls()
        silent.close()
    assert told == {"flood": None, "fine": [], "silent": None, "nobody": None}


async def test_of_many_calls_so_many_are_shown_and_of_odd_ones_what_can_be_read() -> None:
    odd = b'{"id": {"a": [1]}, "agent": "' + b"x" * 500 + b'", "seconds": "long"}'
    async with answering(of(b"[7, " + odd + b", " + b", ".join([CALL] * 500) + b"]")) as (address, _):
        told = await calls_told(address)
    assert told is not None
    assert len(told) == MOST_CALLS - 1
    assert told[0]["seconds"] == 0
    assert len(str(told[0]["agent"])) == 60
