"""The recordings of tests/vad_data as samples at 16 kHz."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

FOLDER = Path(__file__).parent / "vad_data"
RECORDINGS = sorted([*FOLDER.rglob("*.wav"), *FOLDER.rglob("*.flac")])
HAS_ALL = all((FOLDER / name).is_dir() for name in ("ami", "fsdd"))
"""A source distribution has the phone call alone: see pyproject.toml."""

REFERENCE = FOLDER / "silero_onnx.npz"
"""What ONNX Runtime says of each: written by tests/oracle/test_silero_onnx.py."""


def samples_of(path):
    """Return float32 samples at 16 kHz, -1 to 1."""
    samples, rate = soundfile.read(path, dtype="float32")
    return samples if rate == 16_000 else soxr.resample(samples, rate, 16_000).astype(np.float32)
