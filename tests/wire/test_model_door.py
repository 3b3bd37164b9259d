"""The model's door is tried again: what passes by itself in a moment ends no call, what doesn't ends it at once."""

import socket
import ssl
from functools import partial
from itertools import islice
from typing import Any

import attrs
import pytest
import structlog
import trio
import trustme

from bench.fault_machine import Disk, no_names
from bench.stage import GREETING, MakePlace, Place, open_stage
from bridge.errors import DoorShutError, LinkError
from bridge.links.model import ModelAddress, asked_pause_ms
from bridge.links.model_door import ModelDoor
from bridge.links.web_socket import WebSocketLink
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import Line, decode
from replay.model.faulty_stream import Tls
from replay.model.script import DoorFault, Faults, Script
from replay.model.server import serve_model
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, Wait, WaitForAgent, WaitForEnd
from replay.phone.twiml import Hangup, Say
from replay.tapes.player import replay_tape

SENTENCE = "The line is down, please call again."
HEARS = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
WAITS = Caller(steps=(WaitForEnd(12_000),), answer_delay_ms=0)
LEAVES = Caller(steps=(Wait(300), HangUp()), answer_delay_ms=0)


def with_door(*faults: DoorFault, retry_after: str = "") -> Script:
    """Return a script whose first tries to connect come to this."""
    return attrs.evolve(GREETING, faults=Faults(door=faults, door_retry_after=retry_after))


async def a_call(place: Place, caller: Caller) -> tuple[CallReport, dict[str, Any], list[Line]]:
    """Make one call; return what its caller saw, its record, and its tape, which replays as it was."""
    with trio.fail_after(30):
        async with open_stage(place) as stage:
            report = await stage.ring(caller)
            await stage.wait_recorded()
    (row,), (path,) = place.calls(), place.tapes
    assert replay_tape(path).difference is None
    return report, row, [decode(raw) for raw in read_tape(path).lines]


def failed_tries(lines: list[Line]) -> list[dict[str, Any]]:
    return [line.try_failed for line in lines if line.try_failed is not None]


def tries_of(lines: list[Line]) -> list[int]:
    """Return when the model's socket was tried to be opened."""
    return [line.t_ms for line in lines if line.upgrade is not None]


PASSING: dict[str, tuple[tuple[DoorFault, ...], dict[str, int]]] = {
    "two times 503": (("http_503", "http_503"), {"HTTP 5xx": 2}),
    "500 once": (("http_500",), {"HTTP 5xx": 1}),
    "429 once": (("http_429",), {"HTTP 429": 1}),
    "a reset": (("reset",), {"handshake": 1}),
    "a handshake cut off, then 503": (("cut_off", "http_503"), {"HTTP 5xx": 1, "handshake": 1}),
}


@pytest.mark.parametrize(("door", "counts"), PASSING.values(), ids=list(PASSING))
async def test_what_passes_by_itself_ends_no_call(
    place: MakePlace, door: tuple[DoorFault, ...], counts: dict[str, int]
) -> None:
    setup = place(script=with_door(*door), limits={"model_ready_ms": 20_000})
    with structlog.testing.capture_logs() as logs:
        report, row, lines = await a_call(setup, HEARS)
    assert report.first_heard_ms is not None
    assert row["ended_by"] == "caller"
    failed = failed_tries(lines)
    assert len(tries_of(lines)) == len(door) + 1
    assert tries_of(lines)[-1] < 4500  # a connection cut off is seen at once
    assert {kind: sum(one["kind"] == kind for one in failed) for kind in counts} == counts
    assert [entry["event"] for entry in logs if "model try failed" in entry["event"]] == [
        f"model try failed: {one}" for one in dict.fromkeys(one["kind"] for one in failed)
    ]


@pytest.mark.parametrize("refusal", ["http_401"])
async def test_a_refusal_that_stays_is_asked_for_once(place: MakePlace, refusal: Any) -> None:
    script = attrs.evolve(GREETING, faults=Faults(refuse=refusal))
    _, row, lines = await a_call(place(script=script), WAITS)
    assert (row["ended_by"], "HTTP 401" in row["why"]) == ("model", True)
    assert (len(tries_of(lines)), failed_tries(lines)) == (1, [])


async def test_a_pause_that_is_asked_for_is_made(place: MakePlace) -> None:
    script = with_door("http_429", retry_after="1")
    _, row, lines = await a_call(place(script=script, limits={"model_ready_ms": 20_000}), HEARS)
    first, second = tries_of(lines)
    assert second - first >= 999  # of whole milliseconds, each of which a fraction was cut off
    assert row["ended_by"] == "caller"


async def test_with_too_little_time_for_the_pause_the_call_fails_at_once(place: MakePlace) -> None:
    setup = place(script=with_door("http_429", retry_after="60"), agent={"failure_sentence": SENTENCE})
    report, row, lines = await a_call(setup, WAITS)
    assert report.next_verbs == [Say(SENTENCE, "en-US"), Hangup()]
    assert "HTTP 429, and asks for a pause of 60000 ms" in row["why"]
    assert (len(tries_of(lines)), failed_tries(lines)) == (1, [])
    assert row["duration_ms"] < 4000


async def test_a_door_that_stays_shut_fails_the_call_with_its_reason_within_the_time(
    place: MakePlace,
) -> None:
    shut: tuple[DoorFault, ...] = ("http_503",) * 50
    setup = place(
        script=with_door(*shut), limits={"model_ready_ms": 1500}, agent={"failure_sentence": SENTENCE}
    )
    report, row, lines = await a_call(setup, WAITS)
    assert report.next_verbs == [Say(SENTENCE, "en-US"), Hangup()]
    assert "HTTP 503" in row["why"] or row["why"] == "the model was not ready in time"
    assert 2 <= len(tries_of(lines)) <= 15
    assert row["ended_by"] == "model"


async def test_a_model_that_never_answers_the_upgrade_is_given_the_time_and_no_more(place: MakePlace) -> None:
    setup = place(script=with_door("silence"), limits={"model_ready_ms": 500})
    _, row, _ = await a_call(setup, WAITS)
    assert (row["ended_by"], row["why"]) == ("model", "the model was not ready in time")


async def test_a_caller_who_leaves_meanwhile_ends_the_call(place: MakePlace) -> None:
    shut: tuple[DoorFault, ...] = ("http_503",) * 50
    _, row, lines = await a_call(place(script=with_door(*shut), limits={"model_ready_ms": 20_000}), LEAVES)
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")
    assert all(line.refused is None for line in lines)


async def test_a_shadows_door_is_tried_again_too(place: MakePlace) -> None:
    def cast(model: str, number: int) -> Script:
        return GREETING if number == 1 else with_door("http_503", "http_503")

    stays = Caller(steps=(WaitForAgent(), Wait(1500), HangUp()), answer_delay_ms=0)
    setup = place(script=cast, agent={"shadow": {"type": "server_vad"}}, limits={"model_ready_ms": 20_000})
    _, row, lines = await a_call(setup, stays)
    shadow = [line for line in lines if line.leg == "shadow_ws"]
    assert [line.try_failed["kind"] for line in shadow if line.try_failed] == ["HTTP 5xx"]
    assert any(line.accept is not None for line in shadow)
    assert row["ended_by"] == "caller"


# ---------------------------------------------------------------- the door alone


async def through(address: ModelAddress, seconds: float = 10) -> list[DoorShutError]:
    """Go through a door once it opens; return how it was shut before."""
    failures: list[DoorShutError] = []

    async def come_in(link: WebSocketLink) -> None:
        assert await link.receive()

    door = ModelDoor(
        address,
        trio.current_time() + seconds,
        on_try=lambda: None,
        on_failure=lambda shut, _: failures.append(shut),
    )
    with trio.fail_after(30):
        await door.serve(come_in)
    return failures


KEY = [("Authorization", "Bearer sk-none")]


async def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    with socket.socket() as taken:  # while it is, nobody else gets this port, and we can still listen on it
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with trio.open_nursery() as nursery:

            async def come_up() -> None:
                await trio.sleep(0.3)
                await serve_model(GREETING, port=port)

            nursery.start_soon(come_up)
            failures = await through(ModelAddress(f"ws://127.0.0.1:{port}/v1/realtime", "m", KEY))
            nursery.cancel_scope.cancel()
    assert {one.kind for one in failures} == {"unreachable"}


async def test_a_name_that_is_not_found_is_looked_up_again(place: MakePlace) -> None:
    async with open_stage(place()) as stage:
        url = stage.model.url.replace("127.0.0.1", "localhost")
        async with no_names(stage, Disk()), trio.open_nursery() as nursery:

            async def mend() -> None:
                await trio.sleep(0.3)
                trio.socket.set_custom_hostname_resolver(None)

            nursery.start_soon(mend)
            failures = await through(ModelAddress(url, "m", KEY))
    assert {one.kind for one in failures} == {"unreachable"}
    assert "Temporary failure in name resolution" in str(failures[0])


@pytest.fixture
def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return how to serve 127.0.0.1, and how to trust it."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


async def test_tls_that_takes_its_time_is_waited_for(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, trusting = certified
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_model, GREETING, tls=Tls(serving, lag_ms=400)))
        assert await through(ModelAddress(server.url, "m", KEY, trusting)) == []
        nursery.cancel_scope.cancel()


async def test_a_certificate_that_nobody_trusts_is_told_as_such(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, _ = certified
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_model, GREETING, tls=Tls(serving)))
        address = ModelAddress(server.url, "m", KEY, ssl.create_default_context())
        with pytest.raises(DoorShutError, match=r"over TLS: .*certificate verify failed") as shut:
            await through(address, seconds=0.2)
        assert shut.value.kind == "TLS"
        nursery.cancel_scope.cancel()


async def test_an_answer_that_is_no_http_is_no_reason_to_try_again() -> None:
    async def mumble(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"\x00\x01 mumble\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, mumble, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(LinkError, match="broke the WebSocket protocol") as broken:
            await through(ModelAddress(f"ws://127.0.0.1:{port}/v1/realtime", "m", KEY))
        assert not isinstance(broken.value, DoorShutError)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("draw", "pauses"),
    [(1.0, [200, 400, 800, 1000, 1000]), (0.5, [100, 200, 400, 500, 500]), (0.0, [0, 0, 0, 0, 0])],
)
def test_pauses_grow_and_are_drawn_from_nothing_to_all_of_them(draw: float, pauses: list[int]) -> None:
    door = ModelDoor(
        ModelAddress("ws://x", "m", []), 0, lambda: None, lambda shut, ms: None, draw=lambda: draw
    )
    assert list(islice(door._pauses(), 5)) == pauses


async def test_a_pause_of_ours_leaves_time_for_a_try(autojump_clock: trio.testing.MockClock) -> None:
    until = trio.current_time() + 0.6
    door = ModelDoor(ModelAddress("ws://x", "m", []), until, lambda: None, lambda shut, ms: None)
    assert door._cut(100) == 100
    assert 390 <= door._cut(1000) < 400
    await trio.sleep(0.7)
    assert door._cut(1000) == 0


@pytest.mark.parametrize(
    ("headers", "ms"),
    [
        ({}, 0),
        ({"retry-after": "2"}, 2000),
        ({"retry-after": "0.5"}, 500),
        ({"retry-after": "Fri, 27 Nov 2026 10:00:03 GMT", "date": "Fri, 27 Nov 2026 10:00:00 GMT"}, 3000),
        ({"retry-after": "Fri, 27 Nov 2026 10:00:00 GMT", "date": "Fri, 27 Nov 2026 10:00:03 GMT"}, 0),
        ({"retry-after": "Fri, 27 Nov 2026 10:00:03 GMT"}, 0),
        ({"retry-after": "soon", "date": "Fri, 27 Nov 2026 10:00:00 GMT"}, 0),
    ],
)
def test_how_long_a_refusal_asks_to_be_left_alone(headers: dict[str, str], ms: int) -> None:
    assert asked_pause_ms(headers) == ms
