"""A small Realtime client for the stand-in's tests, and each message held to the published models."""

import base64
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from bridge.heart.audio import silence
from replay.model.script import Delivery, Script
from replay.model.server import Cast, ModelServer, serve_model

Message = dict[str, Any]

AT_ONCE = Delivery(response_delay_ms=0, speed=1000.0)
PCMU = {"type": "audio/pcmu"}
DETECTION = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 320}
SETTINGS: Message = {
    "type": "realtime",
    "audio": {
        "input": {"format": PCMU, "transcription": {"model": "gpt-transcribe"}, "turn_detection": DETECTION},
        "output": {"format": PCMU, "voice": "marin"},
    },
}
SPEECH = bytes([0x20, 0xA0] * 2400)  # 600 ms of loud hum
QUIET = silence(640)
# The checker also watches a phone, and a phone's audio; there is none here.
_NO_PHONE = ("Twilio side never ends", "append that is not the next bytes", "OpenAI socket never closed")
_SAID_OF_A_WRITER = ("session.object: ", "session.id: ", "session.expires_at: ", "session.model missing")


def _load_checker() -> ModuleType:
    path = Path(__file__).parent / "golden" / "check_wire.py"
    spec = importlib.util.spec_from_file_location("check_wire", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


checker = _load_checker()


def _faults_of(message: Message) -> list[str]:
    """What the published models have against a server event."""
    found: list[str] = checker.check_openai_shape(message, "s")
    if message.get("part", {}).get("type") == "text" and "text" in message["part"]:
        # The checker was written for phone calls, in which nobody asks for text.
        found = [fault for fault in found if not fault.endswith("must be type audio with a transcript")]
    items = [message.get("item", {}), *message.get("response", {}).get("output", [])]
    if any(str(item.get("type")).startswith("mcp_") for item in items):
        # Nor does it know MCP servers, whose items have no status by their published types.
        found = [fault for fault in found if not fault.endswith("item.status missing")]
    if message.get("session", {}).get("type") == "transcription":
        # Nor sessions that only write down: what the server alone says of one is in another published type.
        found = [fault for fault in found if not any(name in fault for name in _SAID_OF_A_WRITER)]
    # Nor pictures, which have no words.
    return [fault for fault in found if "'input_image'" not in fault]


@attrs.define
class Client:
    """Sends, receives, and keeps the wire log."""

    ws: WebSocketConnection
    lines: list[Message] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._log("openai", accept={"status": 101})

    async def send(self, kind: str, **fields: Any) -> None:
        event_id = f"evt_{len(self.lines)}"
        message = {"type": kind, "event_id": event_id, **fields}
        self._log("bridge", msg=message)
        await self.ws.send_message(json.dumps(message))

    async def say(self, audio: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def receive(self) -> Message:
        message: Message = json.loads(await self.ws.get_message())
        assert _faults_of(message) == []
        self._log("openai", msg=message)
        return message

    async def until(self, kind: str) -> Message:
        """Receive up to the next event of that type, and give it back."""
        while True:
            message = await self.receive()
            if message["type"] == kind:
                return message

    async def start(self, settings: Message = SETTINGS) -> None:
        await self.until("session.created")
        await self.send("session.update", session=settings)
        await self.until("session.updated")

    async def greet(self) -> Message:
        """Ask for the opening and wait for its end."""
        await self.start()
        await self.send("response.create")
        return await self.until("response.done")

    def kinds(self) -> list[str]:
        """The types of all server events so far."""
        return [line["msg"]["type"] for line in self.lines if "msg" in line and line["from"] == "openai"]

    def events(self, kind: str) -> list[Message]:
        return [line["msg"] for line in self.lines if "msg" in line and line["msg"]["type"] == kind]

    def problems(self) -> list[str]:
        """What the wire checker has against this conversation."""
        found: list[str] = checker.check_file(self.lines, tape=True)
        return [problem for problem in found if not any(text in problem for text in _NO_PHONE)]

    def _log(self, sender: str, **fields: Any) -> None:
        at = len(self.lines)
        self.lines.append({"i": at, "t_ms": at, "leg": "openai_ws", "from": sender, **fields})


@asynccontextmanager
async def running(script: Script | Cast, **options: Any) -> AsyncIterator[ModelServer]:
    """A stand-in for the length of a block, which may take ten seconds."""
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(partial(serve_model, script, **options))
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    server: ModelServer | str,
    *,
    query: str = "?model=gpt-realtime-2.1",
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Authorization", b"Bearer sk-test"),),
) -> AsyncIterator[Client]:
    """One client on a running stand-in, or on the URL of one."""
    at = urlsplit((server if isinstance(server, str) else server.url) + query)
    assert at.hostname is not None
    assert at.port is not None
    # trio-websocket's own client leaves its socket to the garbage collector when the server closes first or
    # refuses, so the stream is opened and closed here.
    stream = await trio.open_tcp_stream(at.hostname, at.port)
    async with stream, trio.open_nursery() as nursery:
        target = f"{at.path}?{at.query}" if at.query else at.path
        ws = await wrap_client_stream(
            nursery, stream, at.netloc, target, extra_headers=list(headers), max_message_size=32 * 2**20
        )
        async with ws:
            yield Client(ws)
