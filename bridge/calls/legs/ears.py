"""Who listens in on a call that goes on. The caller's frames are the clock: with each of them goes what the agent's
voice is at that moment, as it was sent and not taken back. A slow listener loses sound, and the call loses nothing.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

import trio
from attrs import Factory, define, field, frozen

from bridge.heart.audio import SILENCE, bytes_of
from bridge.heart.effects import ClearPlayback, Effect, LeaveStream, PlayAudio
from bridge.heart.events import CallerSpoke, Event

BLOCK_MS: Final = 100
"""What listeners are given at once: ten messages a second between processes, and no more delay than that."""

SIDE_BYTES: Final = bytes_of(BLOCK_MS)
MOST_BLOCKS: Final = 30
"""Three seconds for a listener that does not take them; then the oldest is dropped."""

MOST_AHEAD: Final = bytes_of(3000)
"""Of the agent's voice, which is sent 300 ms ahead: more than waits where frames come."""

OVER: Final = b""
Hear: TypeAlias = Callable[[bytes], None]
"""Takes a block, or `OVER` when nothing more will come; never waits."""


@define(eq=False)
class Ear:
    """One listener's end: it is given blocks of µ-law, a tenth of a second of the caller and the same of the agent."""

    is_over: bool = False
    """Whether nothing more will come."""
    _blocks: deque[bytes] = Factory(lambda: deque(maxlen=MOST_BLOCKS))
    _news: trio.Event = field(factory=trio.Event)

    def hear(self, block: bytes) -> None:
        """Take a block, or `OVER`; never waits."""
        if block == OVER:
            self.is_over = True
        else:
            self._blocks.append(block)
        self._news.set()

    async def take(self) -> bytes:
        """Return the blocks that have come, or `OVER` once nothing more will."""
        while not self._blocks and not self.is_over:
            self._news = trio.Event()
            await self._news.wait()
        taken = b"".join(self._blocks)
        self._blocks.clear()
        return taken


@frozen
class Seat:
    """What came of somebody's wish to listen in: why they may not, or how they leave."""

    refusal: str = ""
    leave: Callable[[], None] = lambda: None


@define(eq=False)
class Ears:
    """All who listen to one call."""

    _hearing: dict[int, Hear] = field(factory=dict)
    _sent: bytearray = field(factory=bytearray)
    """Of the agent's voice, what the caller has not heard yet."""
    _caller: bytearray = field(factory=bytearray)
    _agent: bytearray = field(factory=bytearray)

    def add(self, number: int, hear: Hear) -> None:
        """Let somebody hear what comes from now on."""
        self._hearing[number] = hear

    def remove(self, number: int) -> bool:
        """Let them hear no more; say whether anybody is left."""
        self._hearing.pop(number, None)
        return bool(self._hearing)

    def close(self) -> None:
        """Tell all that nothing more will come."""
        for hear in self._hearing.values():
            hear(OVER)
        self._hearing.clear()

    def take(self, event: Event, effects: list[Effect]) -> None:
        """Take what was heard and said just now."""
        for effect in effects:
            match effect:
                case PlayAudio(audio=audio):
                    self._sent += audio
                    del self._sent[:-MOST_AHEAD]
                case ClearPlayback() | LeaveStream():
                    self._sent.clear()
        if isinstance(event, CallerSpoke):
            self._caller_spoke(event.audio)

    def _caller_spoke(self, audio: bytes) -> None:
        self._caller += audio
        self._agent += self._sent[: len(audio)].ljust(len(audio), SILENCE)
        del self._sent[: len(audio)]
        while len(self._caller) >= SIDE_BYTES:
            block = bytes(self._caller[:SIDE_BYTES] + self._agent[:SIDE_BYTES])
            del self._caller[:SIDE_BYTES], self._agent[:SIDE_BYTES]
            for hear in self._hearing.values():
                hear(block)
