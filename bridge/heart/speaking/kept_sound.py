"""What was sent to the caller last, kept so that it can be played again from the word in which it was stopped. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from attrs import define, field
from msgspec import Struct

from bridge.heart.audio import bytes_of, start_of_words

KEPT_MS: Final = 3000
"""What is ahead of the ear is a tenth of it; the rest is for the word that was broken off, and the pause before it."""


class Stretch(Struct, frozen=True, gc=False):
    """Some of a part's audio, from byte `start` on; a part is (item_id, content_index)."""

    part: tuple[str, int]
    start: int
    audio: bytes


@define
class KeptSound:
    """The last seconds, in the order in which they were sent."""

    _stretches: deque[Stretch] = field(factory=deque)
    _bytes: int = 0

    def add(self, stretch: Stretch) -> None:
        """Keep what is sent; what is older than can be needed goes."""
        self._stretches.append(stretch)
        self._bytes += len(stretch.audio)
        while self._bytes > bytes_of(KEPT_MS):
            self._bytes -= len(self._stretches.popleft().audio)

    def clear(self) -> None:
        """Let go of it: nothing of it will be played again."""
        self._stretches.clear()
        self._bytes = 0

    def again(self, unheard: int) -> Iterator[Stretch]:
        """Yield what to play again, when so many bytes at the end of it were not heard: from the start of a word on."""
        sound = b"".join(stretch.audio for stretch in self._stretches)
        left = start_of_words(sound[: max(0, len(sound) - unheard)]) if unheard else len(sound)
        for stretch in self._stretches:
            skipped = min(left, len(stretch.audio))
            left -= skipped
            if skipped < len(stretch.audio):
                yield Stretch(stretch.part, stretch.start + skipped, stretch.audio[skipped:])
