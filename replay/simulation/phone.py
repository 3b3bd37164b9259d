"""The caller's side of a simulated call: a scripted caller, their line and the network, on an agenda.

The messages are Twilio's; there is no webhook, no socket, and nobody who checks a signature.
"""

from binascii import b2a_base64
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, assert_never

import msgspec
from attrs import define, field

from bridge.heart.effects import ClearPlayback, PlayAudio, SendMark
from replay.phone.actor import Actor
from replay.phone.line import FRAME_MS, SILENT_FRAME, Line
from replay.phone.network import Delay, Echoes, Loss
from replay.phone.script import (
    Account,
    Act,
    Caller,
    DropSocket,
    GoSilent,
    HangUp,
    LoseStream,
    Press,
    Say,
    SendRaw,
    StopReading,
)
from replay.simulation.agenda import Agenda

MEDIA_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
Message = dict[str, Any]


@define(eq=False, kw_only=True)
class SimulatedPhone:
    """One media stream; `tell` is given each message when it arrives, `leave` the code of a close."""

    caller: Caller
    account: Account
    call_sid: str
    stream_sid: str
    agenda: Agenda = field(repr=False)
    tell: Callable[[str | bytes], None]
    leave: Callable[[int], None]
    line: Line = field(factory=Line)
    actor: Actor = field(init=False)
    has_begun: bool = False
    has_left: bool = False
    is_lost: bool = False
    """The stream broke off, and the caller is still on their line."""
    is_reading: bool = True
    unread_since: int | None = None
    """When the bridge first said something that a caller who stopped reading has left lying."""
    frames_sent: int = 0
    frames_missing: int = 0
    """Frames of the caller's that the network lost before Twilio."""
    _is_silent: bool = False
    _began_ms: int = 0
    _sequence: Iterator[int] = field(factory=lambda: count(1))
    _chunk: Iterator[int] = field(factory=lambda: count(1))
    _out: Delay = field(init=False)
    _coming: Delay = field(init=False)
    _said_loss: Loss = field(init=False)
    _heard_loss: Loss = field(init=False)
    _echoes: Echoes = field(init=False)

    def __attrs_post_init__(self) -> None:
        network = self.caller.network
        self.actor = Actor(self.caller, self.line)
        self.actor.stream_began()
        self._out, self._coming = Delay(network, "to the bridge"), Delay(network, "to the caller")
        self._echoes = Echoes(network)
        self._said_loss, self._heard_loss = Loss(network, "said"), Loss(network, "heard")

    # ------------------------------------------------------------ towards the bridge

    def begin(self) -> None:
        """Open the stream now."""
        self.has_begun = True
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._began_ms = self.agenda.now_ms + self.caller.start_delay_ms
        if self.caller.media_before_start:
            self.agenda.at(self._began_ms, partial(self._send_media, SILENT_FRAME, 0))
        self.agenda.at(self._began_ms, self._start)

    def _start(self) -> None:
        body = {
            "accountSid": self.account.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": MEDIA_FORMAT,
            "customParameters": {},
        }
        for _ in range(2 if self.caller.two_starts else 1):
            self._send(self._numbered("start", body))
        self._tick(0)

    def _tick(self, index: int) -> None:
        if not self.has_left:  # what the bridge still does after the call happens on no line
            self._live_through(index)

    def _live_through(self, index: int) -> None:
        now_ms = index * FRAME_MS
        for act in self.actor.tick(now_ms):
            self._do(act)
            if self.has_left:
                return
        frame = self.actor.frame()
        self._send_media(frame, index)
        self._echo(self.line.tick(now_ms, SILENT_FRAME if self._is_silent else frame), now_ms)
        if self._heard_loss.takes_next():
            self.line.lose_last_frame()
        self.agenda.at(self._began_ms + now_ms + FRAME_MS, partial(self._tick, index + 1))

    def _do(self, act: Act) -> None:
        match act:
            case Say():
                pass  # the frames say it
            case Press():
                self._send(self._numbered("dtmf", {"track": "inbound_track", "digit": act.digit}))
            case HangUp():
                sids = {"accountSid": self.account.account_sid, "callSid": self.call_sid}
                self._send(self._numbered("stop", sids))
                self._leave(1000)
            case DropSocket() | LoseStream():
                self.is_lost = isinstance(act, LoseStream)
                self._leave(1006)
            case StopReading():
                self.is_reading = False
            case GoSilent():
                self._is_silent = True
            case SendRaw():
                self._post(act.data)
            case _:
                assert_never(act)

    def _leave(self, code: int) -> None:
        self.has_left = True
        self.line.disconnect(self._line_ms())
        self.agenda.at(self._arrival_ms(self._out), partial(self.leave, code))

    def _numbered(self, event: str, body: Message) -> Message:
        number = str(next(self._sequence))
        return {"event": event, "sequenceNumber": number, "streamSid": self.stream_sid, event: body}

    def _send_media(self, frame: bytes, index: int) -> None:
        chunk = str(next(self._chunk))
        if self._is_silent:
            return
        if self._said_loss.takes_next():  # what Twilio never got leaves a hole in chunk and timestamp
            self.frames_missing += 1
            return
        payload = b2a_base64(frame, newline=False).decode("ascii")
        timestamp = str(self.caller.first_timestamp_ms + index * FRAME_MS)
        body = {"track": "inbound", "chunk": chunk, "timestamp": timestamp, "payload": payload}
        self.frames_sent += 1
        self._send(self._numbered("media", body))

    def _echo(self, names: list[str], now_ms: int) -> None:
        for name in self._echoes.come(names, now_ms):
            self._send(self._numbered("mark", {"name": name}))

    def _send(self, message: Message) -> None:
        if not self._is_silent:
            self._post(msgspec.json.encode(message).decode())

    def _post(self, message: str | bytes) -> None:
        self.agenda.at(self._arrival_ms(self._out), partial(self.tell, message))

    def _arrival_ms(self, way: Delay) -> int:
        now_ms = self.agenda.now_ms
        return way.arrival_ms(now_ms) if self.caller.network.delays else now_ms

    # ------------------------------------------------------------ from the bridge

    def hear(self, effect: PlayAudio | SendMark | ClearPlayback) -> None:
        """Take what the bridge sends, when it has come through the network."""
        if self.has_left:
            return
        if not self.is_reading:
            self.unread_since = self.agenda.now_ms if self.unread_since is None else self.unread_since
        elif self.caller.network.delays:
            self.agenda.at(self._arrival_ms(self._coming), partial(self._take, effect))
        else:
            self._take(effect)

    def _take(self, effect: PlayAudio | SendMark | ClearPlayback) -> None:
        now_ms = self._line_ms()
        match effect:
            case _ if self.has_left or effect.stream_sid != self.stream_sid:
                pass
            case PlayAudio():
                self.line.media(effect.audio, now_ms)
            case SendMark():
                self._echo(self.line.mark(effect.name, now_ms), now_ms)
            case ClearPlayback():
                self._echo(self.line.clear(now_ms), now_ms)

    def hang_up(self) -> None:
        """The bridge has closed the stream: what was not played is lost."""
        if not self.has_left:
            self.has_left = True
            self.line.disconnect(self._line_ms())

    def _line_ms(self) -> int:
        return max(0, self.agenda.now_ms - self._began_ms)
