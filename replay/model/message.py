"""One message of a response on its way out: its deltas, then the done family.

It is spoken, or typed when the client asked for text; when each piece is due is the response's business.
"""

from collections import deque

import attrs

from replay.model.conversation import Entry
from replay.model.speech import Chunk
from replay.model.wire import Message, Wire
from replay.sound.formats import Recode


@attrs.define
class OutgoingMessage:
    """The message that is being sent; `encode` is None for a typed one."""

    _wire: Wire
    _response_id: str
    entry: Entry
    index: int
    """Its place in the response's output."""
    _encode: Recode | None
    _rest: deque[Chunk]
    words: str = ""
    """What was said so far."""

    @property
    def wait_ms(self) -> float | None:
        """Milliseconds of audio in the next piece; None when all was said."""
        return self._rest[0].ms if self._rest else None

    def open(self) -> None:
        """Announce the content part."""
        self._event("response.content_part.added", part=self._part(""))

    def say_next(self) -> float:
        """Send one piece; gives its milliseconds of audio."""
        if not self._rest:
            return 0.0
        chunk = self._rest.popleft()
        kind = "response.output_audio_transcript.delta" if self._encode else "response.output_text.delta"
        for word in chunk.words:
            self.words += word
            self._wire.delta(kind, **self._place, delta=word)
        if self._encode is None or not chunk.audio:
            return 0.0
        self.entry.audio_ms += chunk.ms
        self._wire.audio("response.output_audio.delta", self._encode(chunk.audio), **self._place)
        return chunk.ms

    def close(self) -> None:
        """Send the done events of the part, and give the item its content."""
        if self._encode:
            self._event("response.output_audio.done")
            self._event("response.output_audio_transcript.done", transcript=self.words)
            content = {"type": "output_audio", "transcript": self.words}
        else:
            self._event("response.output_text.done", text=self.words)
            content = {"type": "output_text", "text": self.words}
        self._event("response.content_part.done", part=self._part(self.words))
        self.entry.item["content"] = [content]

    def _part(self, words: str) -> Message:
        # The items say output_audio and output_text; the parts have kept their old names.
        return {"type": "audio", "transcript": words} if self._encode else {"type": "text", "text": words}

    @property
    def _place(self) -> Message:
        place = {"response_id": self._response_id, "item_id": self.entry.item["id"]}
        return {**place, "output_index": self.index, "content_index": 0}

    def _event(self, kind: str, **fields: object) -> None:
        self._wire.event(kind, **self._place, **fields)
