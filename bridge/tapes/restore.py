"""The audio that a tape only refers to, given back byte for byte: what was sent for the agent, which of the
caller's frames the model was given. Pure. What a tape has lost is silence of the right length.
"""

from typing import Final

from attrs import define, field

from bridge.heart.audio import FRAME_BYTES, SILENCE
from bridge.heart.events import CallerSpoke, Event, ModelSpoke, StreamStarted
from bridge.heart.playout import Part
from bridge.tapes.lines import MOST_MS
from bridge.tapes.tape import Line

LOST_FRAME: Final = SILENCE * FRAME_BYTES


def spoken_at_ms(line: Line) -> int | None:
    """Return when a frame was spoken, by its own timestamp; None when that is none."""
    try:
        stamp = int(line.message["media"]["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return stamp if 0 <= stamp <= MOST_MS else None


@define
class _Voice:
    """What the model said of one part and was not sent yet: the bytes from `base` on."""

    base: int = 0
    audio: bytearray = field(factory=bytearray)

    def take(self, at: int, size: int) -> bytes:
        """Take out so many bytes from byte `at` on, and let go of everything before their end."""
        start = max(0, at - self.base)
        taken = bytes(self.audio[start : start + size])
        self._forget(start + size)
        return taken.ljust(size, SILENCE)

    def forget_all(self) -> None:
        """Let go of everything: it was cleared, and can't be sent any more."""
        self._forget(len(self.audio))

    def _forget(self, size: int) -> None:
        self.base += min(size, len(self.audio))
        del self.audio[:size]


@define
class Restorer:
    """Told every line of a tape in order, it gives back the bytes that the bridge's own lines refer to."""

    stream_sid: str = ""
    is_over: bool = False
    _frame: int = 0
    _frames: dict[int, bytes] = field(factory=dict)
    _voices: dict[Part, _Voice] = field(factory=dict)

    def learn(self, event: Event | None) -> None:
        """Take in what a peer said; frames are counted as the heart counts them."""
        if self.is_over:
            return
        match event:
            case CallerSpoke() if self.stream_sid and event.stream_sid == self.stream_sid:
                self._frame += 1
                self._frames[self._frame] = event.audio
            case ModelSpoke():
                voice = self._voices.setdefault((event.item_id, event.content_index), _Voice())
                voice.audio += event.audio
            case StreamStarted() if not self.stream_sid:
                self.stream_sid = event.stream_sid

    def cleared(self) -> None:
        """Let go of what the agent would have said: the caller cut in."""
        for voice in self._voices.values():
            voice.forget_all()

    def played(self, line: Line) -> bytes:
        """Return the agent's audio that a line with an `audio` reference sent to the phone."""
        if line.audio is None:
            return b""
        part = (line.audio["item"], line.audio["part"])
        return self._voices.setdefault(part, _Voice()).take(line.audio["at"], line.audio["bytes"])

    def appended(self, line: Line) -> bytes:
        """Return the caller's audio that a line with an `append` reference gave to the model."""
        first, last = line.append or (1, 0)
        audio = b"".join(self._frames.pop(number, LOST_FRAME) for number in range(first, last + 1))
        for number in [number for number in self._frames if number < first]:
            del self._frames[number]  # held too long, and dropped before the model was ready
        return audio
