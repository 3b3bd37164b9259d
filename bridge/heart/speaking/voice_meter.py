"""How long the caller's voice is on the line, frame by frame: the server tells of its end half a second late. Pure."""

from typing import Final

from attrs import define

from bridge.heart.audio import ms_of
from bridge.sound.g711 import LINEAR

LOUD: Final = 512
"""Linear samples beyond -36 dB of full scale: a voice on a telephone has many, a line that hums has few."""

FAINT: Final = bytes(code for code, sample in enumerate(LINEAR) if abs(sample) < LOUD)

PAUSE_MS: Final = 100
"""A pause so long ends what is counted as one sound: within a word there are shorter ones."""

MOST_BEFORE_MS: Final = 300
"""What counts of a sound before turn detection tells of it: it takes so long to be sure, and to be heard of here."""

TOLD_MS: Final = 1000
"""A sound that turn detection has not told of by then is no voice to it."""


def is_voiced(frame: bytes) -> bool:
    """Say whether this may be a voice: more than a tenth of it is loud."""
    return len(frame.translate(None, FAINT)) * 10 > len(frame)


@define
class VoiceMeter:
    """Counts the caller's frames with and without voice."""

    quiet_ms: int = 0
    """Of all frames without one so far: what is told of at different times differs by it."""
    voice_ms: int = 0
    """Of all others so far."""
    _sound_ms: int = 0
    _pause_ms: int = 0

    def hear(self, frame: bytes) -> None:
        """Take a frame."""
        ms = ms_of(len(frame))
        if is_voiced(frame):
            self.voice_ms += ms
            self._sound_ms, self._pause_ms = self._sound_ms + ms, 0
            return
        self.quiet_ms += ms
        self._pause_ms += ms
        if self._pause_ms >= PAUSE_MS:
            self._sound_ms = 0

    def begin_anew(self) -> None:
        """What is heard from now on comes by another line."""
        self._sound_ms = self._pause_ms = 0

    @property
    def is_beginning(self) -> bool:
        """Say whether a sound goes on that is so new that turn detection may not have told of it."""
        return 0 < self._sound_ms < TOLD_MS

    @property
    def before_ms(self) -> int:
        """Return how long the sound has lasted that goes on now."""
        return min(self._sound_ms, MOST_BEFORE_MS)
