"""The ears that a server may have: each branch and state policy of the engine, with and without a noise gate before it.

Which detector a server runs is not published, so the lab listens with all of these and keeps the one that hears as the
server does. All of them in one pass: what they have in common is worked out once.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np
from attrs import define, field, frozen

from replay.sound.silero import LEVELS, WINDOW_BYTES, resampler
from replay.sound.silero_network import (
    BLOCK,
    BRANCHES,
    HIDDEN,
    POLICIES,
    Branch,
    Floats,
    Memory,
    Policy,
    context_of,
    gates_of,
    window_of,
)

GATE_DBFS: Final = -45.0
"""What is quieter is silence behind the gate: under most speech on the phone, and above most lines."""

GATE_BLOCK: Final = 80
"""Samples whose level is looked at together: 10 ms."""

GATE_HOLD: Final = 15
"""Blocks for which the gate stays open after the last loud one: 150 ms, or it would chop words."""

TOGETHER: Final = 4
"""Recordings that are listened to in one loop: 16 lanes with all ears, each at half the cost of one in four."""


@frozen(order=True)
class Ear:
    """One way to hear: a branch of the network, what becomes of its memory, and whether a noise gate comes before it.

    >>> str(Ear()), str(Ear("8k", "reset", is_gated=True))
    ('16k carry', '8k reset behind a noise gate')
    """

    branch: Branch = "16k"
    policy: Policy = "carry"
    is_gated: bool = False

    def __str__(self) -> str:
        return f"{self.branch} {self.policy}" + (" behind a noise gate" if self.is_gated else "")


EARS: Final = tuple(Ear(*parts) for parts in product(BRANCHES, POLICIES, (False, True)))


def listened(audios: Sequence[bytes], ears: Sequence[Ear] = EARS) -> list[dict[Ear, Floats]]:
    """Return what each ear makes of each recording: the speech probability of each whole window, 0 to 1.

    audios: µ-law at 8 kHz. Recordings of about one length cost least, `TOGETHER` of them.
    """
    found: list[dict[Ear, Floats]] = [{} for _ in audios]
    for branch in BRANCHES:
        own = [ear for ear in ears if ear.branch == branch]
        lanes = [(number, ear) for number in range(len(audios)) for ear in own]
        if lanes:
            heard = np.concatenate(list(_heard(audios, lanes, branch)))
            for lane, (number, ear) in enumerate(lanes):
                found[number][ear] = heard[: len(audios[number]) // WINDOW_BYTES, lane].copy()
    return found


def _heard(audios: Sequence[bytes], lanes: Sequence[tuple[int, Ear]], branch: Branch) -> Iterator[Floats]:
    """Yield probabilities block by block, (windows, lanes); a recording that is over is quiet until all are."""
    memory = Memory(branch, tuple(ear.policy for _, ear in lanes))
    feeds = {(number, ear.is_gated): _Feed(audios[number], branch, ear.is_gated) for number, ear in lanes}
    while True:
        gates = {key: feed.gates() for key, feed in feeds.items()}
        windows = max(map(len, gates.values()))
        if not windows:
            yield np.zeros((0, len(lanes)), dtype=np.float32)
            return
        together = np.zeros((windows, len(lanes), 4 * HIDDEN), dtype=np.float32)
        for lane, (number, ear) in enumerate(lanes):
            own = gates[number, ear.is_gated]
            together[: len(own), lane] = own
        yield memory.listen(together)


@define
class _Feed:
    """A recording as a branch takes it in, a block of windows at a time."""

    audio: bytes = field(repr=False)
    branch: Branch
    is_gated: bool
    _samples: Floats = field(init=False)
    _resampled: Iterator[Floats] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._samples = np.zeros(context_of(self.branch), dtype=np.float32)
        self._resampled = _resampled(self.audio, self.is_gated, self.branch)

    def gates(self) -> Floats:
        """Return what the next block adds to the memory's gates: less than a block at the end, then nothing."""
        wanted = context_of(self.branch) + BLOCK * window_of(self.branch)
        while len(self._samples) < wanted and (more := next(self._resampled, None)) is not None:
            self._samples = np.concatenate((self._samples, more))
        found = gates_of(self._samples[:wanted], self.branch)
        self._samples = self._samples[len(found) * window_of(self.branch) :]
        return found


def _resampled(audio: bytes, is_gated: bool, branch: Branch) -> Iterator[Floats]:
    pieces = _samples(audio, is_gated)
    if branch == "8k":
        yield from pieces
        return
    upward = resampler()
    for piece in pieces:
        yield upward.resample_chunk(piece)
    yield upward.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def _samples(audio: bytes, is_gated: bool) -> Iterator[Floats]:
    step, open_for = BLOCK * WINDOW_BYTES, 0
    for start in range(0, len(audio), step):
        piece = LEVELS[np.frombuffer(audio[start : start + step], dtype=np.uint8)]
        if is_gated:
            piece, open_for = gated(piece, open_for)
        yield piece


# ---------------------------------------------------------------- before and after the network


def gated(samples: Floats, open_for: int = 0, *, gate_dbfs: float = GATE_DBFS) -> tuple[Floats, int]:
    """Return samples at 8 kHz with what is quiet in them silenced, and for how many blocks more the gate is open.

    open_for: for how many blocks it was left open by what came before.
    """
    blocks = np.pad(samples, (0, -len(samples) % GATE_BLOCK)).reshape(-1, GATE_BLOCK)
    is_loud = np.square(blocks).mean(axis=1) >= 10 ** (gate_dbfs / 10)
    place = np.arange(len(blocks))
    last = np.maximum.accumulate(np.where(is_loud, place, open_for - 1 - GATE_HOLD))
    is_open = place - last <= GATE_HOLD
    left = max(0, int(last[-1]) + GATE_HOLD + 1 - len(blocks)) if len(blocks) else open_for
    silenced: Floats = np.where(np.repeat(is_open, GATE_BLOCK)[: len(samples)], samples, np.float32(0))
    return silenced, left


def smoothed(probabilities: Floats, weight: float) -> Floats:
    """Return probabilities smoothed as many detectors do: each is this much of its own and the rest of the one before.

    >>> smoothed(np.array([0, 1, 1], dtype=np.float32), 0.5).tolist()
    [0.0, 0.5, 0.75]
    """
    if weight >= 1 or not len(probabilities):
        return probabilities
    count = int(np.ceil(np.log(FORGOTTEN) / np.log(1 - weight)))
    kernel = weight * (1 - weight) ** np.arange(count)
    return np.convolve(probabilities, kernel)[: len(probabilities)].astype(np.float32)


FORGOTTEN: Final = 1e-7
"""What is left of a window's weight when it no longer counts: float32 has no more digits."""


def groups(lengths: Iterable[int]) -> list[list[int]]:
    """Return the numbers of recordings in groups to listen to together, alike in length."""
    order = [number for _, number in sorted((length, number) for number, length in enumerate(lengths))]
    return [order[start : start + TOGETHER] for start in range(0, len(order), TOGETHER)]
