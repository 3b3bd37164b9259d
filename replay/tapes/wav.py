"""A tape as sound: stereo, the caller on the left, the agent on the right as the caller heard it. Pure but for
writing the file; it makes no sound that was not on the line.
"""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from bridge.heart.audio import SILENCE, bytes_of, to_pcm16
from bridge.heart.events import CallerSpoke, Event, StreamStarted, StreamStopped
from bridge.tapes.reader import Tape
from bridge.tapes.restore import FrameClock, Restorer
from bridge.tapes.tape import PHONE, Line, decode, event_of
from replay.tapes.beside import written_beside

RATE: Final = 8000
BLOCK: Final = RATE
"""Samples decoded at a time: one second, so that an hour of call needs no hour of samples in memory."""

AHEAD_MS: Final = 5000
"""A frame's timestamp can't be further ahead of the line's clock than this; one that is has no place."""


@frozen
class Sound:
    """Both directions of a call as µ-law of the same length; byte 0 is the moment of Twilio's `start`."""

    caller: bytes
    agent: bytes


def sound_of(tape: Tape) -> Sound:
    """Return what was on the line; empty when the call had no media stream. Raises `TapeError`."""
    listener = _Listener(audio=Restorer(tape.header.agent_settings().clips))
    for line in map(decode, tape.lines):
        listener.take(line)
    length = max(len(listener.caller), len(listener.agent))
    return Sound(*(bytes(side.ljust(length, SILENCE)) for side in (listener.caller, listener.agent)))


def write_wav(tape: Tape, path: Path) -> None:
    """Write a call's sound as a stereo WAV of 16 bits at 8 kHz. Raises `TapeError` and `OSError`."""
    sound = sound_of(tape)
    # A file opened by us: `wave` trips over one that it can't open, and says so on standard error.
    with written_beside(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for block in _stereo(sound):
            file.writeframes(block)


def _stereo(sound: Sound) -> Iterator[bytes]:
    for start in range(0, len(sound.caller), BLOCK):
        left = to_pcm16(sound.caller[start : start + BLOCK])
        right = to_pcm16(sound.agent[start : start + BLOCK])
        both = bytearray(len(left) * 2)
        both[0::4], both[1::4] = left[0::2], left[1::2]
        both[2::4], both[3::4] = right[0::2], right[1::2]
        yield bytes(both)


@define
class _Listener:
    """Lives through a tape at the caller's end of the line."""

    _audio: Restorer
    caller: bytearray = field(factory=bytearray)
    agent: bytearray = field(factory=bytearray)
    _frames: FrameClock = field(factory=FrameClock)
    _sid: str = ""
    _is_gone: bool = False

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
            self._audio.cleared()
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
        return bytes_of(t_ms - (self._frames.started_ms or 0))

    def _play(self, line: Line) -> None:
        """Queue audio at Twilio: it plays now, or after all that was sent before it."""
        audio = self._audio.played(line)
        if not self._is_gone:
            self.agent += SILENCE * (self._clock(line.t_ms) - len(self.agent))
            self.agent += audio

    def _cut(self, t_ms: int) -> None:
        """Drop what was not played yet."""
        if not self._is_gone:
            del self.agent[self._clock(t_ms) :]

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
