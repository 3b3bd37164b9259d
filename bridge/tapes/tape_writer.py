"""One call's tape while the call runs: lines that wait for the disk, in bounds. It writes nothing itself."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, field
from msgspec import Raw

from bridge.heart.events import CallerSpoke, Event, ModelSpoke
from bridge.tapes.header import Header
from bridge.tapes.redact import silenced, without_sound
from bridge.tapes.tape import BRIDGE, NOTE, Line, encode, encode_all

MOST_LINES: Final = 20_000
"""Lines of one call that may wait for the disk: about three minutes; beyond it audio lines are shed."""

MOST_LINES_OF_ANY_KIND: Final = 60_000

SPEECH: Final = (CallerSpoke, ModelSpoke)
DISK: Final = "disk"
"""Who says on a tape that sound was left out: not the heart, so a replay says nothing of it again."""


@define(eq=False)
class TapeWriter:
    """One call's tape while the call runs: a bounded buffer that the recorder empties."""

    path: Path
    header: Header
    shed: int = 0
    is_finished: bool = False
    watch: Callable[[Line], None] | None = None
    is_hushed: bool = False
    on_disk: trio.Event = field(factory=trio.Event)
    """Set when its beginning is on the disk, or could not be put there: what waits for it need wait no more."""
    tell_on_disk: Callable[[], None] = field(default=lambda: None)
    _lines: deque[Line | Raw] = field(factory=deque)
    """What a call has fifty of a second waits as it is, and a flush encodes all that waits at once. The rest is encoded
    here: what can't be is a fault of this call's, and not of the flush of all."""
    _remarks: list[str] = field(factory=list)
    _reported: int = 0
    _last_ms: int = 0

    @property
    def waiting(self) -> int:
        """Return how many lines wait for the disk."""
        return len(self._lines)

    def append(self, line: Line, event: Event | None = None) -> None:
        """Put a line on the tape, with what it was understood as if it is somebody's message; never waits."""
        if self.watch is not None:
            self.watch(line)
        self._last_ms = line.t_ms
        waiting = len(self._lines)
        if waiting >= MOST_LINES and (_is_audio(line) or waiting >= MOST_LINES_OF_ANY_KIND):
            self.shed += 1
        elif self.is_hushed or not self.header.has_audio:
            self._lines.append(_kept_quietly(line, event))
        else:
            self._lines.append(line if line.msg or line.append is not None else _kept(line))

    def hush(self, why: str) -> None:
        """Keep silence in place of sound from the next line on, and say so in the call's record."""
        self.is_hushed = True
        self.remark(f"sound is not kept from here on: {why}")

    def unhush(self) -> None:
        """Keep sound again from the next line on."""
        self.is_hushed = False
        self.remark("sound is kept again")

    def remark(self, text: str) -> None:
        """Put a line into the call's log, with the next flush: between two lines that belong together it may not be."""
        self._remarks.append(text)

    def put(self, data: bytes) -> None:
        """Put a ready-made line on the tape: the header."""
        self._lines.append(Raw(data.removesuffix(b"\n")))

    def put_back(self, data: bytes) -> None:
        """Take back lines that could not be written; they come first again, and count against the bound."""
        self._lines.extendleft(map(Raw, reversed(data.splitlines())))

    def take(self) -> bytes:
        """Take everything that waits for the disk."""
        if self.shed > self._reported:
            note: dict[str, Any] = {"kind": "shed", "lines": self.shed}
            self._reported = self.shed
            self._lines.append(Line(t_ms=self._last_ms, leg=NOTE, sender=BRIDGE, note=note))
        for text in self._remarks:
            note = {"kind": "log", "text": text}
            self._lines.append(Line(t_ms=self._last_ms, leg=NOTE, sender=DISK, note=note))
        self._remarks.clear()
        data = encode_all(self._lines)
        self._lines.clear()
        return data

    def has_begun(self) -> None:
        """Let go of whoever waits for its beginning to be on the disk."""
        if not self.on_disk.is_set():
            self.on_disk.set()
            self.tell_on_disk()


_AUDIO_MARKS: Final = (b'"event":"media"', b'"response.output_audio.delta"')


def _is_audio(line: Line) -> bool:
    if line.audio is not None or line.append is not None:
        return True
    start = bytes(line.msg)[:400] if line.msg else b""
    return any(mark in start for mark in _AUDIO_MARKS)


def _kept(line: Line) -> Line | Raw:
    """Return a line as it may wait: as it is, where nothing in it can change any more or be wrong."""
    if line.msg or line.append is not None or line.audio is not None:
        return line
    return Raw(encode(line).removesuffix(b"\n"))


def _kept_quietly(line: Line, event: Event | None) -> Line | Raw:
    """Return a line without its sound; where the parser has found some, nothing is read again."""
    if isinstance(event, SPEECH):
        quiet = without_sound(encode(line), event.audio)
        return silenced(line) if quiet is None else Raw(quiet.removesuffix(b"\n"))
    return _kept(silenced(line) if _is_audio(line) else line)
