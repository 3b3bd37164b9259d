"""One response of the stand-in, from response.created to response.done, in the service's order of events.

`perform` yields the milliseconds to wait before it goes on; who drives it stops doing so once `is_over`.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

import attrs

from replay.model.checks import wants_approval
from replay.model.conversation import Conversation, Entry
from replay.model.message import OutgoingMessage
from replay.model.script import CallRemote, CallTool, Delivery, Reply, Say, Silence
from replay.model.silence import BEGUN_MS, BREAKS, IN_WORDS, Stuck
from replay.model.speech import cut_items, cut_speech, split_arguments
from replay.model.usage import Meter, no_usage
from replay.model.wire import Message, Wire
from replay.sound.formats import Recode, encoder

Occasion = Literal["opening", "turn", "answer"]


@attrs.frozen
class Stage:
    """What every response of a session needs."""

    wire: Wire
    conversation: Conversation
    meter: Meter
    delivery: Delivery
    dice: random.Random


@attrs.define
class Response:
    """One response; `request` is what the client asked for in response.create ({} for a caller's turn)."""

    _stage: Stage
    _session: Message
    """The effective session object."""
    _on_done: Callable[["Response"], None]
    occasion: Occasion | None
    """None for a request with nothing new to answer: the fallback."""
    reply: Reply
    request: Message
    id: str
    failure: Message | None = None
    """The error it is to fail with, instead of saying anything."""
    silence: Silence | None = None
    """How it says nothing, or stops saying it, if it does."""
    pause_ms: int = 0
    """How long it stops, if that is how."""
    status: str = "waiting"
    """waiting, in_progress, completed, cancelled, incomplete or failed."""
    output: list[Message] = attrs.field(factory=list)
    tokens: int = 0
    """What it cost in all."""
    spoken_ms: float = 0.0
    """Milliseconds of audio that were sent."""
    _speaking: OutgoingMessage | None = None
    _words: list[str] = attrs.field(factory=list)

    @property
    def is_over(self) -> bool:
        """True once response.done was sent."""
        return self.status not in ("waiting", "in_progress")

    def perform(self) -> Iterator[float]:
        """Say everything; yields milliseconds to wait."""
        yield self._stage.delivery.response_delay_ms
        self._begin()
        if self.failure is not None:
            self._end("failed", {"type": "failed", "error": self.failure})
            return
        if self.silence is not None and self.silence not in IN_WORDS:
            yield from Stuck(self._stage.wire, self._open_silent_item, self._end).go_silent(self.silence)
            return
        for item in self.reply:
            match item:
                case Say():
                    for part in cut_items(item, self._stage.delivery.items):
                        yield from self._speak(part)
                case CallTool():
                    # All at once: a call that is cut half-way would leave arguments that are no JSON.
                    self._call(item)
                case CallRemote():
                    self._call_remote(item)
        self._end("completed", None)

    def cut(self, reason: str) -> None:
        """End it as cancelled: late deltas, the done family, response.done."""
        if self.status == "waiting":
            self._begin()
        if self._speaking is not None:
            for _ in range(self._stage.delivery.late_deltas):
                self._say_next(self._speaking)
            self._close_message(self._speaking, "incomplete")
        self._end("cancelled", {"type": "cancelled", "reason": reason})

    def as_event(self) -> Message:
        """The response object of response.created and response.done, without usage."""
        over = self.is_over
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": None,
            "output": self.output if over else [],
            "conversation_id": self._stage.conversation.id or None,
            "output_modalities": self._asked["output_modalities"],
            "max_output_tokens": self._limit,
            "audio": {"output": self._audio_output()},
            "usage": None,
            "metadata": self.request.get("metadata"),
        }

    @property
    def _limit(self) -> int | str:
        limit: int | str = self._asked["max_output_tokens"]
        return limit

    @property
    def _asked(self) -> Message:
        """The session's settings, and over them those of this one request."""
        return {**self._session, **self.request}

    def _audio_output(self) -> Message:
        asked = (self.request.get("audio") or {}).get("output") or {}
        used = {**self._session["audio"]["output"], **asked}
        return {"format": used["format"], "voice": used["voice"]}

    def _begin(self) -> None:
        self.status = "in_progress"
        self._stage.wire.event("response.created", response=self.as_event())

    def _end(self, status: str, details: Message | None) -> None:
        self.status = status
        usage = no_usage() if status == "failed" else self._count()
        self.tokens = usage["total_tokens"]
        done = {**self.as_event(), "status_details": details, "usage": usage}
        self._stage.wire.event("response.done", response=done)
        self._on_done(self)

    def _count(self) -> Message:
        instructions = self.request.get("instructions") or self._session["instructions"]
        words = "".join(self._words)
        return self._stage.meter.usage(self._stage.conversation, instructions, self.spoken_ms, words)

    def _add(self, item: Message) -> Entry:
        index = len(self.output)
        self.output.append(item)
        self._stage.wire.event(
            "response.output_item.added", response_id=self.id, output_index=index, item=item
        )
        return self._stage.conversation.add(item)

    def _speak(self, say: Say) -> Iterator[float]:
        message = self._open_message(say)
        while message.wait_ms is not None:
            yield message.wait_ms / self._stage.delivery.speed
            self._say_next(message)
            if reason := self._why_it_breaks_off():
                self._close_message(message, "incomplete")
                self._end("incomplete", {"type": "incomplete", "reason": reason})
                yield 0
            elif self.silence == "pauses" and self.spoken_ms >= BEGUN_MS:
                self.silence = None
                yield self.pause_ms
        self._close_message(message, "completed")

    def _why_it_breaks_off(self) -> str:
        """Why nothing more may be said; empty when there is no reason."""
        if self._is_too_long():
            return "max_output_tokens"
        return BREAKS.get(self.silence, "") if self.silence and self.spoken_ms >= BEGUN_MS else ""

    def _open_silent_item(self) -> Message:
        index = len(self.output)
        item_id = self._stage.wire.make_id("item")
        item = {"id": item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        self._add(item)
        return {"response_id": self.id, "item_id": item_id, "output_index": index, "content_index": 0}

    def _is_too_long(self) -> bool:
        return isinstance(self._limit, int) and self.spoken_ms / 50 > self._limit

    def _open_message(self, say: Say) -> OutgoingMessage:
        index = len(self.output)
        item = {
            "id": self._stage.wire.make_id("item"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        chunks = deque(cut_speech(say, self._stage.delivery, self._stage.dice))
        message = OutgoingMessage(self._stage.wire, self.id, self._add(item), index, self._encoder(), chunks)
        self._speaking = message
        message.open()
        return message

    def _encoder(self) -> Recode | None:
        if self._asked["output_modalities"] == ["text"]:
            return None
        return encoder(self._audio_output()["format"]["type"])

    def _say_next(self, message: OutgoingMessage) -> None:
        self.spoken_ms += message.say_next()

    def _close_message(self, message: OutgoingMessage, status: str) -> None:
        self._speaking = None
        self._words.append(message.words)
        message.close()
        self._close_item(message.entry, message.index, status)

    def _close_item(self, entry: Entry, index: int, status: str) -> None:
        entry.item["status"] = status
        if status == "completed" or self._stage.delivery.cancelled_item_done:
            self._stage.conversation.close(entry.item["id"])
        fields = {"response_id": self.id, "output_index": index, "item": entry.item}
        self._stage.wire.event("response.output_item.done", **fields)

    def _call(self, call: CallTool) -> None:
        wire, index, arguments = self._stage.wire, len(self.output), call.arguments_text
        item = {
            "id": wire.make_id("item"),
            "type": "function_call",
            "status": "in_progress",
            "name": call.name,
            "call_id": wire.make_id("call"),
            "arguments": "",
        }
        entry = self._add(item)
        place = {
            "response_id": self.id,
            "item_id": item["id"],
            "output_index": index,
            "call_id": item["call_id"],
        }
        for piece in split_arguments(arguments):
            self._words.append(piece)
            wire.delta("response.function_call_arguments.delta", **place, delta=piece)
        kind = "response.function_call_arguments.done"
        wire.event(kind, **place, name=call.name, arguments=arguments)
        entry.item["arguments"] = arguments
        self._close_item(entry, index, "completed")

    def _call_remote(self, call: CallRemote) -> None:
        """Have a tool of an MCP server called once the response is over, or ask whether it may be."""
        talk = self._stage.conversation
        if not wants_approval(self._session["tools"], call.server, call.name):
            return talk.to_call.append((call, None))
        item = {
            "id": self._stage.wire.make_id("mcpr"),
            "type": "mcp_approval_request",
            "server_label": call.server,
            "name": call.name,
            "arguments": call.arguments,
        }
        talk.approvals[item["id"]] = call
        index = len(self.output)
        self._add(item)
        talk.close(item["id"])
        fields = {"response_id": self.id, "output_index": index, "item": item}
        return self._stage.wire.event("response.output_item.done", **fields)
