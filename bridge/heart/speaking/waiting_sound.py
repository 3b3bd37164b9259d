"""The agent's sound that waits to be sent, in the order in which it will be heard. Pure."""

from collections import deque
from collections.abc import Iterable

from attrs import define, field
from msgspec.structs import replace

from bridge.heart.audio import is_audible
from bridge.heart.speaking.kept_sound import Stretch


@define
class WaitingSound:
    """Stretches of parts' audio; its length is in bytes."""

    _stretches: deque[Stretch] = field(factory=deque)
    _bytes: int = 0

    def __len__(self) -> int:
        """Return how many bytes wait."""
        return self._bytes

    def add(self, stretch: Stretch) -> None:
        """Let it be heard behind everything else."""
        self._stretches.append(stretch)
        self._bytes += len(stretch.audio)

    def put_back(self, stretches: Iterable[Stretch]) -> None:
        """Let them be heard before everything else."""
        for stretch in reversed([*stretches]):
            self._stretches.appendleft(stretch)
            self._bytes += len(stretch.audio)

    def clear(self) -> None:
        """Let none of it be heard."""
        self._stretches.clear()
        self._bytes = 0

    def take(self, most: int) -> Stretch:
        """Take up to so many bytes of one part; neighbouring stretches are joined."""
        first = self._stretches[0]
        pieces, size = [], 0
        while self._stretches and self._stretches[0].part == first.part and size < most:
            head = self._stretches.popleft()
            piece, rest = head.audio[: most - size], head.audio[most - size :]
            if rest:
                self._stretches.appendleft(Stretch(head.part, head.start + len(piece), rest))
            pieces.append(piece)
            size += len(piece)
        self._bytes -= size
        return Stretch(first.part, first.start, b"".join(pieces))

    def keep(self, most: int) -> list[tuple[str, int]]:
        """Keep so many bytes, and no more; return the parts that lost some."""
        stretches = [*self._stretches]
        self.clear()
        lost = []
        for stretch in stretches:
            audio = stretch.audio[: most - self._bytes]
            if audio:
                self.add(replace(stretch, audio=audio))
            if len(audio) < len(stretch.audio):
                lost.append(stretch.part)
        return lost

    # ------------------------------------------------------------ what it is

    @property
    def audio(self) -> bytes:
        """Return all of it."""
        return b"".join(stretch.audio for stretch in self._stretches)

    @property
    def parts(self) -> list[tuple[str, int]]:
        """Return whose it is, once for each stretch."""
        return [stretch.part for stretch in self._stretches]

    @property
    def last_part(self) -> tuple[str, int]:
        """Return whose audio will be heard last."""
        return self._stretches[-1].part

    @property
    def sounding(self) -> int:
        """Return how many bytes there are up to the last sound among them; silence behind it is nothing to wait for."""
        silent = 0
        for stretch in reversed(self._stretches):
            if is_audible(stretch.audio):
                break
            silent += len(stretch.audio)
        return self._bytes - silent
