"""The caller's half of a stand-in session: the input audio buffer, and turns.

It answers nothing; the session decides what a turn leads to.
"""

from collections.abc import Callable

import attrs

from bridge.heart.audio import BYTES_PER_MS
from replay.model.conversation import Conversation
from replay.model.script import Silence
from replay.model.settings import silence_ms
from replay.model.wire import Message, RefusedError, Wire
from replay.sound.hearing import Hearing
from replay.sound.turn_detection import Ears, Heard, SpeechStarted

SMALLEST_COMMIT_MS = 100


@attrs.define
class Caller:
    """Hears the caller and announces turns; `on_speech` and `on_turn` are told as they happen."""

    _wire: Wire
    _conversation: Conversation
    _on_speech: Callable[[], None]
    _on_turn: Callable[[str, int], None]
    """Told the item and its milliseconds of audio, when the ears have committed a turn."""
    _hearing: Hearing = attrs.field(factory=Hearing)
    _silence_at: Callable[[int], Silence | None] = lambda turn: None
    """How a turn is never told to end, or never committed."""
    clock_ms: float = attrs.field(default=0.0, init=False)
    """Milliseconds of audio appended so far."""
    _ears: Ears | None = attrs.field(default=None, init=False)
    _item_id: str = attrs.field(default="", init=False)
    _began_ms: int = attrs.field(default=0, init=False)
    _committed_ms: float = attrs.field(default=0.0, init=False)
    _turns: int = attrs.field(default=0, init=False)
    _is_stuck: bool = attrs.field(default=False, init=False)
    """True from the end of a turn that is never told to end, until the client commits it."""

    @property
    def item_id(self) -> str:
        """The item of the utterance that goes on, or was the last one."""
        return self._item_id

    @property
    def is_speaking(self) -> bool:
        """True between speech_started and speech_stopped."""
        return self._ears is not None and self._ears.is_speaking

    @property
    def judged_ms(self) -> int:
        """Milliseconds of audio in which turns were looked for; of all audio when nobody looks for any."""
        return round(self.clock_ms) if self._ears is None else self._ears.clock_ms

    def tune(self, turn_detection: Message | None) -> None:
        """Take the session's turn detection; None leaves turns to the client."""
        if turn_detection is None:
            self._ears = None
            return
        if self._ears is None:
            self._ears = Ears(clock_ms=round(self.clock_ms), hearing=self._hearing)
        self._ears.threshold = turn_detection.get("threshold", 0.5)
        self._ears.silence_ms = silence_ms(turn_detection)
        self._ears.prefix_ms = turn_detection.get("prefix_padding_ms", 300)

    def append(self, audio: bytes) -> None:
        """Take µ-law audio."""
        self.clock_ms += len(audio) / BYTES_PER_MS
        for heard in self._ears.hear(audio) if self._ears is not None else ():
            self._notice(heard)

    def clear(self) -> None:
        """input_audio_buffer.clear."""
        self._committed_ms = self.clock_ms
        if self._ears is not None:
            self._ears.forget()
        self._wire.event("input_audio_buffer.cleared")

    def commit(self) -> tuple[str, int]:
        """input_audio_buffer.commit: the item and its milliseconds; no response comes of it."""
        waiting_ms = self.clock_ms - self._committed_ms
        if waiting_ms < SMALLEST_COMMIT_MS:
            text = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{SMALLEST_COMMIT_MS}ms of audio, but buffer only has {waiting_ms:.2f}ms of audio."
            )
            raise RefusedError("input_audio_buffer_commit_empty", text)
        if self._ears is not None:
            self._ears.forget()
        self._is_stuck = False
        return self._commit(self._wire.make_id("item"), waiting_ms)

    def give_up(self, since_ms: int) -> None:
        """Commit the silence since then as a turn, as the idle time-out does; it has no words."""
        item_id, now_ms = self._wire.make_id("item"), self.judged_ms
        place = {"audio_start_ms": since_ms, "audio_end_ms": now_ms, "item_id": item_id}
        self._wire.event("input_audio_buffer.timeout_triggered", **place)
        self._commit(item_id, now_ms - since_ms)

    def _notice(self, heard: Heard) -> None:
        if self._is_stuck:
            return
        if isinstance(heard, SpeechStarted):
            self._item_id = self._wire.make_id("item")
            self._began_ms = heard.start_ms
            place = {"audio_start_ms": heard.start_ms, "item_id": self._item_id}
            self._wire.event("input_audio_buffer.speech_started", **place)
            self._on_speech()
            return
        silence = self._silence_at(self._turns)
        self._turns += 1
        if silence == "no_stop":
            self._is_stuck = True
            return
        place = {"audio_end_ms": heard.end_ms, "item_id": self._item_id}
        self._wire.event("input_audio_buffer.speech_stopped", **place)
        if silence == "no_commit":
            return
        self._on_turn(*self._commit(self._item_id, heard.end_ms - self._began_ms))

    def _commit(self, item_id: str, audio_ms: float) -> tuple[str, int]:
        self._committed_ms = self.clock_ms
        tail = self._conversation.tail
        self._wire.event("input_audio_buffer.committed", previous_item_id=tail, item_id=item_id)
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}
        self._conversation.add(item, audio_ms)
        self._conversation.close(item_id)
        return item_id, round(audio_ms)
