"""What was on the line, from a tape: the caller's voice, and the agent's as the caller heard it. Pure.

It makes no sound that was not on the line, and knows of each piece of the agent's whether it was heard.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, evolve, field, frozen

from bridge.heart.audio import SILENCE, bytes_of
from bridge.heart.events import CallerSpoke, Event, StreamStarted, StreamStopped
from bridge.tapes.restore import FrameClock, Restorer
from bridge.tapes.tape import PHONE, Line, event_of

AHEAD_MS: Final = 5000
"""A frame's timestamp can't be further ahead of the line's clock than this; one that is has no place."""


@frozen
class Piece:
    """A stretch of one of the agent's parts on the line: its bytes from `at` on, where they begin there, how many."""

    item_id: str
    part: int
    at: int
    begin: int
    size: int
    is_heard: bool = True

    @property
    def end(self) -> int:
        """Return the byte of the line behind it."""
        return self.begin + self.size

    def is_followed_by(self, other: "Piece") -> bool:
        """Say whether the other one goes on where this one ends, on the line and in what was said."""
        mine = (self.item_id, self.part, self.at + self.size, self.end, self.is_heard)
        return mine == (other.item_id, other.part, other.at, other.begin, other.is_heard)


@frozen
class Sound:
    """Both directions of a call as µ-law of the same length; byte 0 is the moment of Twilio's first `start`."""

    caller: bytes
    agent: bytes
    begins_ms: int = 0
    """When that was on the call's clock."""
    pieces: tuple[Piece, ...] = ()


@frozen
class Bookmark:
    """A moment at which nothing waits to be heard: who begins to read a tape there hears what is heard by whoever has
    read all of it, but for frames that came early (`AHEAD_MS`)."""

    at_byte: int
    line: int
    """Which line comes next, and where it begins, counted from behind the header."""
    t_ms: int
    stream_sid: str
    started_ms: int
    begins_ms: int
    base: int | None
    """As the clock of the frames has them."""


@define
class Track:
    """One side of the line, byte by byte from the first stream's start; what lies before `begin` is not known."""

    begin: int = 0
    _audio: bytearray = field(factory=bytearray)

    @property
    def end(self) -> int:
        """Return the byte behind what is known."""
        return self.begin + len(self._audio)

    def pad(self, until: int) -> None:
        """Let there be silence until there."""
        self._audio += SILENCE * (until - self.end)

    def add(self, audio: bytes) -> None:
        """Put something behind what is known."""
        self._audio += audio

    def put(self, begin: int, audio: bytes) -> None:
        """Put something where it belongs."""
        self.pad(begin)
        audio = audio[max(0, self.begin - begin) :]
        at = max(0, begin - self.begin)
        self._audio[at : at + len(audio)] = audio

    def cut(self, begin: int) -> None:
        """Let go of what lies from there on."""
        del self._audio[max(0, begin - self.begin) :]

    def forget(self, end: int) -> None:
        """Let go of what lies before there."""
        size = min(max(0, end - self.begin), len(self._audio))
        del self._audio[:size]
        self.begin += size

    def between(self, begin: int, end: int) -> bytes:
        """Return a part of it; silence where nothing is known."""
        known = bytes(self._audio[max(0, begin - self.begin) : max(0, end - self.begin)])
        before = min(max(0, self.begin - begin), end - begin)
        return (SILENCE * before + known).ljust(end - begin, SILENCE)


def sound_of_lines(lines: Iterable[Line], clips: Mapping[str, bytes]) -> Sound:
    """Return what was on the line; empty when the call had no media stream. Raises `TapeError`.

    `clips` are the sounds of the bridge's own that the tape's header has.
    """
    listener = Listener.begun(clips)
    for line in lines:
        listener.take(line)
    return listener.sound()


@define
class Listener:
    """Told every line of a tape in order, it lives through the call at the caller's end of the line."""

    _audio: Restorer
    caller: Track = field(factory=Track)
    agent: Track = field(factory=Track)
    _pieces: list[Piece] = field(factory=list)
    _frames: FrameClock = field(factory=FrameClock)
    _sid: str = ""
    _is_gone: bool = False

    @classmethod
    def begun(cls, clips: Mapping[str, bytes], at: Bookmark | None = None) -> "Listener":
        """Return one that is told the lines from a bookmark on, or from the first one on."""
        if at is None:
            return cls(Restorer(clips))
        frames = FrameClock(at.started_ms, at.stream_sid, at.begins_ms, at.base)
        begin = bytes_of(at.t_ms - at.started_ms)
        audio = Restorer(clips, at.stream_sid)
        return cls(audio, Track(begin), Track(begin), frames=frames, sid=at.stream_sid)

    @property
    def begins_ms(self) -> int:
        """Return when the first stream began."""
        return self._frames.started_ms or 0

    def bookmark(self, t_ms: int, at_byte: int, line: int) -> Bookmark | None:
        """Return the bookmark that lies before a line, which comes next; None where something waits to be heard."""
        frames, sid = self._frames, self._audio.stream_sid
        is_here = sid == self._sid == frames.sid and frames.started_ms is not None and not self._is_gone
        if not is_here or self.agent.end > self._clock(t_ms) or not self._audio.is_quiet:
            return None
        return Bookmark(at_byte, line, t_ms, sid, self.begins_ms, frames.begins_ms, frames.base)

    def sound(self) -> Sound:
        """Return what was on the line until now."""
        length = max(self.caller.end, self.agent.end)
        caller, agent = (side.between(0, length) for side in (self.caller, self.agent))
        return Sound(caller, agent, self.begins_ms, tuple(self._pieces))

    def take(self, line: Line) -> None:
        """Take in one line."""
        self._audio.decided(line)
        if line.leave is not None or (line.leg == PHONE and line.close is not None):
            self._leave(line.t_ms)
        elif line.is_input:
            self._hear_of(line, event_of(line))
        elif line.audio is not None:
            self._play(line)
        elif line.leg == PHONE and line.message.get("event") == "clear":
            self._cut(line.t_ms)

    def _hear_of(self, line: Line, event: Event | None) -> None:
        if isinstance(event, CallerSpoke):  # no line will ask for it again
            return self._say(line, event)
        self._audio.learn(event)
        match event:
            case StreamStarted(sid) if sid == self._audio.stream_sid != self._sid:
                self._sid, self._is_gone = sid, False
                self._frames.begin(sid, line.t_ms)
            case StreamStopped():
                self._leave(line.t_ms)

    def _clock(self, t_ms: int) -> int:
        """Return the byte that the line's clock has reached."""
        return bytes_of(t_ms - self.begins_ms)

    def _play(self, line: Line) -> None:
        """Queue audio at Twilio: it plays now, or after all that was sent before it."""
        audio = self._audio.played(line)
        if not self._is_gone and line.audio is not None:
            self.agent.pad(self._clock(line.t_ms))
            said = line.audio
            self._note(Piece(said["item"], said["part"], said["at"], self.agent.end, len(audio)))
            self.agent.add(audio)

    def _note(self, piece: Piece) -> None:
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.is_followed_by(piece):
            self._pieces[-1] = evolve(last, size=last.size + piece.size)
        elif piece.size:
            self._pieces.append(piece)

    def _cut(self, t_ms: int) -> None:
        """Drop what was not played yet."""
        if not self._is_gone:
            self.agent.cut(self._clock(t_ms))
            self._mark_unheard()

    def _mark_unheard(self) -> None:
        """Divide what was sent into what was heard and what is off the line again."""
        late: list[Piece] = []
        while self._pieces and self._pieces[-1].is_heard and self._pieces[-1].end > self.agent.end:
            piece = self._pieces.pop()
            heard = max(0, self.agent.end - piece.begin)
            rest = evolve(piece, at=piece.at + heard, begin=piece.begin + heard, size=piece.size - heard)
            late.append(evolve(rest, is_heard=False))
            if heard:
                self._pieces.append(evolve(piece, size=heard))
                break
        self._pieces += reversed(late)

    def _leave(self, t_ms: int) -> None:
        """The stream is over, whoever ended it: what was not played never will be."""
        self._cut(t_ms)
        self._is_gone = True

    def _say(self, line: Line, event: CallerSpoke) -> None:
        """Place a frame where it was spoken."""
        if event.stream_sid != self._audio.stream_sid or self._frames.started_ms is None:
            return
        place = self._frames.place(line)
        if place is not None and 0 <= bytes_of(place) <= self._clock(line.t_ms + AHEAD_MS):
            self.caller.put(bytes_of(place), event.audio)
