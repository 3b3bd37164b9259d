"""A stand-in for the Realtime service that costs next to nothing: hundreds of sessions beside callers on one core.

It hears nothing: turns come by its clock. What stands on the wire is what a real session has there, and in its order.
"""

import asyncio
import json
import ssl
from time import perf_counter
from typing import Any, Final, Protocol

from attrs import define, field, frozen
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

from bench.load_clock import LoadClock
from bench.load_frames import FRAME_SECONDS, Seen, frames_in, string_behind, voice_payload

APPEND: Final = b"input_audio_buffer.append"
ANSWER_FRAMES: Final = 204
"""Of 20 ms: what the agent says is about four seconds long."""

TURN_SECONDS: Final = 1.2
"""So long the caller speaks; one time in three after so much of the answer, and else when it is over:"""
CUT_AFTER_SECONDS: Final = 2.4
PAUSE_SECONDS: Final = 0.8
INTERRUPTED_EVERY: Final = 3
ROOM_SECONDS: Final = 0.18
"""With no more than this still to be played a delta can leave at once: a bridge keeps a lead, and pieces of 100 ms."""

PLAYING_SECONDS: Final = 0.06
"""With less to be played there may be nothing to clear by the time that a bridge hears of it."""

WORDS_EVERY: Final = 12
"""Frames to a piece of the transcript."""


class Ear(Protocol):
    """What the model's stand-in asks of the caller whose session it is."""

    def frame_heard(self, owner: int, number: int, now: float) -> None:
        """A frame of this caller has come to the model."""

    def ahead(self, now: float, next_frame: int) -> float:
        """Return the seconds of sound before this frame that are still to be played, or still to come."""

    def interrupted(self, now: float, resumes_at: int) -> None:
        """Whatever is being played should be cleared now; the next answer begins with this frame."""


@frozen
class Pace:
    """How the voice comes: in pieces of so many frames, so many times as fast as it is spoken."""

    frames: int
    speed: float

    @property
    def seconds(self) -> float:
        """Return the time from one delta to the next."""
        return self.frames * FRAME_SECONDS / self.speed


BURSTS: Final = Pace(12, 1.25)
DELTAS: Final = Pace(1, 1.1)


@define(eq=False)
class Model:
    """All sessions that there were, by their numbers; `callers` has whoever rings, by theirs."""

    clock: LoadClock
    seen: Seen
    pace: Pace
    callers: dict[int, Ear] = field(factory=dict)
    sessions: "dict[int, Session]" = field(factory=dict)

    def accept(self, request: WSUpgradeRequest) -> "Session":
        """Open a session for whoever comes."""
        number = len(self.sessions) + 1
        self.sessions[number] = session = Session(self, number)
        return session

    async def serve(self, context: ssl.SSLContext | None) -> tuple[asyncio.Server, int]:
        """Listen on loopback; return the server and its port."""
        server = await ws_create_server(self.accept, "127.0.0.1", 0, ssl=context, backlog=1024)
        return server, server.sockets[0].getsockname()[1]


class Session(WSListener):  # ships no types
    """One session, from its socket's beginning to its end."""

    def __init__(self, model: Model, number: int) -> None:
        self.model, self.number = model, number
        self.ear: Ear | None = None
        self.next_frame = 0
        self.stamps: dict[int, float] = {}
        """When a delta left that had to wait for nothing, by its first frame."""
        self._transport: WSTransport | None = None
        self._events = 0
        self._turns = 0
        self._answers = 0
        self._response = ""
        self._last = 0

    # ------------------------------------------------------------ the wire

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin as the service does."""
        self._transport = transport
        self._say("session.created", session={"id": f"sess_{self.number}", "type": "realtime"})

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a message."""
        if frame.msg_type is WSMsgType.TEXT:
            data = frame.get_payload_as_bytes()
            if APPEND in data[:60]:
                self._hear(data)
            else:
                self._told(json.loads(data))
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Say nothing more."""
        self._transport = None

    def _hear(self, data: bytes) -> None:
        now = perf_counter()
        for owner, number in frames_in(string_behind(data, b'"audio"')):
            if self.ear is None and owner in self.model.callers:
                self.ear = self.model.callers[owner]
            if self.ear is not None:
                self.ear.frame_heard(owner, number, now)

    def _told(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "session.update":
                self._say("session.updated", session=message["session"])
            case "response.create":
                self._answer()
            case "conversation.item.truncate":
                kept = {key: message[key] for key in ("item_id", "content_index", "audio_end_ms")}
                self._say("conversation.item.truncated", **kept)

    def _say(self, kind: str, **fields: Any) -> None:
        if self._transport is None:
            return
        self._events += 1
        message = {"type": kind, "event_id": f"event_{self.number}_{self._events}", **fields}
        self._transport.send(WSMsgType.TEXT, json.dumps(message, separators=(",", ":")).encode())

    # ------------------------------------------------------------ the agent's turn

    @property
    def _item(self) -> dict[str, Any]:
        return {"id": f"item_a{self._answers}", "type": "message", "role": "assistant", "content": []}

    def _answer(self) -> None:
        """Begin a response, unless there is one; the next turn's time is known from here on."""
        if self._response:
            return
        self._answers += 1
        self._response = name = f"resp_{self.number}_{self._answers}"
        self._say("response.created", response={"id": name, "object": "realtime.response"})
        self._say("response.output_item.added", response_id=name, output_index=0, item=self._item)
        self._say("conversation.item.added", item=self._item)
        self._in_part("response.content_part.added", part={"type": "audio", "transcript": ""})
        self._last = self.next_frame + ANSWER_FRAMES
        now = perf_counter()
        is_cut = (self._answers + self.number) % INTERRUPTED_EVERY == 0
        stays = CUT_AFTER_SECONDS if is_cut else ANSWER_FRAMES * FRAME_SECONDS + PAUSE_SECONDS
        self.model.clock.at(now + stays, self._speech_started)
        self._delta(now)

    def _in_part(self, kind: str, **fields: Any) -> None:
        place = {"response_id": self._response, "item_id": self._item["id"], "output_index": 0}
        self._say(kind, **place, content_index=0, **fields)

    def _delta(self, due: float) -> None:
        if not self._response or self._transport is None:
            return
        first, frames = self.next_frame, min(self.model.pace.frames, self._last - self.next_frame)
        payload = voice_payload(self.number, first, frames).decode()
        now = perf_counter()
        if (
            self.model.seen.is_measuring
            and self.ear is not None
            and self.ear.ahead(now, first) <= ROOM_SECONDS
        ):
            self.stamps[first] = perf_counter()
        self.next_frame += frames
        self._in_part("response.output_audio.delta", delta=payload)
        if first % WORDS_EVERY == 0:
            self._in_part("response.output_audio_transcript.delta", delta=" word")
        if self.next_frame < self._last:
            self.model.clock.at(due + self.model.pace.seconds, self._delta)
        else:
            self._finish()

    def _finish(self) -> None:
        self._in_part("response.output_audio.done")
        self._in_part("response.output_audio_transcript.done", transcript="word " * 17)
        self._in_part("response.content_part.done", part={"type": "audio", "transcript": "word " * 17})
        self._close("completed")

    def _close(self, status: str) -> None:
        item = {**self._item, "status": "completed" if status == "completed" else "incomplete"}
        self._say("response.output_item.done", response_id=self._response, output_index=0, item=item)
        response: dict[str, Any] = {"id": self._response, "status": status, "output": [item]}
        if status != "completed":
            response["status_details"] = {"type": status, "reason": "turn_detected"}
        response["usage"] = {"total_tokens": 90, "input_tokens": 50, "output_tokens": 40}
        self._response = ""
        self._say("response.done", response=response)

    # ------------------------------------------------------------ the caller's turn

    def _speech_started(self, due: float) -> None:
        if self._transport is None:
            return
        self._turns += 1
        now = perf_counter()
        if self.ear is not None and self.ear.ahead(now, self.next_frame) > PLAYING_SECONDS:
            self.ear.interrupted(perf_counter(), self.next_frame)
        self._say(
            "input_audio_buffer.speech_started", audio_start_ms=100 * self._turns, item_id=self._turn_item
        )
        if self._response:
            self._close("cancelled")
        self.model.clock.at(now + TURN_SECONDS, self._speech_stopped)

    @property
    def _turn_item(self) -> str:
        return f"item_c{self._turns}"

    def _speech_stopped(self, due: float) -> None:
        self._say(
            "input_audio_buffer.speech_stopped", audio_end_ms=100 * self._turns, item_id=self._turn_item
        )
        self._say("input_audio_buffer.committed", item_id=self._turn_item, previous_item_id=None)
        item = {
            "id": self._turn_item,
            "type": "message",
            "role": "user",
            "content": [{"type": "input_audio"}],
        }
        self._say("conversation.item.added", item=item)
        self._say(
            "conversation.item.input_audio_transcription.completed",
            item_id=self._turn_item,
            content_index=0,
            transcript="words of the caller",
        )
        if self._transport is not None:
            self._answer()
