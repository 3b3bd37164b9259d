"""The recordings of tests/vad_data as samples at the rate of a branch of the engine."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from replay.sound.silero_network import RATES

FOLDER = Path(__file__).parent / "vad_data"
RECORDINGS = sorted([*FOLDER.rglob("*.wav"), *FOLDER.rglob("*.flac")])
HAS_ALL = all((FOLDER / name).is_dir() for name in ("ami", "fsdd"))
"""A source distribution has the phone call alone: see pyproject.toml."""

REFERENCE = FOLDER / "silero_onnx.npz"
"""What ONNX Runtime says of each: written by tests/oracle/test_silero_onnx.py."""


def key_of(path, branch):
    """Return where the reference has what a branch says of a recording."""
    return path.name if branch == "16k" else f"{path.name} {branch}"


def samples_of(path, branch="16k"):
    """Return float32 samples at the rate of a branch, -1 to 1."""
    samples, rate = soundfile.read(path, dtype="float32")
    wanted = RATES[branch]
    return samples if rate == wanted else soxr.resample(samples, rate, wanted).astype(np.float32)
