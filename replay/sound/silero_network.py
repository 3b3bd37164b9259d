"""The arithmetic of Silero VAD v6.2 in numpy: both branches, and their memory in many lanes at once. Pure.

A lane is one stream of windows with a memory of its own. What needs no memory is computed for many windows together,
and the memory's loop for all lanes together: of sixteen, each costs a third of what one costs by itself. Weights: MIT,
Silero Team (data/LICENSE.silero), the numbers of the published ONNX model.
"""

from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

WEIGHTS: Final = Path(__file__).parent / "data"
WINDOW_MS: Final = 32
HIDDEN: Final = 128
ONE: Final = np.float32(1)
HALF: Final = np.float32(0.5)
BLOCK: Final = 256
"""Windows whose convolutions are computed together: of 128 to 2048 the fastest, as all stays in the cache."""

Branch: TypeAlias = Literal["16k", "8k"]
"""The network has a half of its own for each rate of audio, and they hear otherwise."""

BRANCHES: Final[tuple[Branch, ...]] = get_args(Branch)
RATES: Final[dict[Branch, int]] = {"16k": 16_000, "8k": 8_000}

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


def window_of(branch: Branch) -> int:
    """Return how many samples one window has, the step of the network."""
    return RATES[branch] * WINDOW_MS // 1000


def context_of(branch: Branch) -> int:
    """Return how many samples of the window before it looks back to: as many as the reflection that pads the end."""
    return window_of(branch) // 8


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
    """One branch's weights, laid out for matrix products; a window's four frames come every `hop` samples."""

    hop: int
    cosines: Floats = field(repr=False)
    sines: Floats = field(repr=False)
    layers: tuple[Layer, ...] = field(repr=False)
    into_gates: Floats = field(repr=False)
    gates_bias: Floats = field(repr=False)
    again: Floats = field(repr=False)
    out: Floats = field(repr=False)
    out_bias: Floats = field(repr=False)


@cache
def network(branch: Branch) -> Network:
    """Return a branch, loaded once, with its gates rearranged so that the memory's loop has little to do.

    sigmoid(x) is (1 + tanh(x / 2)) / 2: halved before, one tanh serves all four gates. What remains of the halves
    is kept out of the loop: cell and hidden state are held at twice their value.
    """
    hop = window_of(branch) // 4
    with np.load(WEIGHTS / f"silero_v6.2_{branch}.npz") as weights:
        basis = weights["stft.forward_basis_buffer"][:, 0]  # (cosines, then sines; samples), windowed
        return Network(
            hop=hop,
            cosines=np.ascontiguousarray(basis[: hop + 1, 1 : hop + 1].T),
            sines=np.ascontiguousarray(basis[hop + 1 :, 1:hop].T),
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


def gates_of(samples: Floats, branch: Branch) -> Floats:
    """Return what each whole window adds to the memory's gates, (windows, 512): all of the work that needs no memory.

    samples: at the branch's rate, from -1 to 1, with the context of the first window in front of it.
    """
    context, window = context_of(branch), window_of(branch)
    if len(samples) < context + window:
        return np.zeros((0, 4 * HIDDEN), dtype=np.float32)
    rows = np.lib.stride_tricks.sliding_window_view(samples, context + window)[::window]
    blocks = [_gates(rows[start : start + BLOCK], branch) for start in range(0, len(rows), BLOCK)]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _gates(rows: Floats, branch: Branch) -> Floats:
    net, context = network(branch), context_of(branch)
    reflected = rows[:, -2 : -context - 2 : -1]
    steps = _magnitudes(np.concatenate((rows, reflected), axis=1), net)
    for layer in net.layers:
        steps = layer.run(steps)
    gates: Floats = steps[:, 0] @ net.into_gates
    gates += net.gates_bias
    return gates


def _magnitudes(rows: Floats, net: Network) -> Floats:
    """Return the spectra of four frames a window.

    A cosine is the same on both sides of a frame's middle, a sine its opposite: so the sides are added, or taken
    from each other, and the products are half as long. That is faster, and it rounds less.
    """
    hop = net.hop
    frames = np.lib.stride_tricks.sliding_window_view(rows, 2 * hop, axis=1)[:, ::hop]
    left, right = frames[..., 1:hop], frames[..., :hop:-1]
    even = np.concatenate((left + right, frames[..., hop : hop + 1]), axis=2)
    cosine, sine = even.reshape(-1, hop) @ net.cosines, (left - right).reshape(-1, hop - 1) @ net.sines
    np.square(cosine, out=cosine)
    np.square(sine, out=sine)
    cosine += sine
    return np.sqrt(cosine, out=cosine).reshape(len(rows), -1, hop + 1)


# ---------------------------------------------------------------- its memory


@define
class Memory:
    """The memory of one branch over a call, in as many lanes as there are policies, each with its own."""

    branch: Branch
    policies: tuple[Policy, ...]
    _hidden: Floats = field(init=False)
    _cell: Floats = field(init=False)
    _clocks: "list[_Clock]" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._hidden, self._cell = np.zeros((2, len(self.policies), HIDDEN), dtype=np.float32)
        self._clocks = [_Clock(lane) for lane, one in enumerate(self.policies) if one == "reset"]

    def listen(self, gates: Floats) -> Floats:
        """Take the gates' inputs, (windows, lanes, 512); return a probability for each window and lane."""
        again, hidden, cell = network(self.branch).again, self._hidden, self._cell
        windows, lanes, width = gates.shape
        states = np.empty((windows, lanes, HIDDEN), dtype=np.float32)
        now, part = np.empty((lanes, width), dtype=np.float32), np.empty((lanes, HIDDEN), dtype=np.float32)
        sigmoids, (into, keep, out, new) = now[:, : 3 * HIDDEN], np.split(now, 4, axis=1)
        for row, state in zip(gates, states, strict=True):  # all in place: this loop is half of all work
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
            for clock in self._clocks:
                if clock.is_time_to_forget(hidden, self.branch):
                    hidden = hidden.copy()  # what the lane said before it forgot stays as it was said
                    hidden[clock.lane] = cell[clock.lane] = 0
        self._hidden = hidden.copy()
        return _probability(states, self.branch)


@define
class _Clock:
    """Says when the memory of a lane is emptied: every 2 s, while the line is quiet."""

    lane: int
    quiet: int = 0
    since: int = 0

    def is_time_to_forget(self, hidden: Floats, branch: Branch) -> bool:
        self.since += 1
        if self.since <= RESET_WINDOWS - QUIET_WINDOWS:
            return False  # too early, whatever is heard: so it is not worked out
        self.quiet = self.quiet + 1 if _probability(hidden[self.lane], branch) < QUIET else 0
        if self.quiet < QUIET_WINDOWS:
            return False
        self.quiet = self.since = 0
        return True


def _probability(hidden: Floats, branch: Branch) -> Floats:
    net = network(branch)
    score = np.maximum(hidden, 0) @ net.out + net.out_bias[0]
    return np.asarray(1 / (1 + np.exp(-score)), dtype=np.float32)
