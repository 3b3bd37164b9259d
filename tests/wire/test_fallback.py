"""The second way in: a media socket on a connection that was used for HTTP before, as some proxies do it."""

import json
import re
from typing import Any

import httpx2
import pytest
import trio
from attrs import define
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.stage import AGENT, PUBLIC, WEBHOOK, Stage
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.phone.signing import sign

MEDIA = f"{PUBLIC.replace('https', 'wss')}/voice/ws/{AGENT}"
FORM = {
    "CallSid": "CA" + "1" * 32,
    "AccountSid": "AC" + "0" * 32,
    "From": "+15550123456",
    "To": "+15550100100",
}
SID = "MZ" + "2" * 32
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


@define
class UsedConnection:
    """One TCP connection: a request for /healthz, then a WebSocket."""

    stream: trio.SocketStream
    protocol: ClientProtocol

    async def use_for_http(self) -> None:
        await self.stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: bridge.example.com\r\n\r\n")
        seen = b""
        while b'"status"' not in seen or not seen.endswith(b"}\n"):
            seen += await self.stream.receive_some(4096)

    async def upgrade(self, signature: str) -> int:
        request = self.protocol.connect()
        request.headers["x-twilio-signature"] = signature
        self.protocol.send_request(request)
        await self.flush()
        while self.protocol.state is State.CONNECTING and self.protocol.handshake_exc is None:
            await self.read()
        refusal = self.protocol.handshake_exc
        return refusal.response.status_code if isinstance(refusal, InvalidStatus) else 101

    async def send(self, **message: Any) -> None:
        self.protocol.send_text(json.dumps(message).encode())
        await self.flush()

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send_all(data)

    async def read(self) -> list[Any]:
        data = await self.stream.receive_some(65536)
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        return self.protocol.events_received()


async def connect(stage: Stage) -> UsedConnection:
    stream = await trio.open_tcp_stream("127.0.0.1", stage.daemon.port)
    return UsedConnection(stream, ClientProtocol(parse_uri(MEDIA)))


async def token_of(stage: Stage) -> str:
    headers = {"x-twilio-signature": sign(WEBHOOK, FORM, stage.account.auth_token)}
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{stage.via}/voice/{AGENT}", data=FORM, headers=headers)
    found = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert found
    return found[1]


def start(token: str) -> dict[str, Any]:
    body = {"accountSid": FORM["AccountSid"], "streamSid": SID, "callSid": FORM["CallSid"], "tracks": ["inbound"],
            "mediaFormat": FORMAT, "customParameters": {"token": token}}  # fmt: skip
    return {"event": "start", "sequenceNumber": "1", "streamSid": SID, "start": body}


def frame(number: int) -> dict[str, Any]:
    media = {"track": "inbound", "chunk": str(number), "timestamp": str(20 * number), "payload": "/////w=="}
    return {"event": "media", "sequenceNumber": str(number + 1), "streamSid": SID, "media": media}


async def test_a_call_goes_through_a_used_connection_and_no_message_is_lost_at_its_end(stage: Stage) -> None:
    with trio.fail_after(10):
        token = await token_of(stage)
        phone = await connect(stage)
        async with phone.stream:
            await phone.use_for_http()
            assert await phone.upgrade(sign(MEDIA, {}, stage.account.auth_token)) == 101
            await phone.send(event="connected", protocol="Call", version="1.0.0")
            await phone.send(**start(token))
            while not any(
                isinstance(event, Frame) and b'"media"' in event.data for event in await phone.read()
            ):
                pass  # until the greeting is heard
            for number in range(1, 31):
                phone.protocol.send_text(json.dumps(frame(number)).encode())
            await phone.send(event="stop", streamSid=SID, stop={"accountSid": FORM["AccountSid"]})
            phone.protocol.send_close(1000)
            await phone.flush()
            await stage.wait_recorded()
    (path,) = tapes_under(stage.daemon.host.recorder.folder)
    lines = [decode(line) for line in read_tape(path).lines]
    heard = [line for line in lines if line.leg == "twilio_ws" and line.sender == "twilio" and line.msg]
    assert len(heard) == 1 + 1 + 30 + 1
    assert [line.end["why"] for line in lines if line.end] == ["hung up"]


@pytest.mark.parametrize("url", [MEDIA.replace("wss", "https"), MEDIA + "x"])
async def test_it_wants_the_same_signature(stage: Stage, url: str) -> None:
    with trio.fail_after(10):
        phone = await connect(stage)
        async with phone.stream:
            await phone.use_for_http()
            assert await phone.upgrade(sign(url, {}, stage.account.auth_token)) == 403
