"""Silero VAD v6.2 in numpy: how much each 32 ms of a caller's audio sounds like somebody speaking.

The 16 kHz branch of the network, on telephone audio that is resampled from 8 kHz: at 8 kHz the network goes deaf
to short replies after a minute of hold music. At 16 kHz it takes louder music to do that (docs/vad.md has the
figures), and the state policy "reset" bears it. Weights: MIT, Silero Team
(data/LICENSE.silero), the numbers of the published ONNX model.
"""

from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import soxr
from attrs import define, field, frozen
from numpy.typing import NDArray

from bridge.sound.g711 import LINEAR

ENGINE: Final = "silero-v6.2-16k-f32"
"""Part of every cache key: another engine's probabilities are other numbers."""

WEIGHTS: Final = Path(__file__).parent / "data" / "silero_v6.2_16k.npz"
RATE: Final = 16_000
WINDOW_MS: Final = 32
WINDOW: Final = RATE * WINDOW_MS // 1000
"""Samples at 16 kHz of one window, the step of the network."""

WINDOW_BYTES: Final = 8 * WINDOW_MS
"""µ-law bytes at 8 kHz of one window."""

CONTEXT: Final = WINDOW // 8
"""Samples of the window before that the network looks back to, and of the reflection that pads the end."""

HOP: Final = WINDOW // 4
BLOCK: Final = 256
"""Windows whose convolutions are computed together: of 128 to 2048 the fastest, as all stays in the cache."""

QUALITY: Final = "HQ"
"""soxr's name for 20 bits: what telephone audio has is 14."""

HIDDEN: Final = 128
ONE: Final = np.float32(1)
HALF: Final = np.float32(0.5)

Policy: TypeAlias = Literal["carry", "reset"]
"""What becomes of the network's memory over a call.

carry: it is kept from the first window to the last. reset: it is emptied every 2 s while the line is quiet, five
windows in a row below 0.1, as pipecat does. The choice moves short replies missed and false triggers further than
the threshold does, so it is recorded with every result.
"""

POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
RESET_WINDOWS: Final = 2000 // WINDOW_MS
QUIET_WINDOWS: Final = 5
QUIET: Final = 0.1

Floats: TypeAlias = NDArray[np.float32]

_LINEAR: Final[Floats] = np.array(LINEAR, dtype=np.float32) / np.float32(32768)


def probabilities(ulaw: bytes, policy: Policy = "carry") -> Floats:
    """Return the speech probability of each whole window of 32 ms (256 bytes) of µ-law at 8 kHz, from 0 to 1.

    What is left at the end, less than a window, is not looked at: nor would a server look at it yet.

    >>> found = probabilities(bytes([0xFF]) * 8000)  # a second of silence
    >>> found.shape, str(found.dtype), bool(found.max() < 0.1)
    ((31,), 'float32', True)
    """
    listener, step = Listener(policy), BLOCK * WINDOW_BYTES
    found = [listener.hear(ulaw[start : start + step]) for start in range(0, len(ulaw), step)]
    return np.concatenate([*found, listener.finish()])[: len(ulaw) // WINDOW_BYTES]


def probabilities_of_samples(samples: Floats, policy: Policy = "carry") -> Floats:
    """Return the probability of each whole window of 512 samples at 16 kHz, given as float32 from -1 to 1."""
    ears = Ears(policy)
    step = BLOCK * WINDOW
    found = [ears.hear(samples[start : start + step]) for start in range(0, len(samples), step)]
    return np.concatenate([np.zeros(0, dtype=np.float32), *found])


# ---------------------------------------------------------------- the network


@frozen
class Layer:
    """A convolution of width 3 as one matrix: its rows are the three steps' inputs, its columns the outputs."""

    matrix: Floats = field(repr=False)
    bias: Floats = field(repr=False)
    stride: int

    def run(self, steps: Floats) -> Floats:
        """Return ReLU of the convolution; (windows, steps, inputs) -> (windows, steps / stride, outputs)."""
        windows, count, inputs = steps.shape
        flat, centres = steps.reshape(windows, -1), range(0, count, self.stride)
        found = np.empty((windows, len(centres), len(self.bias)), dtype=np.float32)
        for place, centre in enumerate(centres):  # what padding would multiply by nought is left out
            first, end = max(0, centre - 1), min(count, centre + 2)
            rows = self.matrix[(first - centre + 1) * inputs : (end - centre + 1) * inputs]
            found[:, place] = flat[:, first * inputs : end * inputs] @ rows
        found += self.bias
        return np.maximum(found, 0, out=found)


@frozen
class Network:
    """The weights, laid out for matrix products."""

    cosines: Floats = field(repr=False)
    sines: Floats = field(repr=False)
    layers: tuple[Layer, ...] = field(repr=False)
    into_gates: Floats = field(repr=False)
    gates_bias: Floats = field(repr=False)
    again: Floats = field(repr=False)
    out: Floats = field(repr=False)
    out_bias: Floats = field(repr=False)


@cache
def network() -> Network:
    """Return the network, loaded once, with its gates rearranged so that the memory's loop has little to do.

    sigmoid(x) is (1 + tanh(x / 2)) / 2: halved before, one tanh serves all four gates. What remains of the halves
    is kept out of the loop: cell and hidden state are held at twice their value.
    """
    with np.load(WEIGHTS) as weights:
        basis = weights["stft.forward_basis_buffer"][:, 0]  # (cosines, then sines; samples), windowed
        return Network(
            cosines=np.ascontiguousarray(basis[: HOP + 1, 1 : HOP + 1].T),
            sines=np.ascontiguousarray(basis[HOP + 1 :, 1:HOP].T),
            layers=tuple(
                Layer(*_as_matrix(weights, f"encoder.{number}.reparam_conv"), stride)
                for number, stride in enumerate((1, 2, 2, 1))
            ),
            into_gates=_rearranged(weights["decoder.rnn.weight_ih"]),
            gates_bias=_rearranged(weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]),
            again=_rearranged(weights["decoder.rnn.weight_hh"]) * HALF,
            out=weights["decoder.decoder.2.weight"][0, :, 0] / 2,
            out_bias=weights["decoder.decoder.2.bias"],
        )


def _rearranged(rows: Floats) -> Floats:
    """Return the gates' rows as columns: input, forget and output, halved; then the cell's own, third in ONNX."""
    into, forget, cell, out = np.split(rows, 4)
    return np.ascontiguousarray(np.concatenate((into / 2, forget / 2, out / 2, cell)).T)


def _as_matrix(weights: np.lib.npyio.NpzFile, name: str) -> tuple[Floats, Floats]:
    kernel = weights[f"{name}.weight"]  # outputs, inputs, 3
    return np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])), weights[
        f"{name}.bias"
    ]


def _input_gates(rows: Floats) -> Floats:
    """Return what each window adds to the gates: everything that needs no memory, for many windows at once."""
    net = network()
    steps = _magnitudes(np.concatenate((rows, rows[:, -2 : -CONTEXT - 2 : -1]), axis=1))  # the end, reflected
    for layer in net.layers:
        steps = layer.run(steps)
    gates: Floats = steps[:, 0] @ net.into_gates
    gates += net.gates_bias
    return gates


def _magnitudes(rows: Floats) -> Floats:
    """Return the spectra of four frames a window.

    A cosine is the same on both sides of a frame's middle, a sine its opposite: so the sides are added, or taken
    from each other, and the products are half as long. That is faster, and it rounds less.
    """
    net = network()
    frames = np.lib.stride_tricks.sliding_window_view(rows, 2 * HOP, axis=1)[:, ::HOP]
    left, right = frames[..., 1:HOP], frames[..., :HOP:-1]
    even = np.concatenate((left + right, frames[..., HOP : HOP + 1]), axis=2)
    cosine, sine = even.reshape(-1, HOP) @ net.cosines, (left - right).reshape(-1, HOP - 1) @ net.sines
    np.square(cosine, out=cosine)
    np.square(sine, out=sine)
    cosine += sine
    return np.sqrt(cosine, out=cosine).reshape(len(rows), -1, HOP + 1)


@define
class Memory:
    """The network's memory over a call: told window after window, it says how probable speech is."""

    policy: Policy = "carry"
    _hidden: Floats = field(factory=lambda: np.zeros(HIDDEN, dtype=np.float32))
    _cell: Floats = field(factory=lambda: np.zeros(HIDDEN, dtype=np.float32))
    _quiet: int = 0
    _since_reset: int = 0

    def listen(self, gates: Floats) -> Floats:
        """Take the gates' inputs, one row a window; return a probability for each."""
        again, resets, hidden, cell = network().again, self.policy == "reset", self._hidden, self._cell
        states = np.empty((len(gates), HIDDEN), dtype=np.float32)
        now, part = np.empty(4 * HIDDEN, dtype=np.float32), np.empty(HIDDEN, dtype=np.float32)
        sigmoids, (into, keep, out, new) = now[: 3 * HIDDEN], np.split(now, 4)
        for row, state in zip(
            gates, states, strict=True
        ):  # every step is in place: this loop is half of all work
            np.dot(hidden, again, out=now)
            np.add(now, row, out=now)
            np.tanh(now, out=now)
            np.add(sigmoids, ONE, out=sigmoids)
            np.multiply(cell, keep, out=cell)
            np.multiply(cell, HALF, out=cell)
            np.multiply(into, new, out=part)
            np.add(cell, part, out=cell)
            np.multiply(cell, HALF, out=part)
            np.tanh(part, out=part)
            hidden = np.multiply(out, part, out=state)
            if resets and self._is_time_to_forget(hidden):
                hidden = np.zeros(HIDDEN, dtype=np.float32)
                cell[:] = 0
        self._hidden = hidden.copy()
        return _probability(states)

    def _is_time_to_forget(self, hidden: Floats) -> bool:
        self._since_reset += 1
        if self._since_reset <= RESET_WINDOWS - QUIET_WINDOWS:
            return False  # too early, whatever is heard: so it is not worked out
        self._quiet = self._quiet + 1 if _probability(hidden) < QUIET else 0
        if self._quiet < QUIET_WINDOWS:
            return False
        self._quiet = 0
        self._since_reset = 0
        return True


def _probability(hidden: Floats) -> Floats:
    score = np.maximum(hidden, 0) @ network().out + network().out_bias[0]
    return np.asarray(1 / (1 + np.exp(-score)), dtype=np.float32)


# ---------------------------------------------------------------- as it comes


@define
class Ears:
    """Probabilities of samples at 16 kHz as they come, in pieces of any length."""

    policy: Policy = "carry"
    _memory: Memory = field(init=False)
    _before: Floats = field(factory=lambda: np.zeros(CONTEXT, dtype=np.float32))
    """The end of the last window that was heard, and all samples since: less than a window."""

    def __attrs_post_init__(self) -> None:
        self._memory = Memory(self.policy)

    def hear(self, samples: Floats) -> Floats:
        """Return a probability for each window that is complete with these samples."""
        samples = np.concatenate((self._before, samples))
        count = (len(samples) - CONTEXT) // WINDOW
        self._before = samples[count * WINDOW :]
        if not count:
            return np.zeros(0, dtype=np.float32)
        rows = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + WINDOW)[::WINDOW]
        return self._memory.listen(_input_gates(rows))


@define
class Listener:
    """Probabilities of µ-law at 8 kHz as it comes, in pieces of any length.

    Resampling looks ahead, so a window's probability comes a few ms of audio after its end.
    """

    policy: Policy = "carry"
    _ears: Ears = field(init=False)
    _resampler: soxr.ResampleStream = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ears = Ears(self.policy)
        self._resampler = soxr.ResampleStream(8000, RATE, 1, dtype="float32", quality=QUALITY)

    def hear(self, ulaw: bytes) -> Floats:
        """Return a probability for each window that is complete by now."""
        narrow = _LINEAR[np.frombuffer(ulaw, dtype=np.uint8)]
        return self._ears.hear(self._resampler.resample_chunk(narrow))

    def finish(self) -> Floats:
        """Return the probabilities of what the resampler still held back; nothing comes after."""
        nothing = np.zeros(0, dtype=np.float32)
        return self._ears.hear(self._resampler.resample_chunk(nothing, last=True))
