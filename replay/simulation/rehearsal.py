"""A call on paper: both peers' messages at given milliseconds, the real heart, and a tape of it all. No clock, no
socket; Twilio's part is played here as far as it answers: what was sent is played, and marks come back.
"""

from binascii import b2a_base64
from collections.abc import Iterator
from functools import partial
from itertools import count
from operator import itemgetter
from typing import Any, Final

import msgspec
from attrs import define, field

from bridge.heart.audio import FRAME_BYTES, SILENCE, ms_of
from bridge.heart.call import Call
from bridge.heart.effects import ClearPlayback, Effect, PlayAudio, SendMark, UpdateSession
from bridge.tapes.header import Header
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, PHONE, TWILIO, Leg, Line, event_of
from bridge.wire.realtime_session import session_of
from replay.simulation.agenda import Agenda, Paper

STREAM: Final = "MZ00000000000000000000000000000000"
FRAME_MS: Final = ms_of(FRAME_BYTES)
SWITCHED: Final = {"status": 101}
DELTA_BYTES: Final = 1600
"""200 ms a delta, and four of them in a quarter of a second: about how the Realtime service delivers speech."""

DELTA_EVERY_MS: Final = 50
Message = dict[str, Any]


MOST_LINES: Final = 2_000_000
"""All of it is planned before it begins: ten hours of frames, which no call has."""


@define(eq=False)
class Rehearsal:
    """One call: say what comes when, then `run`. What is sent is played at once; marks take `line_ms` to come back."""

    header: Header
    line_ms: int = 0
    _paper: Paper = field(init=False)
    _ids: Iterator[int] = field(factory=lambda: count(1))
    _played_until: int = 0
    _marks: dict[str, int] = field(factory=dict)
    """When each mark that was sent will have been played."""
    _sequence: Iterator[int] = field(factory=lambda: count(1))

    def __attrs_post_init__(self) -> None:
        call = Call(
            self.header.agent_settings(),
            self.header.tools,
            self.header.is_outgoing,
            self.header.prices,
            self.header.tool_rules,
        )
        self._paper = Paper(call, self._carry_out, Agenda(most=MOST_LINES))

    @property
    def lines(self) -> list[bytes]:
        """Return the tape's lines so far."""
        return self._paper.lines

    # ------------------------------------------------------------ what comes

    def phone(self, t_ms: int, message: Message) -> None:
        """Let Twilio say this then."""
        self._push(t_ms, PHONE, TWILIO, message)

    def model(self, t_ms: int, kind: str, **fields: Any) -> None:
        """Let the model say this then."""
        self._push(t_ms, MODEL, OPENAI, {"type": kind, "event_id": f"event_{next(self._ids)}", **fields})

    def _push(self, t_ms: int, leg: Leg, sender: str, message: Message) -> None:
        self.put(Line(t_ms=t_ms, leg=leg, sender=sender), message)

    def put(self, line: Line, message: Message | None = None) -> None:
        """Let this come at its own time; what comes at the same time comes in the order it was put."""
        self._paper.agenda.at(line.t_ms, partial(self._take, line, message or {}))

    # ------------------------------------------------------------ what becomes of it

    def run(self) -> list[bytes]:
        """Play the call to its end, or until nothing comes any more; return the tape's lines."""
        self._paper.begin()
        while self._paper.agenda.next_ms is not None and not self._paper.call.is_over:
            self._paper.step()
        return self.lines

    def _take(self, line: Line, message: Message) -> None:
        """Let a peer say this now; a message of Twilio's gets its number now, for they come in order."""
        if "streamSid" in message:
            message = {"event": message["event"], "sequenceNumber": str(next(self._sequence)), **message}
        if message:
            line = msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(message)))
        event = event_of(line)
        if event is None:
            self._paper.write(line)
        else:
            self._paper.feed(line, event)

    def _carry_out(self, effect: Effect) -> None:
        now = self._paper.agenda.now_ms
        match effect:
            case UpdateSession():
                self.model(now + 1, "session.updated", session=session_of(effect.session))
            case PlayAudio():
                self._played_until = max(self._played_until, now) + ms_of(len(effect.audio))
            case SendMark():
                self._marks[effect.name] = self._played_until
                self._echo(effect.name, self._played_until)
            case ClearPlayback():
                self._clear(now)

    def _echo(self, mark: str, played_ms: int) -> None:
        self._paper.agenda.at(played_ms + self.line_ms, partial(self._come_back, mark, played_ms))

    def _come_back(self, mark: str, played_ms: int) -> None:
        """Let a mark come back, unless a clear has brought it back before."""
        if self._marks.get(mark) == played_ms:
            del self._marks[mark]
            line = Line(t_ms=self._paper.agenda.now_ms, leg=PHONE, sender=TWILIO)
            self._take(line, {"event": "mark", "streamSid": STREAM, "mark": {"name": mark}})

    def _clear(self, now: int) -> None:
        """Throw away what was not played: its marks come back at once."""
        for mark, played_ms in sorted(self._marks.items(), key=itemgetter(1)):
            if played_ms > now:
                self._marks[mark] = now
                self._echo(mark, now)
        self._played_until = now

    # ------------------------------------------------------------ whole scenes

    def opens(self) -> None:
        """Let the model greet the bridge; its answer to the session follows by itself."""
        self.put(Line(t_ms=0, leg=MODEL, sender=BRIDGE, upgrade={"method": "GET", "url": "wss://rehearsed"}))
        self.put(Line(t_ms=1, leg=MODEL, sender=OPENAI, accept=SWITCHED))
        session = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "expires_at": 0}
        self.model(1, "session.created", session=session)

    def streams(self, t_ms: int, audio: bytes, call_sid: str, account_sid: str) -> int:
        """Let the caller's stream start and bring this audio, a frame every 20 ms; return when it stops."""
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"accountSid": account_sid, "streamSid": STREAM, "callSid": call_sid, "tracks": ["inbound"],
                 "mediaFormat": media_format, "customParameters": {}}  # fmt: skip
        self.put(Line(t_ms=t_ms, leg=PHONE, sender=BRIDGE, accept=SWITCHED))
        self.phone(t_ms, {"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self.phone(t_ms, {"event": "start", "streamSid": STREAM, "start": start})
        for chunk, place in enumerate(range(0, len(audio), FRAME_BYTES), 1):
            frame = audio[place : place + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE)
            self.phone(t_ms + chunk * FRAME_MS, _media(chunk, frame))
        end = t_ms + (len(audio) // FRAME_BYTES + 2) * FRAME_MS
        stop = {"accountSid": account_sid, "callSid": call_sid}
        self.phone(end, {"event": "stop", "streamSid": STREAM, "stop": stop})
        return end

    def caller_turn(self, name: str, began: int, committed: int, words: str = "") -> None:
        """Let the server's turn detection hear the caller, and commit the turn as an item of that name."""
        buffer = "input_audio_buffer"
        self.model(began, f"{buffer}.speech_started", audio_start_ms=began, item_id=name)
        self.model(committed, f"{buffer}.speech_stopped", audio_end_ms=committed, item_id=name)
        self.model(committed, f"{buffer}.committed", previous_item_id=None, item_id=name)
        self.caller_item(name, committed, words)

    def caller_item(self, name: str, t_ms: int, words: str = "") -> None:
        """Let what the caller said be an item of the conversation, and its words be known a little later."""
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": name, "type": "message", "status": "completed", "role": "user", "content": content}
        self.model(t_ms, "conversation.item.added", item=item)
        if words:
            kind = "conversation.item.input_audio_transcription.completed"
            self.model(t_ms + 300, kind, item_id=name, content_index=0, transcript=words)

    def agent_turn(self, name: str, t_ms: int, audio: bytes, words: str = "") -> int:
        """Let the model say this, faster than anybody can listen; return when it has finished."""
        response, where = f"resp_{name}", {"response_id": f"resp_{name}", "item_id": name}
        part = {**where, "output_index": 0, "content_index": 0}
        item = {"id": name, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        self.model(t_ms, "response.created", response={"id": response, "status": "in_progress"})
        self.model(t_ms, "response.output_item.added", response_id=response, output_index=0, item=item)
        self.model(t_ms, "conversation.item.added", item=item)
        for number, word in enumerate(words.split()):
            text = f" {word}" if number else word
            self.model(t_ms + number // 8, "response.output_audio_transcript.delta", **part, delta=text)
        at = t_ms
        for at, piece in _deltas(t_ms, audio):
            self.model(at, "response.output_audio.delta", **part, delta=_base64(piece))
        content = [{"type": "output_audio", "transcript": words}]
        done = item | {"status": "completed", "content": content}
        self.model(at, "response.output_audio.done", **part)
        self.model(at, "response.output_audio_transcript.done", **part, transcript=words)
        self.model(at, "response.output_item.done", response_id=response, output_index=0, item=done)
        finished = {"id": response, "status": "completed", "status_details": None, "output": [done]}
        self.model(at, "response.done", response=finished)
        return at


def _media(chunk: int, frame: bytes) -> Message:
    media = {"track": "inbound", "chunk": str(chunk), "timestamp": str(chunk * FRAME_MS)}
    return {"event": "media", "streamSid": STREAM, "media": {**media, "payload": _base64(frame)}}


def _deltas(t_ms: int, audio: bytes) -> list[tuple[int, bytes]]:
    places = range(0, len(audio), DELTA_BYTES)
    return [
        (t_ms + number * DELTA_EVERY_MS, audio[place : place + DELTA_BYTES])
        for number, place in enumerate(places)
    ]


def _base64(audio: bytes) -> str:
    return b2a_base64(audio, newline=False).decode("ascii")
