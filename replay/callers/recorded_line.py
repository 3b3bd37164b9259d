"""What the caller of a recorded call did, and what they heard of the agent when they did it. Pure.

The call is lived through once more on the stand-in's own telephone line, so that "the agent has been heard for so
long" means here what it means to a scripted caller. Times are ms since Twilio's `start`, on the bridge's clock: of a
call over the internet, the agent was heard a little later than it says.
"""

from collections import deque
from collections.abc import Iterator

from attrs import define, field, frozen

from bridge.errors import BridgeError
from bridge.heart.audio import bytes_of, ms_of
from bridge.heart.events import (
    CallerSpoke,
    KeyPressed,
    SessionCreated,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    StreamStopped,
    TranscriptCame,
)
from bridge.tapes.reader import Tape
from bridge.tapes.restore import spoken_at_ms
from bridge.tapes.tape import MODEL, PHONE, TWILIO, Line, decode, event_of
from replay.phone.line import FRAME_MS
from replay.phone.line import Line as Telephone
from replay.sound.recordings import turns_of
from replay.tapes.wav import sound_of


class NoCallerError(BridgeError):
    """A tape holds nobody who could call again."""


@frozen
class Deed:
    """Something the caller did from begin_ms to end_ms: spoke, pressed a key, or hung up, if it is neither."""

    begin_ms: int
    end_ms: int
    audio: bytes = field(default=b"", repr=False)
    words: str = ""
    key: str = ""


@frozen
class Moment:
    """What the line was like when the caller began to do something.

    was_heard: the agent was, since the caller's last deed. unheard_ms: it still had so much to say.
    pause_ms: its longest silence since that deed, between two things it said.
    """

    was_heard: bool
    unheard_ms: int
    spoken_ms: int
    quiet_ms: int
    pause_ms: int


@frozen
class RecordedCall:
    """One call from the caller's end of the line; the last deed is the hang-up, if it was the caller's."""

    audio: bytes = field(repr=False)
    deeds: tuple[Deed, ...]
    moments: tuple[Moment, ...]
    ring_ms: int
    hung_up: bool


def recorded_call(tape: Tape) -> RecordedCall:
    """Return what the caller did on this tape. Raises `NoCallerError` and `TapeError`."""
    reader = _Reader()
    for line in map(decode, tape.lines):
        reader.take(line)
    reader.finish()
    if not tape.header.has_audio:
        raise NoCallerError(f"{tape.path}: recorded without audio, so nobody knows what the caller said")
    if reader.started_ms is None or reader.over_ms is None:
        raise NoCallerError(f"{tape.path}: no media stream, so nobody spoke")
    over_ms = reader.over_ms // FRAME_MS * FRAME_MS
    audio = sound_of(tape).caller[: bytes_of(over_ms)]
    spoken = [_trimmed(audio, begin, end, words) for begin, end, words in reader.utterances(over_ms)]
    if not reader.spoke:
        spoken = list(_by_level(audio))
    ending = [Deed(over_ms, over_ms)] if reader.hung_up else []
    deeds = (*sorted([*spoken, *reader.keys], key=lambda deed: deed.begin_ms), *ending)
    moments = tuple(_moments(deeds, reader.heard))
    return RecordedCall(audio, deeds, moments, reader.started_ms, reader.hung_up)


# ---------------------------------------------------------------- the caller's utterances


def _by_level(audio: bytes) -> Iterator[Deed]:
    """Find utterances by how loud they are: for tapes on which no turn detection spoke."""
    for turn in turns_of(audio):
        begin, end = turn.first * FRAME_MS, turn.end * FRAME_MS
        yield Deed(begin, end, audio[bytes_of(begin) : bytes_of(end)])


def _trimmed(audio: bytes, begin_ms: int, end_ms: int, words: str) -> Deed:
    """Cut off the silence that turn detection counts to an utterance, before it and after."""
    turns = turns_of(audio[bytes_of(begin_ms) : bytes_of(end_ms)])
    if turns:
        begin_ms, end_ms = begin_ms + turns[0].first * FRAME_MS, begin_ms + turns[-1].end * FRAME_MS
    end_ms = min(end_ms, ms_of(len(audio)))
    return Deed(begin_ms, end_ms, audio[bytes_of(begin_ms) : bytes_of(end_ms)], words)


@define
class _Reader:
    """Walks through a tape and keeps what concerns the caller."""

    last_ms: int = 0
    started_ms: int | None = None
    over_ms: int | None = None
    hung_up: bool = False
    keys: list[Deed] = field(factory=list)
    heard: list[tuple[int, bytes | None]] = field(factory=list)  # audio of that length, or None for a clear
    spoke: dict[str, list[int]] = field(factory=dict)  # item: when it began, and ended if it did
    words: dict[str, str] = field(factory=dict)
    _sid: str = ""
    _base: int | None = None
    _places: list[int] = field(factory=list)  # of the caller's frames, by their numbers
    _given: list[int] = field(factory=list)  # the numbers of the frames the model was given

    def take(self, line: Line) -> None:
        """Take in one line."""
        self.last_ms = line.t_ms
        if line.end is not None or (line.leg == PHONE and line.close is not None):
            self._leave(line)
        elif self.over_ms is None and line.leg == PHONE:
            self._take_phone(line)
        elif self.over_ms is None and line.leg == MODEL:
            self._take_model(line)

    def finish(self) -> None:
        """End a call whose tape has no ending: it was torn off there."""
        if self.over_ms is None and self.started_ms is not None:
            self.over_ms = self.last_ms - self.started_ms

    def utterances(self, over_ms: int) -> Iterator[tuple[int, int, str]]:
        """Yield where each utterance began and ended, and its words."""
        for item_id, (begin_ms, *ends_ms) in self.spoke.items():
            end_ms = min([over_ms, *ends_ms])
            if begin_ms < end_ms:
                yield begin_ms, end_ms, self.words.get(item_id, "")

    def _place(self, model_ms: int) -> int:
        """Return when the caller said what is so far into the audio that the model was given."""
        index = model_ms // FRAME_MS
        if index < len(self._given):
            return self._places[self._given[index] - 1]
        last = self._places[self._given[-1] - 1] if self._given else 0
        return last + (index - len(self._given) + 1) * FRAME_MS

    def _take_phone(self, line: Line) -> None:
        now_ms = line.t_ms - (self.started_ms or 0)
        if line.audio is not None:
            self.heard.append((now_ms, b"\xd5" * int(line.audio.get("bytes", 0))))
        elif not line.is_input:
            if line.message.get("event") == "clear":
                self.heard.append((now_ms, None))
        else:
            self._take_from_phone(line, now_ms)

    def _take_from_phone(self, line: Line, now_ms: int) -> None:
        match event_of(line):
            case StreamStarted() as event if not self._sid:
                self._sid, self.started_ms = event.stream_sid, line.t_ms
            case CallerSpoke() as event if event.stream_sid == self._sid:
                self._places.append(self._place_of_frame(line))
            case KeyPressed() as event if event.stream_sid == self._sid:
                self.keys.append(Deed(now_ms, now_ms, key=event.digit))
            case StreamStopped() as event if event.stream_sid == self._sid:
                self._leave(line)

    def _place_of_frame(self, line: Line) -> int:
        """Return when a frame was spoken, by its own timestamp, as `replay wav` places it."""
        after = self._places[-1] + FRAME_MS if self._places else 0
        timestamp = spoken_at_ms(line)
        if timestamp is None:
            return after
        if self._base is None:
            self._base = timestamp
        return max(0, timestamp - self._base)

    def _take_model(self, line: Line) -> None:
        if line.append is not None:
            first, last = line.append
            self._given += range(first, min(last, len(self._places)) + 1)
        elif line.is_input and line.msg:
            self._take_from_model(line)

    def _take_from_model(self, line: Line) -> None:
        match event_of(line):
            case SessionCreated():  # each session counts its own audio
                self._given.clear()
            case SpeechStarted() as event:
                self.spoke[event.item_id] = [self._place(event.audio_start_ms)]
            case SpeechStopped() as event if event.item_id in self.spoke:
                self.spoke[event.item_id][1:] = [self._place(event.audio_end_ms)]
            case TranscriptCame() as event:
                self.words[event.item_id] = str(line.message.get("transcript") or "")

    def _leave(self, line: Line) -> None:
        """The stream is over, or the call: whatever comes first says who ended it."""
        if self.over_ms is None and self.started_ms is not None:
            self.over_ms = line.t_ms - self.started_ms
            self.hung_up = line.sender == TWILIO or (line.end is not None and line.end["by"] == "caller")


# ---------------------------------------------------------------- what the line was like


def _moments(deeds: tuple[Deed, ...], heard: list[tuple[int, bytes | None]]) -> Iterator[Moment]:
    """Live through the call tick by tick, as a scripted caller does, and yield what each deed began in."""
    ear, upcoming = _Ear(deque(heard)), deque(deeds)
    now_ms = 0
    while upcoming:
        ear.hear_until(now_ms)
        while upcoming and upcoming[0].begin_ms <= now_ms:
            yield ear.moment(now_ms)
            ear.done_ms, ear.pause_ms = max(ear.done_ms, upcoming.popleft().end_ms), 0
        ear.tick(now_ms)
        now_ms += FRAME_MS


@define
class _Ear:
    """The caller's telephone, and how long the agent paused since the caller's last deed."""

    _heard: deque[tuple[int, bytes | None]]
    done_ms: int = 0
    pause_ms: int = 0
    _line: Telephone = field(factory=Telephone)

    def hear_until(self, now_ms: int) -> None:
        """Take in what the bridge had sent by now."""
        while self._heard and self._heard[0][0] <= now_ms:
            at_ms, audio = self._heard.popleft()
            if audio is None:
                self._line.clear(at_ms)
            else:
                self._line.media(audio, at_ms)

    def tick(self, now_ms: int) -> None:
        """Play the next frame."""
        was_quiet_ms, was_heard = self._line.quiet_ms(now_ms), self._line.was_heard_since(self.done_ms)
        if now_ms < self.done_ms:
            self._line.caller_spoke()
        self._line.tick(now_ms)
        if was_heard and self._line.quiet_ms(now_ms + FRAME_MS) == 0:
            self.pause_ms = max(self.pause_ms, was_quiet_ms)

    def moment(self, now_ms: int) -> Moment:
        """Return what the line is like now."""
        line = self._line
        return Moment(
            was_heard=line.was_heard_since(self.done_ms),
            unheard_ms=line.buffered_ms,
            spoken_ms=line.utterance_ms(now_ms),
            quiet_ms=line.quiet_ms(now_ms),
            pause_ms=self.pause_ms,
        )
