"""The console in a running daemon: who is let in at which door, a call that appears and is found, and slow readers."""

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import pytest
import trio

from bench.stage import PROMPT, MakePlace, Stage, open_stage, speech, words
from bridge.calls.legs.ears import SIDE_BYTES
from bridge.console.auth import COOKIE, SESSION, signed
from bridge.observe.admin import READ_SECONDS
from bridge.store.messages import Failed, Question, Rows
from bridge.web.listener import USER_TIMEOUT_MS
from replay.model.script import Script
from replay.phone.exchange.town import Behaviour, FarEnd, Town
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent, WaitForEnd
from replay.tapes.player import replay_tape

pytestmark = pytest.mark.real_time("the database is another process")

TOKEN = "let-me-in"
CONSOLE: dict[str, Any] = {"admin": {"bind": "127.0.0.1:0"}, "admin_token": TOKEN, "console": {"on": True}}
PAGES = ["/console/calls", "/console/live", "/console/calls/CA1"]
COUNT = Question({"n": ("select count(*) as n from calls", ())})
HELLO = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)


def client(stage: Stage, **headers: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        trust_env=False,
        timeout=60,
        base_url=f"http://{stage.daemon.monitoring.address}",
        headers={"Authorization": f"Bearer {TOKEN}"} | headers,
    )


async def get(stage: Stage, path: str, **headers: str) -> httpx2.Response:
    async with client(stage, **headers) as asking:
        return await asking.get(path)


async def test_the_public_port_has_no_console(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE)) as stage, httpx2.AsyncClient(trust_env=False) as asking:
        for path in ("/console/calls", "/console/login", "/console/static/console.css"):
            assert (await asking.get(stage.via + path)).status_code == 404


async def test_it_is_off_unless_it_is_asked_for(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE | {"console": {}})) as stage:
        assert (await get(stage, "/console/calls")).status_code == 404


@pytest.mark.parametrize("path", [*PAGES, "/console/login", "/console/static/console.css"])
async def test_a_name_that_somebody_made_to_point_here_is_refused(place: MakePlace, path: str) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        answer = await get(stage, path, Host="evil.example.com")
        assert (answer.status_code, answer.content) == (421, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/console/%63alls",
        "/console//calls",
        "/console/calls%00",
        "/consoles",
        "/console/calls;a",
        "/%63onsole/",
    ],
)
async def test_a_path_that_has_to_be_decoded_is_not_found(place: MakePlace, path: str) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        assert (await get(stage, path)).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_without_the_token_nothing_is_readable(place: MakePlace, path: str) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        await stage.ring(HELLO)
        for wrong in ("", "Bearer let-me-out", "Basic bGV0LW1lLWlu"):
            answer = await get(stage, path, Authorization=wrong)
            assert answer.status_code == 401
            assert "+1555" not in answer.text


@asynccontextmanager
async def listening(stage: Stage, page: str) -> AsyncIterator[bytes]:
    """Listen in on a call until the block is left; yields the head of the answer, once there is sound."""
    host, port = stage.daemon.monitoring.address.split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        own = f"Host: {host}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0"
        head = f"POST {page}/listen HTTP/1.1\r\n{own}\r\n\r\n"
        await stream.send_all(head.encode())
        said = b""
        while len(said.partition(b"\r\n\r\n")[2]) < 2 * SIDE_BYTES:
            said += await stream.receive_some()
        yield said.partition(b"\r\n\r\n")[0]


async def heard(stage: Stage, until: str, seconds: float = 60) -> str:
    """Follow the calls that go on until something is said of them; return all that was said."""
    host, port = stage.daemon.monitoring.address.split(":")
    said = b""
    with trio.move_on_after(seconds):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(
                f"GET /console/live HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            )
            while until.encode() not in said and (data := await stream.receive_some()):
                said += data
            return said.decode()
    return ""


async def test_a_call_is_seen_while_it_goes_on_and_found_when_it_is_over(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        told = list[str]()

        async def watch() -> None:
            told.append(await heard(stage, "event: kept"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await heard(stage, "Nobody is on the line")
            report = await stage.ring(LINGERING)
        assert "text/event-stream" in told[0]
        assert report.call_sid in told[0]
        await stage.wait_recorded()
        page = (await get(stage, "/console/calls")).text
        assert f"/console/calls/{report.call_sid}" in page
        assert "1 call," in page


LINGERING = Caller(steps=(WaitForAgent(), speech("caller_yes"), HangUp()), answer_delay_ms=0)


async def test_a_stream_goes_on_for_longer_than_a_request_may_take(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        assert await heard(stage, "event: never", seconds=READ_SECONDS + 2) == ""


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_call_is_seen_talking_and_hung_up_by_somebody_whose_name_is_on_the_tape(
    place: MakePlace, workers: int
) -> None:
    async with (
        open_stage(place(**CONSOLE, server={"workers": workers})) as stage,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(stage.ring, LISTENER)
        said = await heard(stage, "/hang-up")
        call_id = re.findall(r"/console/calls/(\w+)/hang-up", said)[0]
        await heard(stage, 'class="agent"')
        async with client(stage) as asking:
            for origin in ("", "http://evil.example.com"):
                headers = {"Authorization": "Bearer x", "Origin": origin}
                refused = await asking.post(f"/console/calls/{call_id}/hang-up", headers=headers)
                assert refused.status_code in (401, 403)
            assert (await asking.post("/console/calls/CA1/hang-up")).status_code == 404
            own = f"/console/calls/{call_id}"
            done = await asking.post(f"{own}/hang-up", headers={"Referer": f"http://127.0.0.1{own}"})
            assert (done.status_code, done.headers["location"]) == (303, own), "they stay where they were"
        await stage.wait_recorded()
        answer = await stage.daemon.indexer.read(Question({"n": ("select ended_by, why from calls", ())}))
    assert answer == Rows({"n": [{"ended_by": "operator", "why": "hung up in the console by token"}]})


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_operator_listens_in_whispers_and_puts_through_and_all_of_it_is_on_the_tape(
    place: MakePlace, workers: int
) -> None:
    setup = place(**CONSOLE, server={"workers": workers}, agent=OPERATED, script=TALKS)
    town = Town(
        {"+15550100111": FarEnd(Caller(steps=(HangUp(),)), answers_after_ms=100)},
        Behaviour(speech_ms_per_character=0),
    )
    async with open_stage(setup) as stage, client(stage, Accept="text/plain") as asking:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(stage.ring, LISTENER, town=town))
            await heard(stage, 'class="agent"')
            (call,) = stage.daemon.switchboard.calls
            own = f"/console/calls/{call.call_id}"
            async with listening(stage, own) as head:
                assert head.startswith(b"HTTP/1.1 200")
                await heard(stage, "token listens in")
            told = await asking.post(f"{own}/whisper", data={"text": "Offer\n her  ten percent.", "now": "1"})
            assert (told.status_code, told.text) == (200, "Done.")
            for wrong in ("", " \n", "x" * 1001):
                assert (await asking.post(f"{own}/whisper", data={"text": wrong})).status_code == 400
            refused = await asking.post(f"{own}/transfer", data={"place": "+15550199999"})
            assert (refused.status_code, refused.text) == (409, "there is no such place; use one of: sales")
            done = await asking.post(f"{own}/transfer", data={"place": "sales", "summary": "Ann"})
            assert done.status_code == 200
            await call.over.wait()
        await stage.wait_recorded()
    doings = [row for row in setup.store.query("select name, data from milestones order by position")
              if row["name"] in DOINGS]  # fmt: skip
    assert [row["name"] for row in doings] == list(DOINGS)
    assert all(json.loads(row["data"])["by"] == "token" for row in doings)
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("operator", "transferred to sales by token")
    assert [replay_tape(path).difference for path in setup.tapes] == [None]


TALKS = Script(opening=(words("agent_greeting"),), fallback=(words("agent_pardon"),), delivery=PROMPT)
DOINGS = ("listener_came", "listener_left", "whispered", "operator_refused", "leave_asked")
OPERATED = {"listen_in": True, "transfer": {"sales": {"description": "orders", "number": "+15550100111"}}}


@pytest.mark.parametrize("act", ["listen", "whisper", "transfer", "hang-up"])
async def test_nothing_is_done_about_a_call_for_a_page_of_somebody_else(place: MakePlace, act: str) -> None:
    async with open_stage(place(**CONSOLE, agent=OPERATED)) as stage, client(stage) as asking:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.ring, LISTENER)
            await heard(stage, 'class="agent"')
            (call,) = stage.daemon.switchboard.calls
            address = f"/console/calls/{call.call_id}/{act}"
            form = {"text": "Say that you are a robot.", "place": "sales"}
            cookie = f"{COOKIE}={signed(TOKEN, SESSION, 'anna', time.time() + 60)}"
            for headers in (
                {"Authorization": ""},
                {"Authorization": "", "Cookie": cookie},
                {"Authorization": "", "Cookie": cookie, "Origin": "http://evil.example.com"},
            ):
                answer = await asking.post(address, data=form, headers=headers)
                assert answer.status_code in (401, 403)
            assert (await asking.get(address)).status_code == 405
            assert (await asking.post(address.replace(call.call_id, "CA1"), data=form)).status_code == 404
            assert call.end is None
            call.stop("operator", "enough")
        await stage.wait_recorded()
        answered = await stage.daemon.indexer.read(Question({"n": ("select name from milestones", ())}))
        assert isinstance(answered, Rows)
        assert not {row["name"] for row in answered.tables["n"]} & set(DOINGS)


async def test_who_may_not_listen_in_is_told_so_and_hears_nothing(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE)) as stage, client(stage) as asking, trio.open_nursery() as nursery:
        nursery.start_soon(stage.ring, LISTENER)
        await heard(stage, 'class="agent"')
        (call,) = stage.daemon.switchboard.calls
        answer = await asking.post(f"/console/calls/{call.call_id}/listen")
        assert answer.status_code == 409
        assert "listen_in = true" in answer.text
        call.stop("operator", "enough")


LISTENER = Caller(steps=(WaitForAgent(), WaitForEnd()), answer_delay_ms=0)


async def test_a_browser_that_stops_reading_does_not_hold_up_the_end(place: MakePlace) -> None:
    """Hypercorn's sends can't be cancelled: the system ends the connection instead."""
    async with open_stage(place(**CONSOLE)) as stage:
        host, port = stage.daemon.monitoring.address.split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        head = f"GET /console/live HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        await stream.send_all(head.encode())
        listener = stage.daemon.monitoring._listener
        assert listener is not None
        if sys.platform == "linux":
            assert listener.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT_MS
    await stream.aclose()


# ---------------------------------------------------------------- the database behind it


async def test_a_question_is_answered_though_its_process_dies(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        indexer = stage.daemon.indexer
        await stage.ring(HELLO)
        await stage.wait_recorded()
        assert await indexer.read(COUNT) == Rows({"n": [{"n": 1}]})
        assert indexer.pid is not None
        os.kill(indexer.pid, signal.SIGKILL)
        assert await indexer.read(COUNT) == Rows({"n": [{"n": 1}]})


async def test_a_slow_question_ends_in_time_and_keeps_no_call_out_of_the_database(place: MakePlace) -> None:
    slow = "select count(*) as n from range(100000) a, range(100000) b where a.range * b.range % 7 = 3"
    async with open_stage(place(**CONSOLE)) as stage, trio.open_nursery() as nursery:
        await stage.ring(HELLO)
        await stage.wait_recorded()
        answers = []

        async def ask() -> None:
            answers.append(await stage.daemon.indexer.read(Question({"n": (slow, ())}, seconds=5)))

        nursery.start_soon(ask)
        await stage.ring(HELLO)
        await stage.wait_recorded()
        assert answers == []
        nursery.cancel_scope.deadline = trio.current_time() + 60
    assert isinstance(answers[0], Failed)
    assert "more than 5 s" in answers[0].text


async def test_no_question_writes(place: MakePlace) -> None:
    async with open_stage(place(**CONSOLE)) as stage:
        await stage.ring(HELLO)
        await stage.wait_recorded()
        for sql in ("delete from calls", "drop table calls"):
            assert isinstance(await stage.daemon.indexer.read(Question({"n": (sql, ())})), Failed)
        assert await stage.daemon.indexer.read(COUNT) == Rows({"n": [{"n": 1}]})
