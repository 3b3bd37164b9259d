"""A stand-in for Twilio that costs next to nothing: one caller from the signed webhook on, frames by an absolute clock.

It plays what it is sent: a mark comes back when all before it was played, `clear` empties the line. Marks are looked at
with each frame of the caller's, fifty times a second.
"""

import asyncio
import json
import re
from array import array
from collections import deque
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from attrs import frozen
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.load_frames import FRAME_SECONDS, Sequence, frame_payload, frames_in, string_behind
from bench.load_model import Model, Session
from replay.phone.signing import sign

ACCOUNT_SID: Final = "AC" + "0" * 32
SETUP_SECONDS: Final = 0.6
"""From the webhook's answer to the media socket: Twilio takes about as long, and a bridge may use it."""

ANSWER_SECONDS: Final = 10
NOT_YET: Final = -1.0


@frozen
class Server:
    """Who is rung: where its bytes go, under which URL it is known, and the token of its requests."""

    port: int
    webhook_port: int
    webhook: str
    token: str


class Caller(WSListener):  # ships no types
    """One caller, and the phone's side of the media socket."""

    def __init__(self, number: int, phase: float, server: Server, model: Model) -> None:
        self.number, self.clock, self.seen = number, model.clock, model.seen
        self.is_live = self.is_over = False
        self.sent = array("d")
        """When each frame left."""
        self.appended = Sequence(number, model.seen)
        self._server, self._model = server, model
        self._phase = phase
        self._sid = f"MZ{number:032x}"
        self._head = b'","streamSid":"%s","media":{"track":"inbound","chunk":"' % self._sid.encode()
        self._messages = 1
        self._transport: WSTransport | None = None
        self._started_at = NOT_YET
        self._played_until = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self._session: Session | None = None
        self._voice: Sequence | None = None
        self._interrupted_at = NOT_YET
        self._resumes_at = 0

    # ------------------------------------------------------------ the call

    @property
    def call_sid(self) -> str:
        """Return the key of the call."""
        return f"CA{self.number:032x}"

    async def ring(self) -> None:
        """Ask the webhook, and open the stream that it answers with; a refusal is counted."""
        try:
            twiml = await asyncio.wait_for(self._ask(), ANSWER_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            twiml = ""
        url, parameters = stream_in(twiml)
        if not url:
            self.seen.refused += 1
            return
        await asyncio.sleep(SETUP_SECONDS)
        headers = {"x-twilio-signature": sign(url, (), self._server.token)}
        address = f"ws://127.0.0.1:{self._server.port}{urlsplit(url).path}"
        try:
            await ws_connect(lambda: self, address, extra_headers=headers, websocket_handshake_timeout=10)
        except Exception:  # whatever keeps it from opening: this call has none
            self.seen.dropped += 1
            return
        self._start(parameters)

    async def _ask(self) -> str:
        form = {
            "AccountSid": ACCOUNT_SID, "ApiVersion": "2010-04-01", "CallSid": self.call_sid, "CallStatus": "ringing",
            "Direction": "inbound", "From": f"+1555{self.number:07d}", "To": "+15550100100",
        }  # fmt: skip
        body = urlencode(form).encode()
        parts = urlsplit(self._server.webhook)
        signature = sign(self._server.webhook, form, self._server.token)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {signature}\r\n"
            "Connection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.webhook_port)
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")

    def _start(self, parameters: dict[str, str]) -> None:
        start = {
            "accountSid": ACCOUNT_SID, "streamSid": self._sid, "callSid": self.call_sid, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }  # fmt: skip
        self._say({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._started_at = perf_counter()
        self._say({"event": "start", "sequenceNumber": "1", "streamSid": self._sid, "start": start})
        self.is_live = True
        self.clock.at(self._started_at + self._phase, self._tick)

    def hush(self) -> None:
        """Send no more frames; what was sent can still arrive."""
        self.is_live = False

    def hang_up(self) -> None:
        """End the call as Twilio does."""
        self.is_live, self.is_over = False, True
        if self._transport is not None:
            stop = {"accountSid": ACCOUNT_SID, "callSid": self.call_sid}
            self._say({"event": "stop", "streamSid": self._sid, "stop": stop})
            self._transport.send_close(WSCloseCode.OK)

    # ------------------------------------------------------------ what the caller says

    def _say(self, message: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, json.dumps(message, separators=(",", ":")).encode())

    def _tick(self, due: float) -> None:
        if not self.is_live or self._transport is None:
            return
        now = perf_counter()
        while self._marks and self._marks[0][0] <= now:
            self._echo(self._marks.popleft()[1])
        number = len(self.sent)
        self._messages += 1
        message = b'{"event":"media","sequenceNumber":"%d%s%d","timestamp":"%d","payload":"%s"}}' % (
            self._messages,
            self._head,
            number + 1,
            57 + 20 * number,
            frame_payload(self.number, number),
        )
        self.sent.append(perf_counter())
        self._transport.send(WSMsgType.TEXT, message)
        self.clock.at(due + FRAME_SECONDS, self._tick)

    def frame_heard(self, owner: int, number: int, now: float) -> None:
        """A frame of this caller has come to the model."""
        self.appended.came(owner, number)
        if self.seen.is_measuring and number < len(self.sent):
            self.seen.to_model.append((now - self.sent[number]) * 1000)

    @property
    def missing(self) -> int:
        """Return how many frames were sent and have not come behind the last one that did."""
        return len(self.sent) - self.appended.expected

    # ------------------------------------------------------------ what the caller hears

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The media socket is open."""
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The media socket is closed: nobody but the caller should have done that."""
        self._transport = None
        if not self.is_over:
            self.seen.dropped += 1
        self.is_live, self.is_over = False, True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a message."""
        if frame.msg_type is WSMsgType.TEXT:
            data = frame.get_payload_as_bytes()
            if b'"payload"' in data:
                self._play(string_behind(data, b'"payload"'))
            elif b'"name"' in data:
                self._mark(string_behind(data, b'"name"').decode())
            elif b'"clear"' in data:
                self._clear()
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def _play(self, payload: bytes) -> None:
        now = perf_counter()
        if self._started_at > 0:
            self.seen.first_audio.append((now - self._started_at) * 1000)
            self._started_at = NOT_YET
        frames = frames_in(payload)
        self._played_until = max(now, self._played_until) + len(frames) * FRAME_SECONDS
        voice = self._voice or self._meet(frames[0][0])
        stamps = self._session.stamps if self._session is not None else {}
        for owner, number in frames:
            voice.came(owner, number)
            if (left_at := stamps.pop(number, NOT_YET)) > 0:
                self.seen.to_phone.append((now - left_at) * 1000)

    def _mark(self, name: str) -> None:
        if self._marks or self._played_until > perf_counter():
            self._marks.append((self._played_until, name))
        else:
            self._echo(name)

    def _echo(self, name: str) -> None:
        self._messages += 1
        number = str(self._messages)
        self._say({"event": "mark", "sequenceNumber": number, "streamSid": self._sid, "mark": {"name": name}})

    def _clear(self) -> None:
        now = perf_counter()
        if self._interrupted_at > 0:
            if self.seen.is_measuring:
                self.seen.clears.append((now - self._interrupted_at) * 1000)
            self._interrupted_at = NOT_YET
            if self._voice is not None:
                self._voice.expected = max(self._voice.expected, self._resumes_at)
        self._played_until = now
        while self._marks:
            self._echo(self._marks.popleft()[1])

    def _meet(self, session_number: int) -> Sequence:
        """Learn from the first frame whose voice this is."""
        self._session = self._model.sessions.get(session_number)
        self._voice = Sequence(session_number, self.seen)
        return self._voice

    # ------------------------------------------------------------ what the model asks

    def ahead(self, now: float, next_frame: int) -> float:
        """Return the seconds of sound before this frame that are still to be played, or still to come."""
        coming = next_frame - (self._voice.expected if self._voice is not None else 0)
        return max(0.0, self._played_until - now) + coming * FRAME_SECONDS

    def interrupted(self, now: float, resumes_at: int) -> None:
        """Whatever is being played should be cleared now; the next answer begins with this frame."""
        self.seen.uncleared += self._interrupted_at > 0
        self._interrupted_at, self._resumes_at = now, resumes_at


def stream_in(twiml: str) -> tuple[str, dict[str, str]]:
    """Return the URL of the stream that TwiML connects to, and its parameters; no URL if it connects to none."""
    try:
        found = ElementTree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", twiml.strip())).find(".//Stream")
    except ElementTree.ParseError:
        found = None
    if found is None:
        return "", {}
    return found.get("url", ""), {
        one.get("name", ""): one.get("value", "") for one in found.iter("Parameter")
    }
