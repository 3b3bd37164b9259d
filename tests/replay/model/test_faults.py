"""The Realtime stand-in refusing, failing and misbehaving: what a client gets to see of it."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
import trio
import trio.testing
from model_client import AT_ONCE, QUIET, SETTINGS, SPEECH, Client, connected, running
from trio_websocket import ConnectionClosed, ConnectionRejected

from replay.model.script import Faults, Garbage, Say, Script, Transcription, TranscriptMode

SCRIPT = Script(
    opening=(Say(b"\x55" * 160, "Hello."),),
    turns=((Say(b"\x56" * 160, "Good."),),),
    heard=("Fine, thanks.",),
    transcription=Transcription(delay_ms=0),
    delivery=AT_ONCE,
)


def faulty(**faults: Any) -> Script:
    return attrs.evolve(SCRIPT, faults=Faults(**faults))


async def close_of(client: Client) -> tuple[int, str | None]:
    """Read to the end; gives the close code and reason."""
    while client.ws.closed is None:
        with suppress(ConnectionClosed):
            await client.receive()
    return client.ws.closed.code, client.ws.closed.reason


def is_unauthorized(rejected: ConnectionRejected) -> bool:
    return rejected.status_code == 401


@pytest.mark.parametrize("headers", [(), ((b"Authorization", b""),), ((b"Authorization", b"Basic c2s="),)])
async def test_no_key_is_refused_before_the_upgrade(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    async with running(SCRIPT) as server:
        with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=is_unauthorized)):
            async with connected(server, headers=headers):
                pass
        assert server.sessions == []


async def test_the_http_refusal_can_be_asked_for() -> None:
    async with running(faulty(refuse="http_401")) as server:
        with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=is_unauthorized)):
            async with connected(server):
                pass


def has_status(status: int, retry_after: str) -> Callable[[ConnectionRejected], bool]:
    """Say whether a refusal has this status and asks for this pause."""
    asked = [(b"retry-after", retry_after.encode())] if retry_after else []
    return lambda rejected: (
        rejected.status_code == status
        and [pair for pair in rejected.headers if pair[0].lower() == b"retry-after"] == asked
    )


async def test_the_first_tries_are_refused_as_asked_for_and_then_all_is_fine() -> None:
    script = faulty(door=("http_503", "http_429"), door_retry_after="2")
    async with running(script) as server:
        for status in (503, 429):
            with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=has_status(status, "2"))):
                async with connected(server):
                    pass
        assert server.sessions == []
        async with connected(server) as client:
            await client.greet()


UPGRADE = (
    b"GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(("fault", "answer"), [("reset", None), ("cut_off", b"")])
async def test_a_try_can_be_cut_off_before_it_is_answered(fault: str, answer: bytes | None) -> None:
    async with running(faulty(door=(fault,))) as server:
        async with await trio.open_tcp_stream("127.0.0.1", urlsplit(server.url).port or 0) as stream:
            await stream.send_all(UPGRADE)
            if answer is None:
                with pytest.raises(trio.BrokenResourceError):
                    await stream.receive_some()
            else:
                assert await stream.receive_some() == answer
        async with connected(server) as client:
            await client.greet()


async def test_a_try_can_be_left_without_an_answer() -> None:
    async with running(faulty(door=("silence",))) as server:
        with trio.move_on_after(0.2) as waited:
            async with connected(server):
                pass
        assert waited.cancelled_caught
        async with connected(server) as client:
            await client.greet()


@pytest.mark.parametrize(
    ("faults", "query", "header", "code", "why"),
    [
        ({"refuse": "invalid_api_key"}, "?model=gpt-realtime-2.1", b"X-Other", 3000, "invalid_api_key"),
        ({"refuse": "model_not_found"}, "?model=gpt-realtime-2.1", b"X-Other", 4000, "model_not_found"),
        ({}, "", b"X-Other", 4000, "missing_model"),
        ({}, "?model=gpt-realtime-2.1", b"OpenAI-Beta", 4000, "beta_api_shape_disabled"),
    ],
)
async def test_a_refusal_after_the_upgrade_is_an_error_and_then_a_close(
    faults: dict[str, Any], query: str, header: bytes, code: int, why: str
) -> None:
    headers = ((b"Authorization", b"Bearer sk-test"), (header, b"realtime=v1"))
    async with running(faulty(**faults)) as server, connected(server, query=query, headers=headers) as client:
        assert await close_of(client) == (code, f"invalid_request_error.{why}")
        assert [event["error"]["code"] for event in client.events("error")] == [why]


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "realtime", "modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "psychic"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
    ],
)
async def test_a_wrong_update_is_refused_whole(change: dict[str, Any], code: str, param: str) -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        created = await client.until("session.created")
        await client.send("session.update", session={**change, "instructions": "Be rude."})
        error = await client.until("error")
        assert (error["error"]["code"], error["error"]["param"]) == (code, param)
        assert error["error"]["event_id"] == client.events("session.update")[0]["event_id"]
        assert server.sessions[0].settings == created["session"]


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("response.think", {}, "invalid_value"),
        ("response.create", {"mood": "good"}, "unknown_parameter"),
        ("conversation.item.truncate", {"item_id": "item_1"}, "missing_required_parameter"),
        (
            "conversation.item.truncate",
            {"item_id": "item_1", "content_index": 0, "audio_end_ms": 0},
            "item_truncate_invalid_item_id",
        ),
        ("input_audio_buffer.append", {"audio": "~no base64~"}, "invalid_value"),
    ],
)
async def test_a_wrong_event_is_an_error_and_the_session_goes_on(
    kind: str, fields: dict[str, Any], code: str
) -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.until("session.created")
        await client.send(kind, **fields)
        error = await client.until("error")
        assert error["error"]["code"] == code
        await client.send("session.update", session=SETTINGS)
        await client.until("session.updated")


async def test_a_failed_response_says_nothing_and_can_be_asked_for_again() -> None:
    async with running(faulty(fail_responses=1)) as server, connected(server) as client:
        await client.greet()
        await client.say(SPEECH + QUIET)
        failed = await client.until("response.done")
        await client.send("response.create")
        again = await client.until("response.done")
        assert failed["response"]["status_details"]["error"]["code"] == "rate_limit_exceeded"
        assert again["response"]["output"][0]["content"][0]["transcript"] == "Good."
        assert server.sessions[0].responses[1].status == "failed"


@pytest.mark.parametrize(
    ("mode", "end"), [("failed", "failed"), ("late", "completed"), ("soon", "completed")]
)
async def test_a_transcript_comes_when_it_pleases(mode: TranscriptMode, end: str) -> None:
    script = attrs.evolve(SCRIPT, transcription=Transcription(mode=mode, delay_ms=0))
    kind = f"conversation.item.input_audio_transcription.{end}"
    async with running(script) as server, connected(server) as client:
        await client.greet()
        before = len(client.kinds())
        await client.say(SPEECH + QUIET)
        while not {kind, "response.done"} <= set(client.kinds()[before:]):
            await client.receive()
        turn = client.kinds()[before:]
        assert mode != "late" or turn.index(kind) > turn.index("response.done")


async def test_a_transcript_may_never_come() -> None:
    script = attrs.evolve(SCRIPT, transcription=Transcription(mode="never"))
    async with running(script) as server, connected(server) as client:
        await client.greet()
        for _ in range(2):
            await client.say(SPEECH + QUIET)
            await client.until("response.done")
        assert not any("transcription" in kind for kind in client.kinds())


async def test_the_longest_session_ends_with_an_error_and_1001() -> None:
    async with running(faulty(close_after_ms=0)) as server, connected(server) as client:
        assert await close_of(client) == (1001, "Your session hit the maximum duration of 60 minutes.")
        assert [event["error"]["code"] for event in client.events("error")] == ["session_expired"]


async def test_a_dropped_connection_has_no_close_frame() -> None:
    async with running(faulty(drop_after_ms=0)) as server, connected(server) as client:
        code, _ = await close_of(client)
        await server.sessions[0].wait_until(lambda session: session.close_code == 1006)
        assert code == 1006


@pytest.mark.parametrize("fault", ["never_create", "never_update", "never_answer"])
async def test_a_mute_service_takes_everything_and_owes_one_thing(fault: str) -> None:
    async with running(faulty(**{fault: True})) as server, connected(server) as client:
        await client.send("session.update", session=SETTINGS)
        await client.send("response.create")
        await client.send("conversation.item.retrieve", item_id="nothing")
        session = await server.wait_session()
        await session.wait_until(lambda session: len(session.received) == 3)
        assert session.responses == [] or fault == "never_update"


async def test_only_the_first_session_is_faulty_when_asked() -> None:
    async with running(faulty(drop_after_ms=0, first_sessions_only=1)) as server:
        async with connected(server) as client:
            await close_of(client)
        async with connected(server) as client:
            done = await client.greet()
            assert done["response"]["status"] == "completed"


async def test_a_stalled_service_reads_nothing_until_the_client_cannot_send() -> None:
    async def talk_on(client: Client) -> None:
        while True:
            await client.ws.send_message("x" * 2**16)

    async with running(faulty(stall_after_ms=0, never_create=True)) as server, connected(server) as client:
        session = await server.wait_session()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk_on, client)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert session.close_code is None
            nursery.cancel_scope.cancel()
        await leave(client)


async def leave(client: Client) -> None:
    """Close without waiting for a service that answers nothing."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await client.ws.aclose()


@pytest.mark.parametrize("kind", ["binary_frame", "broken_json", "not_an_object", "missing_fields", "huge"])
async def test_garbage_comes_with_the_first_turn_and_never_again(kind: Garbage) -> None:
    async with running(faulty(garbage=(kind,))) as server, connected(server) as client:
        await client.greet()
        frames = []
        for _ in range(2):
            await client.say(SPEECH + QUIET)
            frames.append(await raw_until_done(client))
        assert [sum(map(is_garbage, turn)) for turn in frames] == [1, 0]


async def raw_until_done(client: Client) -> list[str | bytes]:
    frames: list[str | bytes] = []
    while True:
        frames.append(await client.ws.get_message())
        if isinstance(frames[-1], str) and '"type":"response.done"' in frames[-1]:
            return frames


def is_garbage(frame: str | bytes) -> bool:
    try:
        return not json.loads(frame).get("event_id") or len(frame) > 2**20
    except (ValueError, AttributeError):
        return True


async def test_stray_errors_and_unknown_events_come_when_asked() -> None:
    script = faulty(stray_errors=True, garbage=("unknown_error",))
    async with running(script) as server, connected(server) as client:
        await client.greet()
        await client.say(SPEECH + QUIET)
        await client.until("response.done")
        assert [event["error"]["code"] for event in client.events("error")] == [
            "conversation_already_has_active_response",
            "response_cancel_not_active",
            "flux_capacitor_drained",
        ]


async def test_an_error_may_come_without_an_event_id_of_its_own() -> None:
    with trio.fail_after(5):
        async with running(faulty(null_error_ids=True)) as server, connected(server) as client:
            await client.send("response.cancel")
            while (message := json.loads(await client.ws.get_message()))["type"] != "error":
                pass
    assert message["event_id"] is None
    assert message["error"]["code"] == "response_cancel_not_active"


async def test_a_wrong_key_may_be_refused_for_a_while() -> None:
    async with running(faulty(door=("http_401",))) as server:
        with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=is_unauthorized)):
            async with connected(server):
                pass
        async with connected(server) as client:
            await client.greet()


@pytest.mark.parametrize("end", [{"drop_after_ms": 0}, {"close_after_ms": 0}])
async def test_nobody_listens_for_a_while_after_a_session_that_ended_badly(end: dict[str, int]) -> None:
    async with running(faulty(**end, shut_ms=300, first_sessions_only=1)) as server:
        address = "127.0.0.1", urlsplit(server.url).port or 0
        async with connected(server) as client:
            with suppress(ConnectionClosed):
                await close_of(client)
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream(*address)
        while True:
            with suppress(OSError):
                async with await trio.open_tcp_stream(*address):
                    break
            await trio.lowlevel.checkpoint()
        async with connected(server) as client:
            await client.greet()


async def test_a_session_tells_what_it_was_given_and_what_was_said_in_it() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.greet()
        content = [{"type": "input_text", "text": "Hello?"}]
        item = {"id": "again_1", "type": "message", "role": "user", "content": content}
        await client.send("conversation.item.create", item=item)
        session = await server.wait_session()
        await session.wait_until(lambda session: len(session.items) == 2)
        greeting, given = session.items
        assert (greeting["role"], greeting["content"][0]["transcript"]) == ("assistant", "Hello.")
        assert (given["id"], given["content"]) == ("again_1", content)
