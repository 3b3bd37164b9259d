"""The Twilio stand-in against servers that are not ours: one after Twilio's published samples, and hostile ones."""

import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import pytest
import trio
import trio_websocket
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.phone import Account, CallReport, ring, ring_stream
from replay.phone_network import Network
from replay.phone_script import Caller, HangUp, Press, Say, Step, Wait
from replay.phone_stream import MAX_MESSAGES
from replay.signing import sign

TONE = b"\x10" * 160

# ---------------------------------------------------------------- a server after Twilio's samples


@attrs.define
class Sample:
    """What Twilio's samples do with a media socket: no webhook, no check of any signature, no word about the path.

    It sends the caller's first frames back as one message with a mark behind it, as the echo samples do; a key
    clears what is left of it."""

    got: list[dict[str, Any]] = attrs.field(factory=list)
    headers: dict[str, str] = attrs.field(factory=dict)
    kept: bytes = b""

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        self.headers = {bytes(name).decode(): bytes(value).decode() for name, value in request.headers}
        socket = await request.accept()
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                message = json.loads(await socket.get_message())
                self.got.append(message)
                for answer in self.answers_to(message):
                    await socket.send_message(json.dumps(answer))

    def answers_to(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        sid = message.get("streamSid")
        if message["event"] == "dtmf":
            return [{"event": "clear", "streamSid": sid}]
        if message["event"] != "media":
            return []
        self.kept += base64.b64decode(message["media"]["payload"])
        if len(self.kept) != 10 * 160:
            return []
        echo = {
            "event": "media",
            "streamSid": sid,
            "media": {"payload": base64.b64encode(self.kept).decode()},
        }
        return [echo, {"event": "mark", "streamSid": sid, "mark": {"name": "echo"}}]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [message for message in self.got if message["event"] == name]


async def call_sample(*steps: Step, **options: Any) -> tuple[Sample, CallReport]:
    sample = Sample()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(trio_websocket.serve_websocket, sample.serve, "127.0.0.1", 0, None)
            caller = Caller(steps=steps, patience_ms=500)
            report = await ring_stream(caller, url=f"ws://127.0.0.1:{server.port}/media", **options)
            nursery.cancel_scope.cancel()
    return sample, report


async def test_the_sample_gets_every_message_in_the_documented_shape() -> None:
    sample, report = await call_sample(Press("5"), Wait(60), HangUp(), parameters={"FirstName": "Jane"})
    sids = {"accountSid": Account().account_sid, "callSid": report.call_sid}
    assert sample.got[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert sample.got[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": report.stream_sid,
        "start": {
            **sids,
            "streamSid": report.stream_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"FirstName": "Jane"},
        },
    }
    assert sample.events("dtmf")[0]["dtmf"] == {"track": "inbound_track", "digit": "5"}
    media = sample.events("media")[0]
    assert set(media) == {"event", "sequenceNumber", "streamSid", "media"}
    assert {key: media["media"][key] for key in ("track", "chunk")} == {"track": "inbound", "chunk": "1"}
    assert len(base64.b64decode(media["media"]["payload"])) == 160
    assert sample.got[-1] == {
        "event": "stop",
        "sequenceNumber": str(len(sample.got) - 1),
        "streamSid": report.stream_sid,
        "stop": sids,
    }


async def test_the_sample_echoes_and_its_mark_comes_back_when_the_echo_was_played() -> None:
    sample, report = await call_sample(Say(TONE * 10), Wait(400), HangUp())
    assert [mark["mark"] for mark in sample.events("mark")] == [{"name": "echo"}]
    before = sum(int(message["sequenceNumber"]) < int(sample.events("mark")[0]["sequenceNumber"])
                 for message in sample.events("media"))  # fmt: skip
    assert before >= 20  # 10 frames said, 10 frames played
    assert TONE * 10 in report.heard
    assert (report.gaps, report.warnings, report.error) == ([], [], None)


async def test_a_clear_of_the_sample_brings_its_mark_back_at_once() -> None:
    sample, report = await call_sample(Say(TONE * 10), Wait(60), Press("1"), Wait(60), HangUp())
    assert [mark["mark"]["name"] for mark in sample.events("mark")] == ["echo"]
    assert report.marks[0].cleared
    assert report.clears[0].dropped_ms > 60


async def test_a_bare_media_socket_is_signed_over_its_own_url() -> None:
    sample, report = await call_sample(HangUp())
    url = f"ws://{sample.headers['host']}/media"
    assert sample.headers["x-twilio-signature"] == sign(url, (), Account().auth_token)
    assert (report.closed_by, report.close_code, report.next_verbs) == ("caller", 1000, [])


async def test_a_media_socket_can_be_signed_for_the_public_url_it_stands_for() -> None:
    sample = Sample()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, sample.serve, "127.0.0.1", 0, None)
        via = f"http://127.0.0.1:{server.port}"
        await ring_stream(Caller(steps=(HangUp(),)), url="wss://bridge.example.com/media", via=via)
        nursery.cancel_scope.cancel()
    assert sample.headers["host"] == "bridge.example.com"
    expected = sign("wss://bridge.example.com/media", (), Account().auth_token)
    assert sample.headers["x-twilio-signature"] == expected


# ---------------------------------------------------------------- hostile ones

Talk = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def anybody(talk: Talk) -> AsyncIterator[int]:
    """A TCP server that does what it likes with each connection; its port."""

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                await talk(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def a_call_to(talk: Talk, *, network: Network | None = None) -> CallReport:
    """A short call to a bare media socket; it must be over in time whatever the peer does."""
    caller = Caller(steps=(Wait(60), HangUp()), patience_ms=0, network=network or Network())
    with trio.fail_after(10):
        async with anybody(talk) as port:
            return await ring_stream(caller, url=f"ws://127.0.0.1:{port}/media", total_ms=3000)


async def a_webhook_that_answers(raw: bytes) -> CallReport:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(raw)

    with trio.fail_after(10):
        async with anybody(talk) as port:
            url = f"http://127.0.0.1:{port}"
            return await ring(Caller(answer_delay_ms=0), webhook=f"{url}/voice", via=url, total_ms=3000)


def http(status: str = "200 OK", body: bytes = b"", kind: str = "text/xml", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def frame(opcode: int, payload: bytes, *, fin: bool = True, length: int | None = None) -> bytes:
    """A server's WebSocket frame; with `length`, one that lies about its size."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + bytes([126]) + struct.pack("!H", size) + payload
    return head + bytes([127]) + struct.pack("!Q", size) + payload


async def upgraded(stream: trio.SocketStream) -> None:
    """Take part in the handshake as a server should."""
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        raw += await stream.receive_some(65_536)
    key = next(line.split(b": ")[1] for line in raw.split(b"\r\n") if line.startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    head = f"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}"
    await stream.send_all(f"HTTP/1.1 101 Hi\r\n{head}\r\n\r\n".encode())


def says(*parts: bytes, stay: bool = True) -> Talk:
    """A media server that says these bytes after a correct upgrade, and then reads on, or leaves."""

    async def talk(stream: trio.SocketStream) -> None:
        await upgraded(stream)
        for part in parts:
            await stream.send_all(part)
        while stay and await stream.receive_some(65_536):
            pass

    return talk


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", None),
        (b"<Response/>", None),
        (b"<Response><Hangup/></Response>", None),
        (b"\xff\xfe\x00", 12100),
        (b'<?xml version="1.0" encoding="utf-7"?><Response/>', 12100),
        (b'<?xml version="1.0" encoding="none"?><Response/>', 12100),
        (b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><Response>&d;</Response>', 12200),
        (b"<a>" * 10_000, 12100),
        (b'<Response><Connect><Stream url="wss://[::1/media"/></Connect></Response>', 31923),
        (b'<Response><Connect><Stream url="wss://h:99999/media"/></Connect></Response>', 11100),
        (b"<Response><Redirect>http://[</Redirect></Response>", 11100),
        (b"<Response><Redirect>http://h:x/</Redirect></Response>", 11100),
        ('<Response><Pause length="²"/></Response>'.encode(), 12200),
        (f'<Response><Pause length="{"9" * 5000}"/></Response>'.encode(), 12200),
        (b"<Response><Redirect>https://elsewhere.example.com/</Redirect></Response>", 11100),
        (b"x" * 2_000_000, 11200),
    ],
)  # fmt: skip
async def test_twiml_that_makes_no_sense_is_an_error_with_twilios_number(
    body: bytes, code: int | None
) -> None:
    report = await a_webhook_that_answers(http(body=body))
    assert report.error is None if code is None else str(report.error).startswith(f"{code}: ")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/9.9 abc\r\n\r\n",
        http("302 Found", more="Location: https://elsewhere.example.com/\r\n"),
        http("204 No Content")[:-2] + b"Content-Length: 5\r\n\r\n",
        http(kind="application/json", body=b"{}"),
        http("500 Oh", body=b"no"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: text/xml\r\n\r\n<R",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/xml\r\n\r\nnot gzip",
    ],
)
async def test_an_answer_that_is_none_is_an_error_of_the_call(raw: bytes) -> None:
    assert (await a_webhook_that_answers(raw)).error is not None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (http("403 Forbidden"), 403),
        (http("200 OK", body=b"hello"), 200),
        (http("302 Found", more="Location: ws://elsewhere.example.com/\r\n"), 302),
        (b"HTTP/1.1 101 Hi\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH\r\n", None),
        (b"", None),
        (b"\x16\x03\x01" * 50, None),
        (b"HTTP/1.1 101 Hi\r\n" + b"a: b\r\n" * 10_000, None),
    ],
)
async def test_a_server_that_is_no_media_server_is_an_error_of_the_call(
    raw: bytes, status: int | None
) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(raw)

    report = await a_call_to(talk)
    assert report.error is not None
    assert report.error.startswith("319")
    assert (report.upgrade_status, report.started_ms) == (status, None)


BRACKETS = b"[" * 60_000


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (frame(1, b"no json"), 31950),
        (frame(2, b"\x00" * 320), 31950),
        (frame(1, b"\xff\xfe"), 31950),
        (frame(1, BRACKETS), 31950),
        (frame(1, b"[]"), 31951),
        (frame(1, b'{"event":"media"}'), 31951),
        (frame(3, b"reserved"), 31924),
        (frame(1, b"", length=2**62), 31924),
        (frame(9, b"x" * 200), 31924),
        (frame(0, b"nothing to continue"), 31924),
        (b"\x81\xff", None),
        (frame(9, b"ping"), None),
    ],
)
async def test_what_no_media_server_may_say_is_a_warning(part: bytes, code: int | None) -> None:
    report = await a_call_to(says(part))
    assert [warned.code for warned in report.warnings] == ([] if code is None else [code])


async def with_sid(answer: Callable[[str], list[str]]) -> CallReport:
    """A call to a proper WebSocket server that says these texts once it knows the stream."""

    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                message = json.loads(await socket.get_message())
                for text in answer(message["streamSid"]) if message["event"] == "start" else []:
                    await socket.send_message(text)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
            url = f"ws://127.0.0.1:{server.port}/media"
            report = await ring_stream(Caller(steps=(Wait(200), HangUp())), url=url, total_ms=30_000)
            nursery.cancel_scope.cancel()
            return report


async def test_a_mark_that_is_no_text_is_refused_before_it_could_come_back() -> None:
    audio = '"media":{"payload":"' + base64.b64encode(TONE * 2).decode() + '"}'

    def answer(sid: str) -> list[str]:
        head = f'"streamSid":"{sid}"'
        return [
            f'{{"event":"media",{head},{audio}}}',
            f'{{"event":"mark",{head},"mark":{{"name":"\\ud800"}}}}',
        ]

    report = await with_sid(answer)
    assert [warned.code for warned in report.warnings] == [31951]
    assert (report.closed_by, report.marks) == ("caller", [])


async def test_a_server_that_never_stops_talking_is_hung_up_on() -> None:
    report = await with_sid(lambda sid: ['{"event":"clear"}'] * (MAX_MESSAGES + 1))
    assert report.error is not None
    assert f"more than {MAX_MESSAGES} messages" in report.error
    assert len(report.warnings) == 1


# ---------------------------------------------------------------- any behaviour at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.one_of(
    st.binary(max_size=40),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"event": st.sampled_from(["media", "mark", "clear", "stop", ""]), "streamSid": JSON},
        optional={"media": JSON, "mark": JSON},
    ).map(lambda value: json.dumps(value).encode()),
)
PARTS = st.one_of(
    st.binary(max_size=60),
    st.builds(frame, st.integers(0, 15), MESSAGES, fin=st.booleans()),
    st.builds(frame, st.just(1), MESSAGES),
    st.builds(frame, st.just(8), st.binary(max_size=4)),
    st.builds(frame, st.just(1), st.just(b""), length=st.sampled_from([1, 200, 70_000, 2**31, 2**63])),
)
NETWORKS = st.sampled_from([Network(), Network(loss=0.5), Network(latency_ms=10, jitter_ms=20, stall_ms=30)])


@given(parts=st.lists(PARTS, max_size=5), stay=st.booleans(), network=NETWORKS)
@settings(max_examples=60, deadline=None)
def test_nothing_a_media_server_does_raises_or_hangs(
    parts: list[bytes], stay: bool, network: Network
) -> None:
    async def main() -> CallReport:
        return await a_call_to(says(*parts, stay=stay), network=network)

    report = trio.run(main)
    assert report.closed_by in ("caller", "bridge")
    assert report.started_ms is not None


@given(
    raw=st.binary(max_size=80)
    | st.builds(http, st.sampled_from(["101 Hi", "200 OK", "99 x"]), st.binary(max_size=20))
)
@settings(max_examples=40, deadline=None)
def test_nothing_that_is_answered_to_an_upgrade_raises_or_hangs(raw: bytes) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(raw)

    async def main() -> CallReport:
        return await a_call_to(talk)

    assert trio.run(main).error is not None


ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["url", "action", "method", "name", "value", "length", "track", "digits", "statusCallback"]
    ),
    st.text(st.characters(exclude_characters='<>&"', exclude_categories=["Cs", "Cc"]), max_size=12)
    | st.sampled_from(
        ["wss://127.0.0.1/x", "wss://[", "http://:0", "//", "ws://a", "\u00b2", "wss://a..b/", "/x y"]
    ),
    max_size=3,
).map(lambda found: "".join(f' {name}="{value}"' for name, value in found.items()))
ELEMENTS = st.recursive(
    st.builds(lambda tag, found: f"<{tag}{found}/>", st.sampled_from(
        ["Stream", "Parameter", "Hangup", "Pause", "Say", "Play", "Number", "Redirect", "Sing"]), ATTRIBUTES),
    lambda inner: st.builds(
        lambda tag, found, parts: f"<{tag}{found}>{''.join(parts)}</{tag}>",
        st.sampled_from(["Connect", "Stream", "Dial", "Redirect", "Say"]), ATTRIBUTES,
        st.lists(inner | st.sampled_from(["x", "http://[", "\u00e9"]), max_size=3)),
    max_leaves=5,
)  # fmt: skip


@given(elements=st.lists(ELEMENTS, max_size=3))
@settings(max_examples=60, deadline=None)
def test_no_twiml_raises_or_hangs(elements: list[str]) -> None:
    body = f"<Response>{''.join(elements)}</Response>".encode()
    report = trio.run(a_webhook_that_answers, http(body=body))
    assert report.webhook_status == 200
