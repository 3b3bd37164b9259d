"""The caller's words as they are written down, turn by turn, from the script; nobody listens."""

from collections.abc import Callable, Iterator

import attrs

from replay.model.conversation import Conversation
from replay.model.script import Transcription
from replay.model.speech import split_words
from replay.model.wire import Message, Wire

KIND = "conversation.item.input_audio_transcription"


@attrs.define
class Scribe:
    """Writes down what the caller said, turn by turn, from the script."""

    _wire: Wire
    _conversation: Conversation
    _heard: tuple[str, ...]
    _how: Transcription
    _later: Callable[[Iterator[float]], None]
    _turns: int = attrs.field(default=0, init=False)
    _held: list[tuple[str, int, str]] = attrs.field(factory=list, init=False)
    _live: str = attrs.field(default="", init=False)
    """The item that is being written down while it is spoken."""
    _words_sent: int = attrs.field(default=0, init=False)

    def listen(self, item_id: str) -> None:
        """Begin to write down an utterance while it lasts, if that is how it is done."""
        if self._how.mode == "live":
            self._live, self._words_sent = item_id, 0
            self._later(self._write_along(item_id))

    def _write_along(self, item_id: str) -> Iterator[float]:
        kind = KIND
        for word in split_words(self._text):
            yield self._how.delay_ms
            if self._live != item_id:
                return
            self._words_sent += 1
            self._wire.delta(f"{kind}.delta", item_id=item_id, content_index=0, delta=word)

    @property
    def _text(self) -> str:
        return (
            self._heard[self._turns] if self._turns < len(self._heard) else f"Caller turn {self._turns + 1}."
        )

    def write_down(self, item_id: str, audio_ms: int) -> None:
        """Send the transcript of a turn in its own time, or never."""
        text = self._text
        self._turns += 1
        match self._how.mode:
            case "never":
                return
            case "late":
                self._held.append((item_id, audio_ms, text))
            case "live":
                self._complete(item_id, audio_ms, text)
            case _:
                self._later(self._write(item_id, audio_ms, text))

    def release(self) -> None:
        """Send the transcripts that were held back until now."""
        held, self._held = self._held, []
        for item_id, audio_ms, text in held:
            self._complete(item_id, audio_ms, text)

    def _write(self, item_id: str, audio_ms: int, text: str) -> Iterator[float]:
        yield self._how.delay_ms
        if self._how.mode == "failed":
            self._fail(item_id)
        else:
            self._complete(item_id, audio_ms, text)

    def _complete(self, item_id: str, audio_ms: int, text: str) -> None:
        kind = KIND
        place: Message = {"item_id": item_id, "content_index": 0}
        sent = self._words_sent if item_id == self._live else 0
        self._live = "" if item_id == self._live else self._live
        for word in split_words(text)[sent:]:
            self._wire.delta(f"{kind}.delta", **place, delta=word)
        usage = {"type": "duration", "seconds": round(audio_ms / 1000, 1)}
        self._wire.event(f"{kind}.completed", **place, transcript=text, usage=usage)
        entry = self._conversation.entries.get(item_id)
        if entry is not None:
            entry.item["content"] = [{"type": "input_audio", "transcript": text}]

    def _fail(self, item_id: str) -> None:
        error = {
            "type": "transcription_error",
            "code": "audio_unintelligible",
            "message": "The audio could not be transcribed.",
            "param": None,
        }
        kind = "conversation.item.input_audio_transcription.failed"
        self._wire.event(kind, item_id=item_id, content_index=0, error=error)
