"""Speech probabilities on disk, so that a call is listened to once: by its audio, the engine and the ear."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from attrs import frozen

from replay.sound.ears import Ear
from replay.sound.silero import WINDOW_BYTES
from replay.sound.silero_network import Floats

SUFFIX: Final = ".f32"
ENGINE: Final = "silero-v6.2"
"""Part of every key: another engine's probabilities are other numbers."""


@frozen
class Cache:
    """A folder of probabilities, 4 bytes a window of 32 ms: 450 kB an hour and ear. Without one it keeps nothing."""

    folder: Path | None = None

    def get(self, audio: bytes, ear: Ear) -> Floats | None:
        """Return what was kept for this µ-law audio, or None. A file of another length, or of no shares, is no file."""
        path = self._path(audio, ear)
        if path is None or not path.is_file():
            return None
        found = np.fromfile(path, dtype="<f4").astype(np.float32)
        is_whole = len(found) == len(audio) // WINDOW_BYTES
        return found if is_whole and bool(np.all((found >= 0) & (found <= 1))) else None

    def put(self, audio: bytes, ear: Ear, probabilities: Floats) -> None:
        """Keep probabilities. Raises `OSError`."""
        path = self._path(audio, ear)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(
            f"{path.name}.{os.getpid()}"
        )  # of two that write at once, one comes last, whole
        probabilities.astype("<f4").tofile(part)
        os.replace(part, path)

    def _path(self, audio: bytes, ear: Ear) -> Path | None:
        if self.folder is None:
            return None
        key = sha256(audio).hexdigest()
        kind = ear.policy + ("-gated" if ear.is_gated else "")
        return self.folder / f"{ENGINE}-{ear.branch}-f32" / kind / f"{key}{SUFFIX}"
