"""What was sent to the caller last, kept so that it can be played again from the word in which it was stopped. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from attrs import define, field
from msgspec import Struct

from bridge.heart.audio import SENTENCE_PAUSE_BYTES, behind_pause, bytes_of, start_of_words

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

    def again(self, unheard: int, *, of_sentence: bool = False) -> Iterator[Stretch]:
        """Yield what to play again, when so many bytes at the end of it were not heard: from the start of a word on, or
        of a sentence."""
        sound = b"".join(stretch.audio for stretch in self._stretches)
        heard = sound[: max(0, len(sound) - unheard)]
        start = self._start_of_sentence(heard) if of_sentence else start_of_words(heard)
        left = start if unheard else len(sound)
        for stretch in self._stretches:
            skipped = min(left, len(stretch.audio))
            left -= skipped
            if skipped < len(stretch.audio):
                yield Stretch(stretch.part, stretch.start + skipped, stretch.audio[skipped:])

    def _start_of_sentence(self, heard: bytes) -> int:
        """Return where the sentence begins that was broken off; where its beginning is not kept, a word of it."""
        place = behind_pause(heard, SENTENCE_PAUSE_BYTES)
        if place is not None:
            return place
        return 0 if self._stretches and self._stretches[0].start == 0 else start_of_words(heard)
