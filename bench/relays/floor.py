"""The floor: a relay in the fastest WebSocket library for Python, which looks at nothing that it needn't look at.

picows on uvloop, both written in C. It parses no JSON: a payload is cut out of one message and put into another. It
has no state but a counter of marks, and is right only for the bench's peers. Nobody should run this; nobody who works
in Python will be much below it, either.

python bench/relays/floor.py MODEL_URL; the first line that it prints says its ports.
"""

import asyncio
import json
import socket
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_connect, ws_create_server

MODEL_URL = sys.argv[1]
TWIML = (
    b'<?xml version="1.0" encoding="UTF-8"?><Response><Connect>'
    b'<Stream url="wss://floor.example.com/media-stream"/></Connect></Response>'
)
UPDATE = json.dumps(
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}},
                "output": {"format": {"type": "audio/pcmu"}},
            },
        },
    }
).encode()
CREATE = b'{"type":"response.create"}'
TEXT, CLOSE = WSMsgType.TEXT, WSMsgType.CLOSE
MOST_WAITING = 500
"""Frames that wait for the model's socket: ten seconds of the caller."""


def between(data: bytes, before: bytes) -> bytes:
    """Return the string behind `before`, without its quotes."""
    start = data.index(before) + len(before)
    return data[start : data.index(b'"', start)]


class Model(WSListener):
    """The model's socket of one call."""

    def __init__(self, phone: "Phone") -> None:
        self.phone = phone

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(TEXT, UPDATE)
        transport.send(TEXT, CREATE)
        for append in self.phone.waiting:
            transport.send(TEXT, append)
        self.phone.waiting.clear()
        self.phone.model = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is CLOSE:
            transport.disconnect()
            return
        data = frame.get_payload_as_bytes()
        if b'"response.output_audio.delta"' in data[:60]:
            self.phone.speak(between(data, b'"delta":"'))
        elif b'"input_audio_buffer.speech_started"' in data[:60]:
            self.phone.clear()


class Phone(WSListener):
    """The media socket of one call."""

    def __init__(self) -> None:
        self.model: WSTransport | None = None
        self.waiting: list[bytes] = []
        self.transport: WSTransport | None = None
        self.sid = b""
        self.marks = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.opening = asyncio.ensure_future(ws_connect(lambda: Model(self), MODEL_URL))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is CLOSE:
            transport.disconnect()
            return
        data = frame.get_payload_as_bytes()
        if b'"media"' in data[:20]:
            self._hear(between(data, b'"payload":"'))
        elif b'"start"' in data[:20]:
            self.sid = between(data, b'"streamSid":"')

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.model is not None:
            self.model.disconnect()

    def _hear(self, payload: bytes) -> None:
        append = b'{"type":"input_audio_buffer.append","audio":"%s"}' % payload
        if self.model is not None:
            self.model.send(TEXT, append)
        elif len(self.waiting) < MOST_WAITING:
            self.waiting.append(append)

    def speak(self, payload: bytes) -> None:
        """Pass a delta on, and a mark behind it."""
        if self.transport is None:
            return
        self.marks += 1
        media = b'{"event":"media","streamSid":"%s","media":{"payload":"%s"}}' % (self.sid, payload)
        self.transport.send(TEXT, media)
        self.transport.send(
            TEXT, b'{"event":"mark","streamSid":"%s","mark":{"name":"m%d"}}' % (self.sid, self.marks)
        )

    def clear(self) -> None:
        """Cut the agent off."""
        if self.transport is not None and self.marks:
            self.transport.send(TEXT, b'{"event":"clear","streamSid":"%s"}' % self.sid)
            self.marks = 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer any webhook with the same TwiML."""
    await reader.readuntil(b"\r\n\r\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    writer.write(head % len(TWIML) + TWIML)
    await writer.drain()
    writer.close()


def accept(request: WSUpgradeRequest) -> Phone:
    """Take any media socket."""
    return Phone()


async def main() -> None:
    """Serve until killed."""
    media = socket.create_server(("127.0.0.1", 0), backlog=1024)
    hooks = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    server = await ws_create_server(accept, sock=media)
    ports = {"port": media.getsockname()[1], "webhook_port": hooks.sockets[0].getsockname()[1]}
    print(json.dumps(ports), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
