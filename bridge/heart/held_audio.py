"""The caller's audio from before the session decodes it as µ-law: bounded, the oldest goes first. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from attrs import define, field

from bridge.heart.audio import bytes_of
from bridge.heart.effects import AppendAudio

FRAMES_A_MESSAGE: Final = 50
"""One second at a time: a few messages for all that was held, none of them large."""


@define
class HeldAudio:
    """Frames that wait, each with its number."""

    most_ms: int
    dropped: int = 0
    _frames: deque[tuple[int, bytes]] = field(factory=deque)
    _size: int = 0

    def add(self, frame: int, audio: bytes) -> None:
        """Keep a frame; beyond the bound the oldest are dropped and counted."""
        self._frames.append((frame, audio))
        self._size += len(audio)
        while self._size > bytes_of(self.most_ms):
            self._size -= len(self._frames.popleft()[1])
            self.dropped += 1

    def release(self) -> Iterator[AppendAudio]:
        """Yield everything held, in order, in few messages."""
        self._size = 0
        while self._frames:
            run = [self._frames.popleft() for _ in range(min(FRAMES_A_MESSAGE, len(self._frames)))]
            yield AppendAudio(run[0][0], run[-1][0], b"".join(audio for _, audio in run))
