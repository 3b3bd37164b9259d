"""One media stream of a call, from `connected` to its end: numbers and times messages, plays what comes back.

It decides nothing: the caller's acts come from `actor`, what is heard from `line`."""

import base64
import binascii
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import count
from typing import Any, assert_never

import attrs
import msgspec
import trio

from replay.phone.actor import Actor
from replay.phone.delay import Socket
from replay.phone.instructions.orders import Orders
from replay.phone.line import FRAME_MS, SILENT_FRAME
from replay.phone.network import Echoes, Loss
from replay.phone.report import CallReport, ClosedBy
from replay.phone.script import (
    Account,
    Act,
    DropSocket,
    GoSilent,
    HangUp,
    LoseStream,
    Press,
    Say,
    SendRaw,
    StopReading,
)
from replay.phone.socket import GOODBYE_S

MEDIA_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
PROTOCOL_ERROR, OVERFLOW, MALFORMED, INVALID = 31924, 31930, 31950, 31951
MAX_BUFFERED_MS = 1_200_000  # Twilio's bound is unpublished; answers of minutes in one burst are common
CLOSING = ("stop", "close")

Message = dict[str, Any]


def parting(shuffle: int | None, *, ends_call: bool) -> tuple[str, ...]:
    """The steps of an ending in their order; without a seed only the stream's own, callbacks follow later.

    `stop` is always before `close`: after a close frame nothing more can be said."""
    if shuffle is None:
        return CLOSING
    steps = [*CLOSING, "stream-stopped", *(["completed"] if ends_call else [])]
    random.Random(shuffle).shuffle(steps)
    first, second = sorted((steps.index("stop"), steps.index("close")))
    steps[first], steps[second] = CLOSING
    return tuple(steps)


@attrs.define(kw_only=True)
class MediaStream:
    """One stream. `run` returns who ended it: the caller, the bridge, or REST; `tell` sends callbacks in between."""

    socket: Socket = attrs.field(repr=False)
    actor: Actor
    report: CallReport = attrs.field(repr=False)
    account: Account
    stream_sid: str
    parameters: Mapping[str, str]
    orders: Orders = attrs.field(factory=Orders)
    tell: Callable[[str], Awaitable[None]] | None = None
    closed_by: ClosedBy = "bridge"
    _began_at: float = 0.0
    _began_ms: int = 0  # on the line's clock, which runs on from one stream of the call to the next
    _sequence: Iterator[int] = attrs.field(factory=lambda: count(1))
    _chunk: Iterator[int] = attrs.field(factory=lambda: count(1))
    _said_loss: Loss = attrs.field(init=False, repr=False)
    _heard_loss: Loss = attrs.field(init=False, repr=False)
    _echoes: Echoes = attrs.field(init=False, repr=False)
    _messages: int = 0
    _has_stopped: bool = False
    _leaver: ClosedBy | None = None
    _is_silent: bool = False
    _agent_is_talking: bool = False
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope, repr=False)
    _over: trio.Event = attrs.field(factory=trio.Event, repr=False)

    def __attrs_post_init__(self) -> None:
        self._said_loss = Loss(self.actor.caller.network, "said")
        self._heard_loss = Loss(self.actor.caller.network, "heard")
        self._echoes = Echoes(self.actor.caller.network)

    async def run(self) -> ClosedBy:
        """Talk until one side ends the stream."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, name="phone: write")
            nursery.start_soon(self._listen, name="phone: listen")
            await self._begin()
            nursery.start_soon(self._tick, name="phone: tick")
            await self._over.wait()
            nursery.cancel_scope.cancel(reason="the stream is over")
        self.report.line.disconnect(self._now_ms())
        await self.socket.finish()
        return self.closed_by

    # ------------------------------------------------------------------ towards the bridge

    async def _write(self) -> None:
        await self.socket.write()
        if self._reading.cancel_called:  # nobody else would notice that the bridge is gone
            self._end("bridge")

    async def _begin(self) -> None:
        caller = self.actor.caller
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self.report.note("connected")
        await trio.sleep(caller.start_delay_ms / 1000)
        if caller.media_before_start:
            self._send_media(SILENT_FRAME, 0)
        self._began_at = trio.current_time()
        self.report.begin_line()
        if self.report.started_ms is None:
            self.report.started_ms = self.report.now_ms()
        self._began_ms = self.report.line_now_ms()
        self._begin_line()
        for _ in range(2 if caller.two_starts else 1):
            self._send(self._numbered("start", self._start_body()))
        self.report.note("start", stream_sid=self.stream_sid)

    def _begin_line(self) -> None:
        """From here on the agent is on the line: a hole in what is heard is a hole in a reply."""
        line = self.report.line
        line.background, line.counts_gaps = b"", True
        line.caller_spoke()
        self.actor.stream_began()

    def _start_body(self) -> Message:
        caller = self.actor.caller
        parameters = dict(self.parameters)
        if caller.token_override is not None:
            parameters["token"] = caller.token_override
        return {
            "accountSid": caller.account_sid_override or self.account.account_sid,
            "streamSid": self.stream_sid,
            "callSid": caller.call_sid_override or self.report.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": MEDIA_FORMAT,
            "customParameters": parameters,
        }

    async def _tick(self) -> None:
        for index in count():
            await trio.sleep_until(self._began_at + index * FRAME_MS / 1000)
            now_ms = self._began_ms + index * FRAME_MS
            self.report.ticks.append((now_ms, max(now_ms, self._now_ms())))
            if self.orders.is_pending:
                return await self._leave("rest")
            for act in self.actor.tick(now_ms):
                await self._do(act)
            if self._over.is_set():
                return
            frame = self.actor.frame()
            self._send_media(frame, index)
            self._echo(self.report.line.tick(now_ms, SILENT_FRAME if self._is_silent else frame), now_ms)
            if self._heard_loss.takes_next():
                self.report.frames_unheard += 1
                self.report.line.lose_last_frame()
            self._note_agent(now_ms + FRAME_MS)

    async def _do(self, act: Act) -> None:
        match act:
            case Say():
                self.report.note("caller_says", text=act.text, ms=len(act.audio) // 8)
            case Press():
                self._send(self._numbered("dtmf", {"track": "inbound_track", "digit": act.digit}))
                self.report.note("caller_presses", digit=act.digit)
            case HangUp():
                self.orders.end()
                await self._leave("caller")
            case DropSocket():
                self.report.note("socket_dropped")
                self.socket.reset()
                self._end("caller")
            case LoseStream():
                self.report.note("stream_lost")
                self.socket.reset()
                self._end("bridge")
            case StopReading():
                self.report.note("reading_stopped")
                self._reading.cancel(reason="the script stopped reading")
            case GoSilent():
                self.report.note("gone_silent")
                self._is_silent = True
            case SendRaw():
                self.report.note("raw_sent", data=act.data[:60])
                self.socket.send(act.data)
            case _:
                assert_never(act)

    async def _leave(self, by: ClosedBy) -> None:
        self.report.note("caller_hangs_up" if by == "caller" else "rest_ends_stream")
        self._leaver = by
        shuffle = self.actor.caller.shuffle if self.tell else None
        for step in parting(shuffle, ends_call=by == "caller" or self.orders.ends_call):
            await self._part(step)
        with trio.move_on_after(GOODBYE_S):  # the writer needs a moment too, even when nobody reads
            await self._over.wait()
        self._end(by)

    async def _part(self, step: str) -> None:
        if step == "stop":
            sids = {"accountSid": self.account.account_sid, "callSid": self.report.call_sid}
            self._send(self._numbered("stop", sids))
            self._has_stopped = True
        elif step == "close":
            self.socket.close(1000)
        elif self.tell is not None:
            await self.tell(step)

    def _numbered(self, event: str, body: Message) -> Message:
        number = str(next(self._sequence))
        return {"event": event, "sequenceNumber": number, "streamSid": self.stream_sid, event: body}

    def _send_media(self, frame: bytes, index: int) -> None:
        body = self._media_body(frame, index)
        if self._is_silent:
            return
        if self._said_loss.takes_next():  # what Twilio never got leaves a hole in chunk and timestamp
            self.report.frames_missing += 1
        elif self.socket.pending >= self.actor.caller.max_pending:
            self.report.frames_lost += 1
            self.report.warn(OVERFLOW, f"{self.socket.pending} messages wait: the bridge does not read")
        elif self._send(self._numbered("media", body)):
            self.report.frames_sent += 1
            self.report.sent_ms.append(self.report.now_ms())

    def _media_body(self, frame: bytes, index: int) -> Message:
        return {
            "track": "inbound",
            "chunk": str(next(self._chunk)),
            "timestamp": str(self.actor.caller.first_timestamp_ms + index * FRAME_MS),
            "payload": base64.b64encode(frame).decode(),
        }

    def late_frames(self, count: int) -> list[str]:
        """The next frames of a stream that the bridge has closed: they were on their way already."""
        index = self.report.frames_sent
        messages = [
            self._numbered("media", self._media_body(SILENT_FRAME, index + more)) for more in range(count)
        ]
        self.report.late_frames_sent += count
        return [msgspec.json.encode(message).decode() for message in messages]

    def _echo(self, names: list[str], now_ms: int) -> None:
        for name in self._echoes.come(names, now_ms):
            self._send(self._numbered("mark", {"name": name}))

    def _send(self, message: Message) -> bool:
        return not self._is_silent and self.socket.send(msgspec.json.encode(message).decode())

    def _note_agent(self, now_ms: int) -> None:
        is_talking = self.report.line.utterance_ms(now_ms) > 0
        if is_talking is not self._agent_is_talking:
            self._agent_is_talking = is_talking
            self.report.note("agent_heard" if is_talking else "agent_quiet", line_ms=now_ms)

    # ------------------------------------------------------------------ from the bridge

    async def _listen(self) -> None:
        with self._reading:
            while (message := await self.socket.receive()) is not None:
                self._messages += 1
                if self._messages > self.actor.caller.max_messages:
                    self.report.fail(
                        f"more than {self._messages - 1} messages in one stream: the stand-in hung up"
                    )
                    return self._end("caller")
                if self._has_stopped:
                    self.report.ignored_after_stop += 1
                else:
                    self._hear(message)
        if not self._reading.cancelled_caught:
            self._end("bridge")

    def _end(self, by: ClosedBy) -> None:
        if self._over.is_set():
            return
        self.closed_by = self._leaver or by
        closed, report = self.socket.closed, self.report
        report.closed_by, report.closed_ms = self.closed_by, report.now_ms()
        report.close_code, report.close_reason = closed.code, closed.reason
        if closed.is_protocol_error:
            report.warn(PROTOCOL_ERROR, "the bridge broke the WebSocket protocol")
        report.note("closed", by=self.closed_by, code=closed.code, reason=closed.reason)
        self._over.set()

    def _hear(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            return self.report.warn(MALFORMED, "a binary message")
        try:
            content = json.loads(message)
        except (ValueError, RecursionError):  # the latter for ten thousand brackets
            return self.report.warn(MALFORMED, f"not JSON: {message[:60]!r}")
        if not isinstance(content, dict) or content.get("streamSid") != self.stream_sid:
            return self.report.warn(INVALID, f"without this stream's streamSid: {message[:120]!r}")
        try:
            self._take(content)
        except (KeyError, TypeError, ValueError):
            self.report.warn(INVALID, f"wrong or missing fields: {message[:120]!r}")

    def _take(self, content: Message) -> None:
        line, now_ms = self.report.line, self._now_ms()
        match content.get("event"):
            case "media":
                audio = _audio(content["media"]["payload"])
                if line.buffered_ms > MAX_BUFFERED_MS:
                    return self.report.warn(INVALID, f"more than {MAX_BUFFERED_MS} ms wait to be played")
                if not line.arrivals:
                    self.report.note("first_audio", after_ms=now_ms)
                line.media(audio, now_ms)
            case "mark":
                self._echo(line.mark(_text(content["mark"]["name"]), now_ms), now_ms)
            case "clear":
                unheard_ms = line.buffered_ms
                self._echo(line.clear(now_ms), now_ms)
                self.report.note("clear", unheard_ms=unheard_ms)
            case _:
                raise ValueError

    def _now_ms(self) -> int:
        return self._began_ms + round((trio.current_time() - self._began_at) * 1000)


def _audio(payload: str) -> bytes:
    audio = base64.b64decode(_text(payload), validate=True)
    if not audio:
        raise binascii.Error("empty payload")
    return audio


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # half a surrogate pair is no text: it could not be sent back
    return value
