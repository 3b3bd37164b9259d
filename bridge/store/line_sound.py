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


def sound_of_lines(lines: Iterable[Line], clips: Mapping[str, bytes]) -> Sound:
    """Return what was on the line; empty when the call had no media stream. Raises `TapeError`.

    `clips` are the sounds of the bridge's own that the tape's header has.
    """
    listener = Listener(audio=Restorer(clips))
    for line in lines:
        listener.take(line)
    return listener.sound()


@define
class Listener:
    """Told every line of a tape in order, it lives through the call at the caller's end of the line."""

    _audio: Restorer
    caller: bytearray = field(factory=bytearray)
    agent: bytearray = field(factory=bytearray)
    _pieces: list[Piece] = field(factory=list)
    _frames: FrameClock = field(factory=FrameClock)
    _sid: str = ""
    _is_gone: bool = False

    @property
    def begins_ms(self) -> int:
        """Return when the first stream began."""
        return self._frames.started_ms or 0

    def sound(self) -> Sound:
        """Return what was on the line until now."""
        length = max(len(self.caller), len(self.agent))
        caller, agent = (bytes(side.ljust(length, SILENCE)) for side in (self.caller, self.agent))
        return Sound(caller, agent, self.begins_ms, tuple(self._pieces))

    def take(self, line: Line) -> None:
        """Take in one line."""
        self._audio.decided(line)
        if line.leave is not None or (line.leg == PHONE and line.close is not None):
            self._leave(line.t_ms)
        elif line.is_input:
            event = event_of(line)
            self._audio.learn(event)
            self._hear_of(line, event)
        elif line.audio is not None:
            self._play(line)
        elif line.leg == PHONE and line.message.get("event") == "clear":
            self._cut(line.t_ms)

    def _hear_of(self, line: Line, event: Event | None) -> None:
        match event:
            case CallerSpoke():
                self._say(line, event)
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
            self.agent += SILENCE * (self._clock(line.t_ms) - len(self.agent))
            said = line.audio
            self._note(Piece(said["item"], said["part"], said["at"], len(self.agent), len(audio)))
            self.agent += audio

    def _note(self, piece: Piece) -> None:
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.is_followed_by(piece):
            self._pieces[-1] = evolve(last, size=last.size + piece.size)
        elif piece.size:
            self._pieces.append(piece)

    def _cut(self, t_ms: int) -> None:
        """Drop what was not played yet."""
        if not self._is_gone:
            del self.agent[self._clock(t_ms) :]
            self._mark_unheard()

    def _mark_unheard(self) -> None:
        """Divide what was sent into what was heard and what is off the line again."""
        late: list[Piece] = []
        while self._pieces and self._pieces[-1].is_heard and self._pieces[-1].end > len(self.agent):
            piece = self._pieces.pop()
            heard = max(0, len(self.agent) - piece.begin)
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
        if place is None:
            return
        begin = bytes_of(place)
        if 0 <= begin <= self._clock(line.t_ms + AHEAD_MS):
            self.caller += SILENCE * (begin - len(self.caller))
            self.caller[begin : begin + len(event.audio)] = event.audio
