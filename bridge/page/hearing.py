"""What was on a call's line, for whoever listens to a part of it: read off the tape from the bookmark before that part.

Nothing is prepared, and nothing is kept but where somebody listens just now: who goes on there waits for no line twice.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

from bridge.errors import TapeError
from bridge.heart.audio import bytes_of, ms_of
from bridge.page.sound_file import part_of_file, size_of
from bridge.page.tape_lines import TapeLines
from bridge.store.line_sound import AHEAD_MS, Bookmark, Listener
from bridge.tapes.header import Header
from bridge.tapes.line_reading import check_lines
from bridge.tapes.odd_tapes import about
from bridge.tapes.reader import Reading
from bridge.tapes.tape import Line, decode
from bridge.text.visible import all_visible

LATE_MS: Final = 30_000
"""A frame may come so long after it was spoken: a process that stood still for longer has lost its calls."""

BACK_BYTES: Final = bytes_of(60_000)
"""Of what was listened to is kept, for whoever goes back a little."""

MOST_OPEN: Final = 4
"""Places at which somebody listens; each has a tape open."""

MOST_KNOWN: Final = 16
AROUND_MS: Final = 45_000
"""Of the tape's lines around a moment are told."""


@frozen
class Recording:
    """A tape that can be listened to, as it is now."""

    tape: Path
    stamp_ns: int
    length_ms: int
    bookmarks: tuple[Bookmark, ...]
    has_sound: bool

    @property
    def samples(self) -> int:
        """Return how many each side has."""
        return bytes_of(self.length_ms)

    @property
    def is_there(self) -> bool:
        """Say whether the tape is still there, and the same."""
        return written_ns(self.tape) == self.stamp_ns

    def before(self, t_ms: int) -> Bookmark | None:
        """Return the last bookmark from which all is heard that was on the line from a moment of the call on."""
        return next((one for one in reversed(self.bookmarks) if one.t_ms + AHEAD_MS <= t_ms), None)


Find: TypeAlias = Callable[[str], Recording | None]


def written_ns(path: Path) -> int | None:
    """Return when a file was written last; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


# ---------------------------------------------------------------- reading from somewhere

Lines: TypeAlias = Iterator[tuple[bytes, Line]]


@frozen
class Opened:
    """A tape of which the lines from a bookmark on are read, or all."""

    header: Header
    bookmark: Bookmark | None
    lines: Lines

    @classmethod
    def at(cls, tape: Path, bookmark: Bookmark | None) -> "Opened":
        """Begin to read a tape; from its beginning if another line stands at the bookmark. Raises `TapeError`."""
        if bookmark is not None:
            reading = Reading.of(tape, bookmark.at_byte)
            lines = _lines_of(reading, 2 + bookmark.line)
            with suppress(TapeError):  # blank lines, which somebody has put there, are not counted
                first = next(lines, None)
                if first is not None and first[1].t_ms == bookmark.t_ms:
                    return cls(reading.header, bookmark, chain([first], lines))
        reading = Reading.of(tape)
        return cls(reading.header, None, _lines_of(reading, 2))


def _lines_of(reading: Reading, number: int) -> Lines:
    for block in reading.blocks():
        check_lines(block, first=number)
        number += len(block)
        for raw in block:
            yield raw, decode(raw)


@define(eq=False)
class Hearing:
    """A place on a tape at which somebody listens."""

    recording: Recording
    begin_ms: int
    """What was on the line before it is not known."""
    _listener: Listener
    _lines: Lines
    _read_ms: int = 0
    _is_over: bool = False

    @classmethod
    def at(cls, recording: Recording, t_ms: int) -> "Hearing":
        """Begin to listen from a moment of the call on. Raises `TapeError`."""
        opened = Opened.at(recording.tape, recording.before(t_ms))
        listener = Listener.begun(opened.header.agent_settings().clips, opened.bookmark)
        begin_ms = 0 if opened.bookmark is None else opened.bookmark.t_ms + AHEAD_MS
        return cls(recording, begin_ms, listener, opened.lines)

    def is_near(self, recording: Recording, t_ms: int) -> bool:
        """Say whether that is had sooner by reading on here than from the bookmark before it."""
        known, bookmark = recording == self.recording and self.begin_ms <= t_ms, recording.before(t_ms)
        return known and (bookmark is None or bookmark.t_ms <= self._read_ms)

    def both(self, begin: int, end: int) -> bytes:
        """Return both sides from one sample of the call to another, interleaved. Raises `TapeError`."""
        self._read_until(ms_of(end) + LATE_MS)
        zero = bytes_of(self._listener.begins_ms)
        sides = bytearray(2 * (end - begin))
        for channel, track in enumerate((self._listener.caller, self._listener.agent)):
            sides[channel::2] = track.between(begin - zero, end - zero)
            track.forget(begin - zero - BACK_BYTES)
        self.begin_ms = max(self.begin_ms, ms_of(begin - BACK_BYTES))
        return bytes(sides)

    def _read_until(self, t_ms: int) -> None:
        while self._read_ms <= t_ms and not self._is_over:
            _, line = next(self._lines, (b"", None))
            if line is None:
                self._is_over = True
            else:
                self._read_ms = line.t_ms
                self._listener.take(line)


# ---------------------------------------------------------------- whoever asks


@define(eq=False)
class Player:
    """Gives parts of calls' sound, and of their tapes' lines, from wherever they are wanted."""

    _known: dict[str, Recording] = field(factory=dict)
    _open: deque[Hearing] = field(factory=lambda: deque[Hearing](maxlen=MOST_OPEN))

    def sound(self, call_id: str, first: int, most: int, find: Find) -> tuple[bytes, int] | None:
        """Return bytes of the file of a call's sound, from `first` on, and how many it has; None where there is none.

        `find` looks for the recording of a call that is not known. Raises `TapeError`.
        """
        recording = self._recording(call_id, find)
        if recording is None or not recording.has_sound:
            return None

        def both(begin: int, end: int) -> bytes:
            return self._hearing(recording, ms_of(begin)).both(begin, end)

        with about(recording.tape):
            return part_of_file(recording.samples, first, most, both), size_of(recording.samples)

    def lines(self, call_id: str, t_ms: int, find: Find) -> dict[str, Any] | None:
        """Return the lines of a call's tape around a moment, and from when to when; None where there is no tape."""
        recording = self._recording(call_id, find)
        if recording is None:
            return None
        with about(recording.tape):
            return _lines_around(recording, t_ms)

    def rest(self) -> None:
        """Let go of what is kept for whoever goes on to listen: nobody does."""
        self._open.clear()

    def _recording(self, call_id: str, find: Find) -> Recording | None:
        known = self._known.pop(call_id, None)
        if known is None or not known.is_there:
            self.rest()  # of one that was erased nothing is kept
            known = find(call_id)
        if known is not None:
            self._known[call_id] = known
            for oldest in list(self._known)[:-MOST_KNOWN]:
                del self._known[oldest]
        return known

    def _hearing(self, recording: Recording, t_ms: int) -> Hearing:
        near = next((one for one in self._open if one.is_near(recording, t_ms)), None)
        if near is None:
            near = Hearing.at(recording, t_ms)
        else:
            self._open.remove(near)
        self._open.append(near)
        return near


def _lines_around(recording: Recording, t_ms: int) -> dict[str, Any]:
    begin_ms, end_ms = max(0, t_ms - AROUND_MS), t_ms + AROUND_MS
    opened = Opened.at(recording.tape, recording.before(begin_ms))
    told = TapeLines(number=1 if opened.bookmark is None else 1 + opened.bookmark.line)
    for raw, line in opened.lines:
        if line.t_ms > end_ms:
            break
        if line.t_ms < begin_ms:
            told.skip()
        else:
            told.take(line, raw)
    return {"from_ms": begin_ms, "to_ms": end_ms, "rows": all_visible(told.finish()["rows"])}
