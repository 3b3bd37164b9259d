"""Speech probabilities on disk, so that a call is listened to once: by its audio, the engine and the state policy."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from attrs import frozen

from replay.sound.silero import ENGINE, WINDOW_BYTES, Floats, Policy

SUFFIX: Final = ".f32"


@frozen
class Cache:
    """A folder of probabilities, 4 bytes for a window of 32 ms: 450 kB an hour. Without a folder it keeps nothing."""

    folder: Path | None = None

    def get(self, audio: bytes, policy: Policy) -> Floats | None:
        """Return what was kept for this µ-law audio, or None. A file of another length, or of no shares, is no file."""
        path = self._path(audio, policy)
        if path is None or not path.is_file():
            return None
        found = np.fromfile(path, dtype="<f4").astype(np.float32)
        is_whole = len(found) == len(audio) // WINDOW_BYTES
        return found if is_whole and bool(np.all((found >= 0) & (found <= 1))) else None

    def put(self, audio: bytes, policy: Policy, probabilities: Floats) -> None:
        """Keep probabilities. Raises `OSError`."""
        path = self._path(audio, policy)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(
            f"{path.name}.{os.getpid()}"
        )  # of two that write at once, one comes last, whole
        probabilities.astype("<f4").tofile(part)
        os.replace(part, path)

    def _path(self, audio: bytes, policy: Policy) -> Path | None:
        if self.folder is None:
            return None
        key = sha256(audio).hexdigest()
        return self.folder / ENGINE / policy / f"{key}{SUFFIX}"
