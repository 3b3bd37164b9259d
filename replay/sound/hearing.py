"""How the model's stand-in hears a caller: by a level meter or by Silero, and how that differs from what it says."""

from typing import Literal

import attrs

Engine = Literal["level", "silero"]
Policy = Literal["carry", "reset"]
LEAST = 0.01
"""Thresholds inside, and quiet marks, stay between this and one minus it."""


@attrs.frozen
class Hearing:
    """How the caller is heard, of which a session tells its client nothing; the usual is the level meter, as it is.

    It means what `Hearing` means in `replay.vad.engine.machine`, so that the lab's calibration can be tried on a
    server whose inside is known.
    """

    engine: Engine = "level"
    """silero needs the extra `vad`."""
    policy: Policy = "carry"
    """What becomes of Silero's memory: kept over the call, or emptied every two seconds in quiet."""
    threshold_shift: float = 0.0
    threshold_slope: float = 1.0
    """The threshold inside is slope * the session's + shift."""
    hysteresis: float = 0.15
    """The quiet mark lies this far under the threshold, as in Silero's own iterator."""
    start_windows: int = 3
    """96 ms: a click of 60 ms can touch two windows, never three; the shortest spoken digit fills four."""
    lag_ms: int = 0
    """Starts and stops are told, and dated, this much of the caller's audio later."""

    def threshold_for(self, asked: float) -> float:
        """The threshold inside, for a session's."""
        if self._moves_nothing:
            return asked  # 0 and 1 as well: the level meter reaches both
        return min(max(self.threshold_slope * asked + self.threshold_shift, LEAST), 1 - LEAST)

    def release_for(self, asked: float) -> float:
        """The quiet mark, for a session's threshold."""
        return max(self.threshold_for(asked) - self.hysteresis, LEAST)

    @property
    def _moves_nothing(self) -> bool:
        return (self.engine, self.threshold_slope, self.threshold_shift) == ("level", 1.0, 0.0)
