"""What a caller hears where the model can't speak: a clip of sound, read once when the file is."""

from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from bridge.checks import Wrong, setting, whole
from bridge.sound.clip_files import RATE, ClipError, read_clip

MOST_PATH: Final = 1000


@frozen
class Clip:
    """Sound that is played as it stands, and the file that it was read from; an empty one is none."""

    file: str = ""
    sound: bytes = field(default=b"", repr=False)

    @property
    def ms(self) -> int:
        """Return how long it lasts."""
        return len(self.sound) * 1000 // RATE


def clip_file(value: Any) -> Clip:
    """Accept the path of a sound file, or nothing; `heard` reads it."""
    if not isinstance(value, str) or len(value) > MOST_PATH:
        raise Wrong('the path of a WAV file of 8000 Hz, such as "hold.wav"; relative ones start at this file')
    return Clip(value)


def heard(clip: Clip, folder: Path, at: str, faults: list[str]) -> Clip:
    """Return a clip with its sound; `faults` gets a sentence where there is none, or none that can be played."""
    if not clip.file:
        return clip
    try:
        return evolve(clip, sound=read_clip(folder / clip.file))
    except ClipError as error:
        faults.append(f"[{at}]: {error}")
        return Clip()


@frozen
class Filler:
    """What fills the silence of a caller who waits for a session, and when."""

    clip: Clip = setting(Clip(), clip_file)
    after_ms: int = setting(1500, whole(200, 60_000))
    again_ms: int = setting(4000, whole(500, 60_000))
