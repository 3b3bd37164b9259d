"""Pings on a media socket are answered, and can neither end a call nor fill a buffer, however many come at once."""

import json
import socket

import pytest
import trio
import trio.testing
from strangers import CALL, FORM, HOST, MEDIA_PATH, TOKEN, UPGRADE, post
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from bench.stage import PUBLIC, Stage
from bridge.links.phone import MOST_BYTES_BEFORE_START, MediaProtocol
from bridge.links.pipes import TcpPipe
from bridge.links.web_socket import WebSocketLink
from replay.phone.signing import sign

PINGS = 10_000
BURST = b"".join(Frame(Opcode.PING, str(number).encode()).serialize(mask=True) for number in range(PINGS))
LAST_PONG = Frame(Opcode.PONG, str(PINGS - 1).encode()).serialize(mask=False)


def open_protocol() -> MediaProtocol:
    """Return the protocol of a media socket whose handshake is done."""
    protocol = MediaProtocol(max_size=MOST_BYTES_BEFORE_START)
    signature = sign(PUBLIC.replace("https", "wss") + MEDIA_PATH, (), TOKEN)
    head = f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X-Twilio-Signature: {signature}\r\n{UPGRADE}\r\n"
    protocol.receive_data(head.encode())
    (request,) = protocol.events_received()
    protocol.send_response(protocol.accept(request))
    protocol.data_to_send()
    return protocol


def test_of_a_burst_of_pings_the_latest_is_answered() -> None:
    protocol = open_protocol()
    protocol.receive_data(BURST)
    assert b"".join(protocol.data_to_send()) == LAST_PONG
    assert protocol.data_to_send() == []


def test_behind_a_close_frame_there_is_no_pong() -> None:
    protocol = open_protocol()
    protocol.receive_data(BURST)
    protocol.send_close(1000)
    assert protocol.state is State.CLOSING
    assert b"".join(protocol.data_to_send()) == Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False)


async def test_a_peer_that_pings_and_does_not_read_is_owed_one_pong() -> None:
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    link, told = WebSocketLink(TcpPipe(ours), open_protocol()), list[str]()
    link.on_waiting = lambda: told.append("something waits")
    with ours, theirs, trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.receive)
            for number in range(PINGS):
                await theirs.send(Frame(Opcode.PING, str(number).encode()).serialize(mask=True))
                if number % 100 == 0:
                    await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked()
            assert told == ["something waits"]
            nursery.start_soon(link.send)  # as a speaker does when told
            heard = b""
            while LAST_PONG not in heard:
                heard += await theirs.recv(65_536)
            nursery.cancel_scope.cancel()
    assert len(heard) < PINGS * len(LAST_PONG) / 10


@pytest.mark.parametrize("bursts", [1, 5])
async def test_ten_thousand_pings_in_one_write_end_no_call(stage: Stage, bursts: int) -> None:
    with trio.fail_after(20):
        async with await started(stage) as stream:
            heard, most = b"", 0
            (call,) = stage.daemon.switchboard.calls
            for _ in range(bursts):
                await stream.send_all(BURST)
                while LAST_PONG not in heard:
                    heard += await stream.receive_some()
                    most = max(most, len(call.phone.outbox))
                heard = b""
            assert (call.end, stage.daemon.switchboard.live) == (None, 1)
            assert most < 10


async def started(stage: Stage) -> trio.SocketStream:
    """Return a media socket that has shown which call it belongs to."""
    token = (await post(stage, FORM)).body.split(b'name="token" value="')[1].split(b'"')[0].decode()
    stream = await trio.open_tcp_stream("127.0.0.1", stage.daemon.port)
    signature = sign(PUBLIC.replace("https", "wss") + MEDIA_PATH, (), TOKEN)
    head = f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X-Twilio-Signature: {signature}\r\n{UPGRADE}\r\n"
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {
        "accountSid": dict(FORM)["AccountSid"],
        "streamSid": "MZ1",
        "callSid": CALL,
        "mediaFormat": media_format,
    }
    start["customParameters"] = {"token": token}
    message = json.dumps({"event": "start", "streamSid": "MZ1", "start": start}).encode()
    await stream.send_all(head.encode())
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
    await stream.send_all(Frame(Opcode.TEXT, message).serialize(mask=True))
    while not any(call.phone.link for call in stage.daemon.switchboard.calls):  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)
    return stream
