"""Voice activity on 8 kHz µ-law: a cheap level meter that behaves like server_vad on clean lines.

It is no model of speech: music and loud noise are speech to it. Real engines are compared in the VAD lab.
"""

import math

import attrs

from bridge.audio import BYTES_PER_MS, LINEAR

WINDOW_MS = 32  # the published event times of the service are multiples of it
WINDOW = WINDOW_MS * BYTES_PER_MS
START_WINDOWS = (
    3  # 96 ms: a click of 60 ms can touch two windows, never three; the shortest spoken digit fills four
)
RELEASE = 0.15  # the quiet mark lies this far under the threshold, as in Silero's own iterator

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
    """Turns the caller's audio into starts and stops; its clock is the milliseconds of audio it was given."""

    threshold: float = 0.5
    silence_ms: int = 500
    prefix_ms: int = 300
    clock_ms: int = 0
    """Milliseconds of audio heard so far, in whole windows."""
    is_speaking: bool = attrs.field(default=False, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)
    _loud_since_ms: int = attrs.field(default=0, init=False)
    _loud_windows: int = attrs.field(default=0, init=False)
    _quiet_since_ms: int | None = attrs.field(default=None, init=False)

    def hear(self, audio: bytes) -> list[Heard]:
        """Take more µ-law audio of any length; says what was noticed in it, in order."""
        data = self._rest + audio
        whole = len(data) - len(data) % WINDOW
        self._rest = data[whole:]
        heard = (self._listen(data[at : at + WINDOW]) for at in range(0, whole, WINDOW))
        return [event for event in heard if event is not None]

    def forget(self) -> None:
        """Drop an utterance that is under way; the clock goes on."""
        self.is_speaking = False
        self._loud_windows = 0
        self._quiet_since_ms = None

    def _listen(self, window: bytes) -> Heard | None:
        self.clock_ms += WINDOW_MS
        probability = speech_probability(window)
        return self._await_end(probability) if self.is_speaking else self._await_start(probability)

    def _await_start(self, probability: float) -> SpeechStarted | None:
        if probability >= self.threshold:
            if not self._loud_windows:
                self._loud_since_ms = self.clock_ms
            self._loud_windows += 1
        elif self._is_quiet(probability):
            self._loud_windows = 0
        if self._loud_windows < START_WINDOWS:
            return None
        self.forget()
        self.is_speaking = True
        return SpeechStarted(max(0, self._loud_since_ms - self.prefix_ms))

    def _await_end(self, probability: float) -> SpeechStopped | None:
        if probability >= self.threshold:
            self._quiet_since_ms = None
        elif self._quiet_since_ms is None and self._is_quiet(probability):
            self._quiet_since_ms = self.clock_ms - WINDOW_MS
        if self._quiet_since_ms is None or self.clock_ms - self._quiet_since_ms < self.silence_ms:
            return None
        self.forget()
        return SpeechStopped(self.clock_ms)

    def _is_quiet(self, probability: float) -> bool:
        return probability < max(self.threshold - RELEASE, 0.01)
