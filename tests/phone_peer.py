"""A media server of a few lines for the tests of the Twilio stand-in: h11 for forms, wsproto for media.

It shares no code with the bridge or with the stand-in."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

import attrs
import h11
import trio
import trio_websocket

from replay.phone.ring import Caller, CallReport, ring

PUBLIC = "https://bridge.example.com"
FORBIDDEN = "403"
"""An answer that is none: the request was not believed."""
FRAME = b"\x10" * 160
STREAM = '<Stream url="wss://bridge.example.com/media"><Parameter name="token" value="t0"/></Stream>'
CONNECT = f'<Response><Connect action="/after">{STREAM}</Connect></Response>'
HANGUP = "<Response><Hangup/></Response>"

Message = dict[str, Any]


@attrs.define
class Media:
    """The bridge's end of one media socket, and what came in on it."""

    socket: trio_websocket.WebSocketConnection
    stream: trio.SocketStream
    got: list[Message] = attrs.field(factory=list)
    log: list[Message] = attrs.field(factory=list)  # both directions, in the shape of the golden calls

    @property
    def close_code(self) -> int | None:
        """How the stand-in closed; 1006 when without a close frame."""
        return self.socket.closed.code if self.socket.closed else None

    async def next(self) -> Message:
        self.got.append(json.loads(await self.socket.get_message()))
        self._note("twilio", self.got[-1])
        return self.got[-1]

    async def until(self, event: str) -> Message:
        while (message := await self.next())["event"] != event:
            pass
        return message

    async def send(self, event: str, **body: Any) -> None:
        sid = next(m["streamSid"] for m in self.got if m["event"] == "start")
        words = {event: body} if body else {}
        message = {"event": event, "streamSid": sid, **words}
        self._note("bridge", message)
        await self.socket.send_message(json.dumps(message))

    def _note(self, sender: str, message: Message) -> None:
        self.log.append({"t_ms": 0, "leg": "twilio_ws", "from": sender, "msg": message})

    async def vanish(self) -> None:
        """End the connection without a word."""
        await trio.aclose_forcefully(self.stream)

    async def play(self, frames: int) -> None:
        await self.send("media", payload=base64.b64encode(FRAME * frames).decode())


Talk = Callable[[Media], Awaitable[None]]


async def to_the_end(media: Media) -> None:
    while True:
        await media.next()


async def goodbye(media: Media) -> None:
    await media.until("start")
    await media.socket.aclose(1000, "bye")


@attrs.define
class Bridge:
    """A media server of a few lines: answers forms with canned TwiML, lets `talk` have the media socket."""

    talk: Talk = to_the_end
    answers: dict[str, str] = attrs.field(factory=dict)
    refuse: int | None = None
    fails: dict[str, int] = attrs.field(factory=dict)  # how often a path is answered with 503 first
    forms: list[tuple[str, dict[str, list[str]], dict[str, str]]] = attrs.field(factory=list)
    upgrades: list[bytes] = attrs.field(factory=list)
    medias: list[Media] = attrs.field(factory=list)
    via: str = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        """The forms of the requests for that path, the last value of each name."""
        found = [form for target, form, _ in self.forms if target.partition("?")[0] == path]
        return [{name: values[-1] for name, values in form.items()} for form in found]

    async def serve(self, stream: trio.SocketStream) -> None:
        head = await stream.receive_some(65_536)
        if bytes(head).startswith(b"GET /media"):
            await self._serve_media(stream, bytes(head))
        else:
            await self._serve_forms(stream, bytes(head))

    def upgrade_headers(self, index: int) -> dict[str, str]:
        """The headers of an upgrade, in the order and the case they came in."""
        _, *lines = self.upgrades[index].decode().rstrip().split("\r\n")
        return dict(line.split(": ", 1) for line in lines)

    async def _serve_forms(self, stream: trio.SocketStream, data: bytes) -> None:
        heart, body, request = h11.Connection(h11.SERVER), b"", None
        async with stream:
            heart.receive_data(data)
            while data:
                event = heart.next_event()
                if event is h11.NEED_DATA:
                    data = bytes(await stream.receive_some(65_536))
                    heart.receive_data(data)
                elif isinstance(event, h11.Request):
                    body, request = b"", event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage) and request is not None:
                    await stream.send_all(self._answer(heart, request, body))
                    heart.start_next_cycle()

    def _answer(self, heart: h11.Connection, request: h11.Request, body: bytes) -> bytes:
        headers = {bytes(name).decode(): bytes(value).decode() for name, value in request.headers}
        target = bytes(request.target).decode()
        self.forms.append((target, parse_qs(body.decode(), keep_blank_values=True), headers))
        xml, status = self.answers.get(target, "").encode(), 404
        if self.fails.get(target, 0) > 0:
            self.fails[target] -= 1
            xml, status = b"", 503
        if xml == FORBIDDEN.encode():
            xml, status = b"", 403
        head = [("Content-Type", "text/xml"), ("Content-Length", str(len(xml)))]
        answer = h11.Response(status_code=200 if xml else status, headers=head)
        parts = [heart.send(answer), heart.send(h11.Data(data=xml)), heart.send(h11.EndOfMessage())]
        return b"".join(part for part in parts if part)

    async def _serve_media(self, stream: trio.SocketStream, head: bytes) -> None:
        self.upgrades.append(head)
        if self.refuse is not None:
            await stream.send_all(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.refuse)
            return await stream.aclose()
        async with trio.open_nursery() as nursery:
            rest = trio.StapledStream(stream, Replayed(stream, head))
            request = await trio_websocket.wrap_server_stream(nursery, rest)
            media = Media(await request.accept(), stream)
            self.medias.append(media)
            with suppress(trio_websocket.ConnectionClosed):
                await self.talk(media)
            await media.socket.aclose()
        return None


@attrs.define
class Replayed(trio.abc.ReceiveStream):
    """A stream whose first bytes were read already."""

    _stream: trio.SocketStream
    _head: bytes

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        head, self._head = self._head, b""
        return head or bytes(await self._stream.receive_some(max_bytes))

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def a_bridge(
    talk: Talk = to_the_end, **fields: Any
) -> AsyncIterator[tuple[Bridge, Callable[..., Any]]]:
    """A running bridge, and a way to ring it; a test that hangs fails after within_s, 5 s."""
    bridge = Bridge(
        talk, {"/voice": CONNECT, "/after": HANGUP, "/status": HANGUP, **fields.pop("answers", {})}
    )
    bridge.refuse, bridge.fails = fields.pop("refuse", None), fields.pop("fails", {})
    within_s = fields.pop("within_s", 5)

    async def call(*steps: Any, **options: Any) -> CallReport:
        caller = Caller(**{"steps": steps, "patience_ms": 900, "answer_delay_ms": 0, **fields})
        return await ring(caller, webhook=f"{PUBLIC}/voice", via=bridge.via, **options)

    with trio.fail_after(within_s):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            bridge.via = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            nursery.start_soon(trio.serve_listeners, bridge.serve, [listener])
            yield bridge, call
            nursery.cancel_scope.cancel()
