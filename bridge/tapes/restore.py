"""The audio that a tape only refers to, given back byte for byte: what was sent for the agent, which of the
caller's frames the model was given. Pure. What a tape has lost is silence of the right length.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from bridge.heart.audio import FRAME_BYTES, SILENCE, bytes_of
from bridge.heart.events import CallerSpoke, Event, ModelSpoke, StreamStarted
from bridge.heart.parts.filler import PLAYED
from bridge.heart.playout import Part
from bridge.heart.speaking.kept_sound import KEPT_MS
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
class FrameClock:
    """Where each of the caller's frames belongs on one line of time, in ms from the first stream's start.

    A frame has its own timestamp: they arrive late or in bursts, but were spoken on time. Each stream counts anew.
    """

    started_ms: int | None = None
    sid: str = ""
    begins_ms: int = 0
    base: int | None = None

    def begin(self, sid: str, t_ms: int) -> None:
        """A stream has started; what starts twice has started before."""
        if sid == self.sid:
            return
        self.sid = sid
        self.started_ms = t_ms if self.started_ms is None else self.started_ms
        self.begins_ms, self.base = t_ms - self.started_ms, None

    def place(self, line: Line) -> int | None:
        """Return where the frame on this line belongs; None when its timestamp says nothing."""
        stamp = spoken_at_ms(line)
        if stamp is None:
            return None
        self.base = stamp if self.base is None else self.base
        return self.begins_ms + stamp - self.base


@define
class _Voice:
    """What the model said of one part and was not sent yet, or may be sent again: the bytes from `base` on."""

    base: int = 0
    audio: bytearray = field(factory=bytearray)

    def take(self, at: int, size: int) -> bytes:
        """Return so many bytes from byte `at` on, and let go of what lies too far before their end to be sent again."""
        start = max(0, at - self.base)
        taken = bytes(self.audio[start : start + size])
        self._forget(start + size - bytes_of(KEPT_MS))
        return taken.ljust(size, SILENCE)

    def _forget(self, size: int) -> None:
        if size > 0:
            self.base += min(size, len(self.audio))
            del self.audio[:size]


@define
class Restorer:
    """Told every line of a tape in order, it gives back the bytes that the bridge's own lines refer to; `clips` are the
    sounds that its header has, by their files."""

    clips: Mapping[str, bytes] = field(factory=dict)
    stream_sid: str = ""
    is_over: bool = False
    _is_away: bool = False
    _frame: int = 0
    _frames: dict[int, bytes] = field(factory=dict)
    _voices: dict[Part, _Voice] = field(factory=dict)
    _settled: set[Part] = field(factory=set)

    @property
    def is_quiet(self) -> bool:
        """Say whether nothing that was learned may still be sent: what comes of a part that is settled never is."""
        return self._voices.keys() <= self._settled

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
            case StreamStarted() if not self.stream_sid and not self._is_away:
                self.stream_sid = event.stream_sid

    def decided(self, line: Line) -> None:
        """Take in what the bridge did with the stream, on which nobody is heard when it was left or at the end; and of
        which part of the agent's voice nothing will be sent any more, though some of it may have been cleared."""
        self.is_over |= line.end is not None
        if line.leave is not None:
            self.stream_sid, self._is_away = "", True
        elif line.back is not None:
            self.stream_sid, self._is_away = "", False  # the one before was left, or has broken off
        elif line.note is not None:
            self._noted(line.note)

    def _noted(self, note: Mapping[str, Any]) -> None:
        if note.get("kind") == "item":
            part = (str(note.get("item_id")), int(note.get("content_index", 0)))
            self._voices.pop(part, None)
            self._settled.add(part)
        elif note.get("name") == PLAYED:
            sound, part = self.clips.get(str(note.get("file")), b""), (str(note.get("item_id")), 0)
            self._voices[part] = _Voice(audio=bytearray(sound))
            self._settled.discard(part)

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
