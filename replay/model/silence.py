"""Every way in which a response leaves its caller in silence, once it has begun. Some never end: the client cuts them.

`go_silent` yields milliseconds to wait, as `Response.perform` does.
"""

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from bridge.heart.audio import silence
from replay.model.script import Silence
from replay.model.wire import Message, Wire

DELTA_MS: Final = 200
CLICK_MS: Final = 20
CLICK_EVERY_MS: Final = 1000
BEGUN_MS: Final = 300
"""What is said before a response stops in the middle of a word."""

SOUND: Final = b"\x20\xa0" * 4
"""A millisecond that can be heard."""

ENDS: Final[dict[Silence, tuple[str, Message | None]]] = {
    "empty": ("completed", None),
    "cancelled": ("cancelled", {"type": "cancelled", "reason": "turn_detected"}),
    "incomplete": ("incomplete", {"type": "incomplete", "reason": "content_filter"}),
}
"""Responses that end at once, and how."""

BREAKS: Final[dict[Silence, str]] = {"cut_short": "max_output_tokens", "filtered": "content_filter"}
"""Responses that end in the middle of a word, and the reason that they give."""

IN_WORDS: Final[frozenset[Silence]] = frozenset({*BREAKS, "pauses"})
"""Responses that say some of what they were to say."""

DELTAS: Final[dict[Silence, tuple[bytes, int]]] = {
    "empty_deltas": (b"", DELTA_MS),
    "quiet_audio": (silence(DELTA_MS), DELTA_MS),
    "clicks": (SOUND * CLICK_MS, CLICK_EVERY_MS),
}
"""Responses that go on for ever: what of, and every how many ms."""


@attrs.frozen
class Stuck:
    """A response that has begun, and how it can go on."""

    wire: Wire
    open_item: Callable[[], Message]
    """Add a message to the response; where its deltas belong."""
    end: Callable[[str, Message | None], None]

    def go_silent(self, kind: Silence) -> Iterator[float]:
        """Say nothing, or nothing that anybody would call an answer."""
        if kind in ENDS:
            self.end(*ENDS[kind])
        elif kind in DELTAS:
            yield from self._repeat(*DELTAS[kind])
        elif kind == "stops":
            self._speak(SOUND * BEGUN_MS, self.open_item())
        elif kind == "text":
            yield from self._write()

    def _repeat(self, audio: bytes, every_ms: int) -> Iterator[float]:
        place = self.open_item()
        while True:
            self._speak(audio, place)
            yield every_ms

    def _speak(self, audio: bytes, place: Message) -> None:
        self.wire.audio("response.output_audio.delta", audio, **place)

    def _write(self) -> Iterator[float]:
        place, words = self.open_item(), "We open at nine."
        yield DELTA_MS
        self.wire.delta("response.output_text.delta", **place, delta=words)
        self.wire.event("response.output_text.done", **place, text=words)
        self.end("completed", None)
