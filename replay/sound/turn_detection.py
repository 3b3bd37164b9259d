"""The stand-in's turn detection on 8 kHz µ-law: a detector's probabilities, and starts and stops made of them.

The usual detector is a cheap level meter that behaves like server_vad on clean lines. It is no model of speech:
music and loud noise are speech to it. The other is Silero, from the VAD lab.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import attrs

from bridge.errors import BridgeError
from bridge.extras import install_hint
from bridge.heart.audio import BYTES_PER_MS
from bridge.sound.g711 import LINEAR
from replay.sound.hearing import Hearing, Policy

WINDOW_MS = 32  # the published event times of the service are multiples of it
WINDOW = WINDOW_MS * BYTES_PER_MS

# Probability 0 at -55 dBFS and 1 at -25 dBFS mean level, straight in between: 3 dB per 0.1. So threshold 0.5
# is -40 dBFS and 0.6 is -37 dBFS. Speech at -20 dBFS (RMS) has its voiced windows around -30 to -18.
QUIET_DBFS = -55.0
LOUD_DBFS = -25.0

_STEP = 32  # one unit of the level table in linear samples: -60 dBFS
_FULL_SCALE = max(LINEAR)

# Levels fit into a byte, so that translate() and sum() do the work. Peaks over -12 dBFS are cut off, which a
# mean level can bear.
_LEVELS = bytes(min(255, abs(sample) // _STEP) for sample in LINEAR)
_DB_AT_ONE = 20 * math.log10(_STEP / _FULL_SCALE / WINDOW)


def speech_probability(window: bytes) -> float:
    """How much a window of 256 µ-law samples sounds like somebody speaking, 0 to 1."""
    total = sum(window.translate(_LEVELS))
    if not total:
        return 0.0
    level = _DB_AT_ONE + 20 * math.log10(total)
    return min(1.0, max(0.0, (level - QUIET_DBFS) / (LOUD_DBFS - QUIET_DBFS)))


class MissingExtraError(BridgeError):
    """A detector needs packages that are not installed; the message says how to get them."""


class Detector(Protocol):
    """Says how much each window sounds like somebody speaking, from 0 to 1."""

    def hear(self, ulaw: bytes, /) -> Iterable[float]:
        """Take more audio of any length; the probabilities of the windows that became known, in order."""


@attrs.define
class LevelMeter:
    """The detector that takes for speech what is loud."""

    _rest: bytes = attrs.field(default=b"", init=False)

    def hear(self, ulaw: bytes, /) -> list[float]:
        """Take more audio of any length; the probabilities of the windows that it completes."""
        data = self._rest + ulaw
        whole = len(data) - len(data) % WINDOW
        self._rest = data[whole:]
        return [speech_probability(data[at : at + WINDOW]) for at in range(0, whole, WINDOW)]


def silero(policy: Policy) -> Detector:
    """The network of the VAD lab; it is imported here, because numpy and soxr are an extra. Raises ImportError."""
    from replay.sound.silero import Listener

    return Listener(policy)


def open_detector(hearing: Hearing, listener: Callable[[Policy], Detector] = silero) -> Detector:
    """The detector that is asked for, from the start of its audio. Raises `MissingExtraError`."""
    if hearing.engine == "level":
        return LevelMeter()
    try:
        return listener(hearing.policy)
    except ImportError as missing:
        raise MissingExtraError(
            f'hearing with engine = "silero" needs numpy and soxr; {install_hint("vad")}: {missing}'
        ) from missing


@attrs.frozen
class SpeechStarted:
    """The caller began to speak; start_ms already has the prefix taken off."""

    start_ms: int


@attrs.frozen
class SpeechStopped:
    """The caller has been quiet for long enough; end_ms includes that silence."""

    end_ms: int


Heard = SpeechStarted | SpeechStopped


@attrs.define
class Ears:
    """Turns the caller's audio into starts and stops; its clock is the milliseconds of audio it has judged."""

    threshold: float = 0.5
    """The session's; how high that is for the detector is the hearing's business."""
    silence_ms: int = 500
    prefix_ms: int = 300
    clock_ms: int = 0
    """Milliseconds of audio heard so far, in windows whose probability is known."""
    hearing: Hearing = attrs.field(factory=Hearing)
    _detector: Detector = attrs.field()
    is_speaking: bool = attrs.field(default=False, init=False)
    """True between a start and its stop, as they were told: with a lag, that is later than they were noticed."""
    _is_loud: bool = attrs.field(default=False, init=False)
    _loud_since_ms: int = attrs.field(default=0, init=False)
    _loud_windows: int = attrs.field(default=0, init=False)
    _quiet_since_ms: int | None = attrs.field(default=None, init=False)
    _noticed: deque[tuple[int, Heard]] = attrs.field(factory=deque, init=False)
    """What is still to be told, and when: no more than can be noticed in the lag."""

    @_detector.default
    def _usual_detector(self) -> Detector:
        return open_detector(self.hearing)

    def hear(self, audio: bytes) -> list[Heard]:
        """Take more µ-law audio of any length; says what was noticed in it, in order."""
        # As they come: numpy compares its own float32 with a threshold otherwise than Python its float.
        return [told for probability in self._detector.hear(audio) for told in self._listen(probability)]

    def forget(self) -> None:
        """Drop an utterance that is under way, with what was not told of it yet; the clock goes on."""
        self.is_speaking = self._is_loud = False
        self._noticed.clear()
        self._count_anew()

    def _count_anew(self) -> None:
        self._loud_windows = 0
        self._quiet_since_ms = None

    def _listen(self, probability: float) -> Iterator[Heard]:
        self.clock_ms += WINDOW_MS
        noticed = self._await_end(probability) if self._is_loud else self._await_start(probability)
        if noticed is not None:
            self._is_loud = not self._is_loud
            self._count_anew()
            self._noticed.append((self.clock_ms + self.hearing.lag_ms, noticed))
        while self._noticed and self._noticed[0][0] <= self.clock_ms:
            _, told = self._noticed.popleft()
            self.is_speaking = isinstance(told, SpeechStarted)
            yield told

    def _await_start(self, probability: float) -> SpeechStarted | None:
        if probability >= self._threshold:
            if not self._loud_windows:
                self._loud_since_ms = self.clock_ms
            self._loud_windows += 1
        elif self._is_quiet(probability):
            self._loud_windows = 0
        if self._loud_windows < self.hearing.start_windows:
            return None
        return SpeechStarted(max(0, self._loud_since_ms + self.hearing.lag_ms - self.prefix_ms))

    def _await_end(self, probability: float) -> SpeechStopped | None:
        if probability >= self._threshold:
            self._quiet_since_ms = None
        elif self._quiet_since_ms is None and self._is_quiet(probability):
            self._quiet_since_ms = self.clock_ms - WINDOW_MS
        if self._quiet_since_ms is None or self.clock_ms - self._quiet_since_ms < self.silence_ms:
            return None
        return SpeechStopped(self.clock_ms + self.hearing.lag_ms)

    @property
    def _threshold(self) -> float:
        return self.hearing.threshold_for(self.threshold)

    def _is_quiet(self, probability: float) -> bool:
        return probability < self.hearing.release_for(self.threshold)
