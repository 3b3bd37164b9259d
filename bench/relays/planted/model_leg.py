"""One call's session with the model in the relay with switches: its settings, and what is done about events."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Set
from typing import Any, Final

import trio
from attrs import define, field

from bench.relays.planted.faults import Fault
from bench.relays.planted.ledger import Ledger
from bench.relays.planted.outbox import Outbox
from bench.relays.planted.tools import DECLARED, run_tool
from bench.relays.planted.turns import Turns

Message = dict[str, Any]

PIECE_BYTES: Final = 800
"""100 ms of µ-law: what a mark proves is known to so much."""
TOOLS_AT_ONCE: Final = 8
TRIES_AFTER_FAILURE: Final = 1
"""A response that failed is asked for once more; after that the caller is let go."""

SESSION: Final[Message] = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "You answer the phone.",
    "tools": DECLARED,
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy"},
    },
}


@define(eq=False)
class ModelLeg:
    """What the model's side of a call decides; messages go into the two outboxes."""

    faults: Set[Fault]
    stream_sid: str
    to_model: Outbox
    to_phone: Outbox
    tasks: trio.Nursery
    end: Callable[[str], None]
    ledger: Ledger = field(factory=Ledger)
    is_free: trio.Lock = field(factory=trio.Lock)
    """Held by a tool that blocks the call."""
    turns: Turns = field(factory=Turns)
    newest_ms: int = 0
    """The timestamp of the caller's newest frame."""
    _began_ms: dict[str, int] = field(factory=dict)
    _tools_running: int = 0
    _item: str = ""
    _responses: int = 0
    _failures: int = 0

    def begin(self) -> None:
        """Set the session up, and have the caller greeted."""
        if not self.stream_sid:  # of a relay that did not wait for `start`: something to listen to meanwhile
            hum = b64encode(bytes(PIECE_BYTES)).decode()
            self.to_phone.put({"event": "media", "streamSid": "", "media": {"payload": hum}})
        self.to_model.put({"type": "session.update", "session": SESSION})
        self.turns.is_owed = True
        self._ask()

    async def take(self, event: Message) -> None:
        """Do what an event asks for."""
        match event.get("type"):
            case "response.created":
                self.turns.began(event["response"]["id"])
                self._responses += 1
            case "response.output_audio.delta":
                self._speak(event)
            case "input_audio_buffer.speech_started":
                self._interrupt()
            case "input_audio_buffer.speech_stopped":
                self.turns.caller_ended()
            case "response.output_item.done" if event["item"]["type"] == "function_call":
                await self._call(event["item"])
            case "response.done":
                self._done(event["response"])

    # ---------------------------------------------------------------- the agent's voice

    def _speak(self, event: Message) -> None:
        if event["response_id"] == self.turns.cut and "plays_late_deltas" not in self.faults:
            return
        self._item = event["item_id"]
        self._began_ms.setdefault(self._item, self.newest_ms)
        audio = b64decode(event["delta"])
        for at in range(0, len(audio), PIECE_BYTES):
            self._play(audio[at : at + PIECE_BYTES])

    def _play(self, piece: bytes) -> None:
        if self.ledger.is_full:
            return self.end("the agent says more than anybody hears")
        mark = self.ledger.send(self._item, len(piece) // 8)
        sid = {"streamSid": self.stream_sid}
        self.to_phone.put({"event": "media", **sid, "media": {"payload": b64encode(piece).decode()}})
        self.to_phone.put({"event": "mark", **sid, "mark": {"name": mark}})

    def _interrupt(self) -> None:
        """The caller speaks: what they have not heard is taken back, at Twilio and in the conversation."""
        was_speaking = bool(self.turns.active)
        self.turns.caller_began()
        lost = self._lost()
        if was_speaking and self._item and self._item not in lost:
            lost.append(self._item)  # of which more was to come
        if not lost:
            return
        if "forgets_clear" not in self.faults:
            self.to_phone.put({"event": "clear", "streamSid": self.stream_sid})
        for item_id in lost:
            truncate = {"item_id": item_id, "content_index": 0, "audio_end_ms": self._claim_ms(item_id)}
            self.to_model.put({"type": "conversation.item.truncate", **truncate})
        self._item = ""
        self._began_ms.clear()

    def _lost(self) -> list[str]:
        waiting = self.ledger.cut()
        return list(self._began_ms) if "ignores_marks" in self.faults else waiting

    def _claim_ms(self, item_id: str) -> int:
        if "claims_sent" in self.faults:
            return self.ledger.sent_ms(item_id)
        if "ignores_marks" in self.faults:
            return self.newest_ms - self._began_ms[item_id]
        return self.ledger.heard_ms(item_id)

    # ---------------------------------------------------------------- responses and tools

    def _done(self, response: Message) -> None:
        self.turns.ended()
        if response["status"] == "failed":
            self._failures += 1
            if self._failures > TRIES_AFTER_FAILURE:
                return self.end("the model fails")
            self.turns.is_owed = True
        elif "doubles_greeting" in self.faults and self._responses == 1:
            self.turns.is_owed = True
        self._ask()

    def _ask(self) -> None:
        """Ask for the response that is owed, behind the last output of all tools that run."""
        if not self._tools_running and self.turns.ask():
            self.to_model.put({"type": "response.create"})

    async def _call(self, item: Message) -> None:
        if self._tools_running >= TOOLS_AT_ONCE:
            return self._answer(item["call_id"], "busy: too many tools run")
        self._tools_running += 1
        if "blocks_on_tools" in self.faults:
            async with self.is_free:
                await self._run(item)
        else:
            self.tasks.start_soon(self._run, item)

    async def _run(self, item: Message) -> None:
        output = await run_tool(item["name"], item["arguments"])
        self._tools_running -= 1
        self._answer(item["call_id"], output)

    def _answer(self, call_id: str, output: str) -> None:
        answer = {"type": "function_call_output", "call_id": call_id, "output": output}
        for _ in range(2 if "answers_tools_twice" in self.faults else 1):
            self.to_model.put({"type": "conversation.item.create", "item": answer})
        self.turns.is_owed = True
        self._ask()
