"""Make `replay/vad/compose/data/digits.npz` from recordings of the Free Spoken Digit Dataset.

    uv run python bench/make_digits.py [FOLDER]

FOLDER holds the data set's WAV files; tests/vad_data/fsdd unless told.
"""

import sys
import wave
from pathlib import Path

import numpy as np

from replay.vad.compose.sound import FULL_SCALE, gain_of, spoken_level, ulaw_of

TAKE = 0
LEVEL_DBFS = -20  # as the clips in replay/sound/voices
OUT = Path(__file__).parents[1] / "replay" / "vad" / "compose" / "data" / "digits.npz"


def digits(folder: Path) -> dict[str, np.ndarray]:
    """Return each digit's µ-law under its name, DIGIT_SPEAKER_TAKE."""
    return {path.stem: coded(path) for path in sorted(folder.glob(f"*_{TAKE}.wav"))}


def coded(path: Path) -> np.ndarray:
    """Return one recording at the level of all, as µ-law."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / FULL_SCALE
    return np.frombuffer(ulaw_of(samples * gain_of(LEVEL_DBFS) / spoken_level(samples)), dtype=np.uint8)


if __name__ == "__main__":
    found = digits(Path(sys.argv[1] if sys.argv[1:] else "tests/vad_data/fsdd"))
    np.savez_compressed(OUT, **found)  # type: ignore[arg-type]  # a name among the digits could be an option's
    print(f"{OUT}: {len(found)} digits, {OUT.stat().st_size} bytes")
