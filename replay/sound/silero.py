"""Silero VAD v6.2: how much each 32 ms of a caller's telephone audio sounds like somebody speaking, as it comes.

By default the branch for 16 kHz, on audio that is resampled from 8 kHz: at 8 kHz the network goes deaf to short
replies after a minute of hold music. At 16 kHz it takes louder music to do that (docs/vad.md has the figures), and the
state policy "reset" bears it.
"""

from typing import Final

import numpy as np
import soxr
from attrs import define, field

from bridge.sound.g711 import LINEAR
from replay.sound.silero_network import (
    BLOCK,
    RATES,
    WINDOW_MS,
    Branch,
    Floats,
    Memory,
    Policy,
    context_of,
    gates_of,
    window_of,
)

WINDOW_BYTES: Final = 8 * WINDOW_MS
"""µ-law bytes at 8 kHz of one window."""

QUALITY: Final = "HQ"
"""soxr's name for 20 bits: what telephone audio has is 14."""

LEVELS: Final[Floats] = np.array(LINEAR, dtype=np.float32) / np.float32(32768)
"""The sample, from -1 to 1, that each µ-law byte stands for."""


def probabilities(ulaw: bytes, policy: Policy = "carry", branch: Branch = "16k") -> Floats:
    """Return the speech probability of each whole window of 32 ms (256 bytes) of µ-law at 8 kHz, from 0 to 1.

    What is left at the end, less than a window, is not looked at: nor would a server look at it yet.

    >>> found = probabilities(bytes([0xFF]) * 8000)  # a second of silence
    >>> found.shape, str(found.dtype), bool(found.max() < 0.1)
    ((31,), 'float32', True)
    """
    listener, step = Listener(policy, branch), BLOCK * WINDOW_BYTES
    found = [listener.hear(ulaw[start : start + step]) for start in range(0, len(ulaw), step)]
    return np.concatenate([*found, listener.finish()])[: len(ulaw) // WINDOW_BYTES]


def probabilities_of_samples(samples: Floats, policy: Policy = "carry", branch: Branch = "16k") -> Floats:
    """Return the probability of each whole window of samples at the branch's rate, float32 from -1 to 1."""
    return Ears(policy, branch).hear(samples)


@define
class Ears:
    """Probabilities of samples at a branch's rate as they come, in pieces of any length."""

    policy: Policy = "carry"
    branch: Branch = "16k"
    _memory: Memory = field(init=False)
    _before: Floats = field(init=False)
    """The end of the last window that was heard, and all samples since: less than a window."""

    def __attrs_post_init__(self) -> None:
        self._memory = Memory(self.branch, (self.policy,))
        self._before = np.zeros(context_of(self.branch), dtype=np.float32)

    def hear(self, samples: Floats) -> Floats:
        """Return a probability for each window that is complete with these samples."""
        samples = np.concatenate((self._before, samples))
        gates = gates_of(samples, self.branch)
        self._before = samples[len(gates) * window_of(self.branch) :]
        return self._memory.listen(gates[:, None])[:, 0]


@define
class Listener:
    """Probabilities of µ-law at 8 kHz as it comes, in pieces of any length.

    Resampling looks ahead, so with the branch for 16 kHz a window's probability comes a few ms of audio after its end.
    """

    policy: Policy = "carry"
    branch: Branch = "16k"
    _ears: Ears = field(init=False)
    _resampler: soxr.ResampleStream | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ears = Ears(self.policy, self.branch)
        self._resampler = resampler() if self.branch == "16k" else None

    def hear(self, ulaw: bytes) -> Floats:
        """Return a probability for each window that is complete by now."""
        narrow = LEVELS[np.frombuffer(ulaw, dtype=np.uint8)]
        return self._ears.hear(self._resampler.resample_chunk(narrow) if self._resampler else narrow)

    def finish(self) -> Floats:
        """Return the probabilities of what the resampler still held back; nothing comes after."""
        nothing = np.zeros(0, dtype=np.float32)
        return self._ears.hear(
            self._resampler.resample_chunk(nothing, last=True) if self._resampler else nothing
        )


def resampler() -> soxr.ResampleStream:
    """Return what makes samples at 16 kHz of those at 8 kHz, as they come."""
    return soxr.ResampleStream(8000, RATES["16k"], 1, dtype="float32", quality=QUALITY)
