"""The Twilio stand-in against a server that is not ours, written after Twilio's published samples."""

import base64
import json
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
import trio_websocket
from phone_strangers import anybody

from replay.phone.ring import Account, CallReport, ring_stream
from replay.phone.script import Caller, HangUp, Press, Say, Step, Wait
from replay.phone.signing import sign

TONE = b"\x10" * 160


@attrs.define
class Sample:
    """What Twilio's samples do with a media socket: no webhook, no check of any signature, no word about the path.

    It sends the caller's first frames back as one message with a mark behind it, as the echo samples do; a key
    clears what is left of it."""

    got: list[dict[str, Any]] = attrs.field(factory=list)
    kept: bytes = b""

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
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


@pytest.mark.parametrize("public", [None, "wss://bridge.example.com/media"])
async def test_a_media_socket_is_signed_over_the_url_it_stands_for(public: str | None) -> None:
    heads: list[bytes] = []

    async def talk(stream: trio.SocketStream) -> None:
        heads.append(bytes(await stream.receive_some(65_536)))

    async with anybody(talk) as port:
        url = public or f"ws://127.0.0.1:{port}/media"
        await ring_stream(Caller(), url=url, via=f"http://127.0.0.1:{port}")
    lines = heads[0].decode().split("\r\n")
    assert f"host: {url.split('/')[2]}" in lines
    assert f"x-twilio-signature: {sign(url, (), Account().auth_token)}" in lines
