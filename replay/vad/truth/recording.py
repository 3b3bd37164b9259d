"""One tape as the VAD lab sees it: what the model was given to hear, and what its turn detection made of that. Pure.

The clock is the server's: ms of audio given to the model since its session began. `Recording.wav_ms` tells where the
same moment is in the file that `replay wav` writes.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from attrs import define, evolve, field, frozen

from bridge.errors import BridgeError
from bridge.heart.audio import BYTES_PER_MS, ms_of
from bridge.heart.events import CallerSpoke, SessionCreated, StreamStarted
from bridge.settings.turn_detection import SemanticVad, ServerVad, TurnDetection
from bridge.store.records import records_of
from bridge.tapes.lines import Ms
from bridge.tapes.reader import Tape
from bridge.tapes.restore import FrameClock, Restorer
from bridge.tapes.tape import MODEL, PHONE, SHADOW, Line, decode, event_of
from replay.judge.ears import audible
from replay.vad.engine.machine import Ints, Setting
from replay.vad.truth.truth import Span

Message: TypeAlias = dict[str, Any]
Settings: TypeAlias = Setting | SemanticVad | None
"""What turn detection was asked for: server_vad, semantic_vad, or none at all."""

PREFIX: Final = "input_audio_buffer."
TRANSCRIPTION: Final = "conversation.item.input_audio_transcription."


IMPORTED: Final = "imported"
"""The kind of the note that `replay import` begins a tape with: no server heard that call, whatever stands there."""


class NoAudioError(BridgeError):
    """A tape holds nothing that turn detection could be tried on."""


@frozen
class ServerTurn:
    """One turn as the server heard it, in its own times.

    start_ms has the prefix padding taken off, stop_ms includes the silence; None when the audio ended before.
    words is None when no transcript came, and "" for a transcript of nothing. start_came_ms, stop_came_ms: how much of
    the recording the model had been given when the event came, on the recording's own clock; None where that isn't
    known.
    """

    start_ms: int
    stop_ms: int | None = None
    item_id: str = ""
    words: str | None = None
    start_came_ms: int | None = None
    stop_came_ms: int | None = None


@frozen
class Heard:
    """What one session's turn detection said of the recording, and the setting it had; `leg` says whose session.

    Its times are its own clock's, which begins `starts_at_ms` into the recording: 0 for the session that answered, a
    little later for a shadow. A shadow that was given up heard nothing from `ends_at_ms` on, a moment of the recording.
    """

    setting: Settings
    turns: tuple[ServerTurn, ...]
    leg: str = MODEL
    starts_at_ms: int = 0
    ends_at_ms: int | None = None


@frozen
class Recording:
    """A call's caller, as the model was given them.

    audio: µ-law at 8 kHz. noise_reduction: what filtered it before turn detection; none of that can be undone, so
    recordings that differ in it are never mixed. agent: when the agent was heard. prompts: when the server's idle
    time-out spoke up. places: (audio ms, ms in call.wav) at the start of each frame.
    """

    call_id: str
    path: str
    agent_name: str
    audio: bytes = field(repr=False)
    noise_reduction: str
    heard: tuple[Heard, ...] = ()
    agent: tuple[Span, ...] = ()
    prompts: tuple[int, ...] = ()
    places: tuple[Ints, Ints] = field(
        default=(np.zeros(0, np.int64), np.zeros(0, np.int64)), repr=False, eq=False
    )

    @property
    def length_ms(self) -> int:
        """Return how long the audio lasts."""
        return ms_of(len(self.audio))

    def wav_ms(self, audio_ms: float) -> int:
        """Return where a moment of the audio is in the file that `replay wav` writes."""
        return _translated(audio_ms, *self.places)

    def audio_ms(self, wav_ms: float) -> int:
        """Return the moment of the audio that is there in the file that `replay wav` writes."""
        return _translated(wav_ms, self.places[1], self.places[0])


def _translated(ms: float, known: Ints, wanted: Ints) -> int:
    if not len(known):
        return round(ms)
    frame = max(0, int(np.searchsorted(known, ms, side="right")) - 1)
    moment = int(wanted[frame]) + ms - int(known[frame])
    if frame + 1 < len(wanted):  # where frames were lost, one clock stands still while the other goes on
        moment = min(moment, int(wanted[frame + 1]))
    return round(moment)


def read_recording(tape: Tape) -> Recording:
    """Return what the model was given on this tape, and what it heard. Raises `NoAudioError`."""
    if not tape.header.has_audio:
        raise NoAudioError(f"{tape.path}: recorded without audio ([recording] audio = false)")
    lines = [decode(line) for line in tape.lines]
    reader = _Reader(_asked(tape.header.agent_settings().turn_detection))
    for line in lines:
        reader.take(line)
    if any(line.note is not None and line.note.get("kind") == IMPORTED for line in lines):
        reader.setting = None
    spans = audible(records_of(tape.header, lines).items)
    if not reader.audio:
        raise NoAudioError(f"{tape.path}: the model was given no audio on it")
    recording = Recording(
        call_id=tape.header.call_id,
        path=str(tape.path),
        agent_name=tape.header.agent,
        audio=bytes(reader.audio),
        noise_reduction=reader.noise_reduction or tape.header.agent_settings().noise_reduction,
        heard=(reader.heard(), *reader.overheard()),
        prompts=tuple(reader.prompts),
        places=reader.places(),
    )
    moved = ((span.start_ms - reader.started_ms, span.end_ms - reader.started_ms) for span in spans)
    return evolve(recording, agent=tuple(_within(recording, moved)))


def _within(recording: Recording, spans: Iterable[tuple[int, int]]) -> Iterable[Span]:
    """Yield spans of the call's clock on that of the audio, as far as they lie in it."""
    for begin_ms, over_ms in spans:
        start_ms = max(0, recording.audio_ms(begin_ms))
        end_ms = min(recording.length_ms, recording.audio_ms(over_ms))
        if start_ms < end_ms:
            yield Span(start_ms, end_ms)


def _asked(detection: TurnDetection) -> Settings:
    if isinstance(detection, ServerVad):
        return Setting(detection.threshold, detection.silence_duration_ms, detection.prefix_padding_ms)
    return SemanticVad(eagerness=detection.eagerness)


def setting_of(detection: Message | None) -> Settings:
    """Return the setting that a Realtime session object has as its turn detection."""
    if not detection:
        return None
    if detection.get("type") == "semantic_vad":
        return SemanticVad(eagerness=str(detection.get("eagerness") or "auto"))
    silence, prefix = detection.get("silence_duration_ms", 500), detection.get("prefix_padding_ms", 300)
    return Setting(float(detection.get("threshold", 0.5)), int(silence), int(prefix))


@define
class _Reader:
    """Walks through a tape; a new session of the model's begins everything anew, for its clock does."""

    setting: Settings
    audio: bytearray = field(factory=bytearray)
    noise_reduction: str = ""
    started_ms: int = 0
    prompts: list[int] = field(factory=list)
    _turns: dict[str, ServerTurn] = field(factory=dict)
    _frames: list[tuple[int, int]] = field(factory=list)  # (number, audio ms) of each frame that was given
    _stamps: list[int | None] = field(factory=list)  # the timestamp of each frame, by its number
    _restorer: Restorer = field(factory=Restorer)
    _clock: FrameClock = field(factory=FrameClock)
    _shadow: "_Shadow" = field(factory=lambda: _Shadow())

    def take(self, line: Line) -> None:
        """Take in one line."""
        self._restorer.decided(line)
        if line.append is not None:
            self._give(line)
        elif line.leg == SHADOW:
            self._shadow.take(line, ms_of(len(self.audio)))
        elif line.is_input and line.leg in (PHONE, MODEL):
            self._hear(line)

    def heard(self) -> Heard:
        """Return what the model's turn detection said."""
        return Heard(self.setting, tuple(self._turns.values()))

    def overheard(self) -> Iterable[Heard]:
        """Yield what a shadow's turn detection said, if there was one that was given any audio."""
        shadow, begin = self._shadow, self._shadow.first_frame
        if begin is None or not self._frames:
            return
        # A shadow that began before the session did is placed before its audio: nothing is left out in between.
        first, first_ms = self._frames[0]
        starts_at_ms = dict(self._frames).get(begin, first_ms + 20 * (begin - first))
        turns = tuple(shadow.turns.values())
        yield Heard(shadow.setting, turns, SHADOW, starts_at_ms, shadow.ends_at_ms)

    def places(self) -> tuple[Ints, Ints]:
        """Return where each frame begins, in the audio and in the file of `replay wav`."""
        stamps = [stamp for stamp in self._stamps if stamp is not None]
        base = stamps[0] if stamps else 0
        audio: list[int] = []
        wav: list[int] = []
        for number, audio_ms in self._frames:
            stamp = self._stamps[number - 1] if number <= len(self._stamps) else None
            if stamp is not None and (not wav or stamp - base > wav[-1]):
                audio.append(audio_ms)
                wav.append(stamp - base)
        return np.array(audio, np.int64), np.array(wav, np.int64)

    def _give(self, line: Line) -> None:
        first, last = line.append or (1, 0)
        self._frames += [(first + n, ms_of(len(self.audio)) + 20 * n) for n in range(last - first + 1)]
        self.audio += self._restorer.appended(line)

    def _hear(self, line: Line) -> None:
        event = event_of(line)
        self._restorer.learn(event)
        match event:
            case StreamStarted() if event.stream_sid == self._restorer.stream_sid:
                self.started_ms = self.started_ms or line.t_ms
                self._clock.begin(event.stream_sid, line.t_ms)
            case CallerSpoke() if event.stream_sid == self._restorer.stream_sid:
                self._stamps.append(self._clock.place(line))
            case SessionCreated():
                self._begin_anew()
        if line.leg == MODEL and line.msg:
            with suppress(*SENSELESS):
                self._learn(msgspec.json.decode(line.msg, type=_Head))

    def _begin_anew(self) -> None:
        self.audio.clear()
        self._frames.clear()
        self._turns.clear()
        self.prompts.clear()

    def _learn(self, head: "_Head") -> None:
        if head.type == "session.updated":
            hearing = ((head.session or {}).get("audio") or {}).get("input") or {}
            if "turn_detection" in hearing:
                self.setting = setting_of(hearing["turn_detection"])
            if "noise_reduction" in hearing:
                self.noise_reduction = (hearing["noise_reduction"] or {}).get("type") or "none"
        elif head.type == PREFIX + "speech_started" and head.audio_start_ms is not None:
            self._turns[head.item_id] = ServerTurn(
                head.audio_start_ms, item_id=head.item_id, start_came_ms=ms_of(len(self.audio))
            )
        elif head.type == PREFIX + "timeout_triggered":
            self.prompts.append(len(self.audio) // BYTES_PER_MS)
        elif head.item_id in self._turns:
            self._learn_of_turn(head)

    def _learn_of_turn(self, head: "_Head") -> None:
        turn = self._turns[head.item_id]
        if head.type == PREFIX + "speech_stopped":
            turn = evolve(turn, stop_ms=head.audio_end_ms, stop_came_ms=ms_of(len(self.audio)))
        elif head.type == TRANSCRIPTION + "completed":
            turn = evolve(turn, words=head.transcript)
        self._turns[head.item_id] = turn


@define
class _Shadow:
    """Takes in what stands on a shadow's leg; what makes no sense there is passed over."""

    setting: Settings = None
    turns: dict[str, ServerTurn] = field(factory=dict)
    first_frame: int | None = None
    ends_at_ms: int | None = None

    def take(self, line: Line, audio_ms: int) -> None:
        """Take in one line; `audio_ms` is how much audio there was until then."""
        if line.note is not None:
            self._take_note(line.note, audio_ms)
        elif line.msg:
            with suppress(*SENSELESS):
                self._learn(msgspec.json.decode(line.msg, type=_Head), audio_ms)

    def _take_note(self, note: Message, audio_ms: int) -> None:
        first = note.get("first_frame")
        if self.first_frame is None and isinstance(first, int):
            self.first_frame = first
        if "given_up" in note:
            self.ends_at_ms = audio_ms

    def _learn(self, head: "_Head", audio_ms: int) -> None:
        if head.type in ("session.update", "session.updated"):
            hearing = (head.session or {})["audio"]["input"]
            self.setting = setting_of(hearing["turn_detection"])
        elif head.type == PREFIX + "speech_started" and head.audio_start_ms is not None:
            self.turns[head.item_id] = ServerTurn(
                head.audio_start_ms, item_id=head.item_id, start_came_ms=audio_ms
            )
        elif head.type == PREFIX + "speech_stopped" and head.item_id in self.turns:
            known = self.turns[head.item_id]
            self.turns[head.item_id] = evolve(known, stop_ms=head.audio_end_ms, stop_came_ms=audio_ms)


SENSELESS: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What a message leads to whose fields are none that the lab knows: it is passed over, as the bridge did."""


class _Head(msgspec.Struct):
    """What the lab needs of a message, without decoding the rest."""

    type: str = ""
    item_id: str = ""
    audio_start_ms: Ms | None = None
    audio_end_ms: Ms | None = None
    transcript: str | None = None
    session: Message | None = None
