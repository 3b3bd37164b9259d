"""Every setting of a grid, tried on every recording of a corpus, with intervals over the recordings. Pure.

A threshold turns probabilities into runs of speech once; each silence then joins runs by their gaps; a prefix only
changes how much of an onset is kept. Intervals are drawn over calls (a bootstrap): turns of one caller are alike, so
calls, not turns, are what chance deals.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from attrs import field, frozen

from replay.vad.engine.machine import Hearing, Setting, runs_of, segments_of, silence_windows
from replay.vad.study.intervals import Array, ends_of, for_few, rate_ends, share_ends
from replay.vad.study.metrics import BIN_MS, COUNTS, Counts, counts_of, outcome_of
from replay.vad.truth.corpus import ENDED_WITHIN_MS, Corpus

Map = Callable[[Callable[[float], Any], Iterable[float]], Iterable[Any]]

RATIOS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "turns_cut": (("cut",), "turns"),
    "pauses_cut": (("pauses_cut",), "pauses"),
    "short_missed": (("short_missed",), "short"),
    "missed": (("missed",), "turns"),
    "false_per_hour": (("false_agent", "false_quiet"), "hours"),
    "false_agent_per_hour": (("false_agent",), "hours"),
    "false_quiet_per_hour": (("false_quiet",), "hours"),
    "not_ended": (("not_ended",), "judged"),
    "delay_mean_ms": (("waited_ms",), "judged"),
}
"""Each metric: what is added up over the calls, and what it is divided by. Shares are from 0 to 1."""

QUANTILES: Final[Mapping[str, float]] = {"delay_p50_ms": 0.5, "delay_p90_ms": 0.9, "delay_p95_ms": 0.95}
CLIPPED: Final = "onset_clipped"
METRICS: Final = (*RATIOS, *QUANTILES, CLIPPED)
DRAWN: Final = ("turns_cut", "short_missed", "false_per_hour", "not_ended", "delay_mean_ms", CLIPPED)
"""Metrics of which every resample is kept: a recommendation is made again in each, to say how sure it is."""


@frozen
class Grid:
    """The settings that are tried: local ones in the server's own terms, in ascending order, times in ms.

    Raises `ValueError` for a list that is empty, out of order or has something twice.

    >>> Grid(thresholds=(0.4, 0.5), silences_ms=(300, 500, 700), prefixes_ms=(300,)).size
    6
    """

    thresholds: tuple[float, ...] = tuple(round(0.3 + 0.05 * step, 2) for step in range(13))
    silences_ms: tuple[int, ...] = tuple(range(200, 1001, 20))
    prefixes_ms: tuple[int, ...] = (0, 100, 200, 300, 400, 500)

    def __attrs_post_init__(self) -> None:
        for name, values in (
            ("thresholds", self.thresholds),
            ("silences", self.silences_ms),
            ("prefixes", self.prefixes_ms),
        ):
            if not values or list(values) != sorted(set(values)):
                raise ValueError(f"{name} {list(values)}: give at least one, in ascending order, each once")

    def including(self, setting: Setting) -> "Grid":
        """Return the grid with this setting's values among its own."""
        return Grid(
            tuple(sorted({*self.thresholds, setting.threshold})),
            tuple(sorted({*self.silences_ms, setting.silence_duration_ms})),
            tuple(sorted({*self.prefixes_ms, setting.prefix_padding_ms})),
        )

    @property
    def size(self) -> int:
        """Return how many settings there are."""
        return len(self.thresholds) * len(self.silences_ms) * len(self.prefixes_ms)


@frozen
class Measured:
    """One metric of one setting with its 95 % interval; NaN where nothing could be counted."""

    value: float
    low: float
    high: float


@frozen
class Sweep:
    """What came of a grid. Arrays are (thresholds, silences), for `onset_clipped` (thresholds, silences, prefixes).

    values, low, high: by the names in METRICS. draws: by those in DRAWN, (resamples, thresholds, silences[, prefixes]).
    totals: turns, short, pauses, hours of the whole corpus. ended_within_ms: when a turn is not ended; a delay of more
    is infinite.
    """

    grid: Grid
    hearing: Hearing
    values: Mapping[str, Array] = field(repr=False)
    low: Mapping[str, Array] = field(repr=False)
    high: Mapping[str, Array] = field(repr=False)
    draws: Mapping[str, Array] = field(repr=False)
    totals: Mapping[str, float]
    calls: int
    ended_within_ms: int = ENDED_WITHIN_MS
    unknown: frozenset[str] = frozenset()
    """Metrics of which the truth knows too little: what is counted is a floor."""

    def at(self, metric: str, threshold: int, silence: int, prefix: int = 0) -> Measured:
        """Return a metric at one place of the grid, by the numbers of its threshold, silence and prefix."""
        place = (threshold, silence, prefix) if metric == CLIPPED else (threshold, silence)
        return Measured(*(float(side[metric][place]) for side in (self.values, self.low, self.high)))


def sweep(
    corpus: Corpus,
    grid: Grid | None = None,
    hearing: Hearing | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    mapped: Map = map,
) -> Sweep:
    """Try every setting of the grid, by default with a server that hears just as the local engine does.

    `resamples` of the corpus' calls give the intervals; the same `seed` gives the same ones. `mapped` may be an
    executor's map: it is given one threshold at a time.
    """
    grid, hearing = grid or Grid(), hearing or Hearing()
    one = partial(_of_threshold, corpus, grid, hearing, drawn_calls(corpus.calls, resamples, seed))
    columns = list(mapped(one, grid.thresholds))
    values, low, high = (
        {name: np.stack([column[side][name] for column in columns]) for name in METRICS} for side in range(3)
    )
    draws = {name: np.stack([column[3][name] for column in columns], axis=1) for name in DRAWN}
    totals = {name: float(counted.sum()) for name, counted in corpus.totals().items()}
    return Sweep(grid, hearing, values, low, high, draws, totals, corpus.calls, corpus.ended_within_ms)


def drawn_calls(calls: int, resamples: int, seed: int) -> Array:
    """Return how often each call is in each resample: (resamples, calls)."""
    drawn = np.random.default_rng(seed).multinomial(calls, np.full(calls, 1 / calls), resamples)
    return drawn.astype(np.float32)


Side = dict[str, Array]


def _of_threshold(
    corpus: Corpus, grid: Grid, hearing: Hearing, weights: Array, threshold: float
) -> tuple[Side, Side, Side, Side]:
    """Return values, low ends, high ends and the draws kept, for all silences and prefixes of one threshold."""
    return measured(corpus, _counted(corpus, grid, hearing, threshold), weights)


def measured(corpus: Corpus, columns: Sequence[Counts], weights: Array) -> tuple[Side, Side, Side, Side]:
    """Return values, low ends, high ends and the draws kept of what was counted, one column a setting.

    weights: how often each recording was drawn, (resamples, recordings).
    """
    sums, delays = summed(corpus, columns)
    once = np.ones((1, corpus.calls), dtype=np.float32)
    values, drawn = metrics_of(once, sums, delays), metrics_of(weights, sums, delays)
    ends = _ends(sums, {name: value[0] for name, value in values.items()}, drawn)
    low, high = ({name: pair[side] for name, pair in ends.items()} for side in range(2))
    return (
        {name: value[0] for name, value in values.items()},
        low,
        high,
        {name: drawn[name] for name in DRAWN},
    )


def _ends(sums: Mapping[str, Array], values: Side, drawn: Side) -> dict[str, tuple[Array, Array]]:
    """Return the ends of each metric's interval: the resamples', or those that its counts alone allow, if further."""
    ends = {
        name: _widened(values[name], *ends_of(draws), len(sums["turns"])) for name, draws in drawn.items()
    }
    added = {name: counts.sum(axis=0) for name, counts in sums.items()}
    alone = {
        name: (rate_ends if of == "hours" else share_ends)(_sum(added, parts), added[of])
        for name, (parts, of) in RATIOS.items()
        if not name.endswith("_ms")
    }
    alone[CLIPPED] = share_ends(added["clipped"], added["found"][..., None])
    return ends | {
        name: (np.fmin(ends[name][0], low), np.fmax(ends[name][1], high))
        for name, (low, high) in alone.items()
    }


def _widened(value: Array, low: Array, high: Array, calls: int) -> tuple[Array, Array]:
    """Return ends as far apart as so few calls ask for; where there is no end, there is none."""
    longer = np.float32(for_few(calls))
    with np.errstate(invalid="ignore"):
        reach = value - (value - low) * longer, value + (high - value) * longer
    return np.where(np.isfinite(low), np.maximum(reach[0], 0), low), np.where(
        np.isfinite(high), reach[1], high
    )


def _counted(corpus: Corpus, grid: Grid, hearing: Hearing, threshold: float) -> list[Counts]:
    """Return what all silences of one threshold do, a column each."""
    local, release = hearing.threshold(threshold), hearing.release(threshold)
    runs = runs_of(corpus.track, local, release, hearing.start_windows)
    columns = []
    for silence in grid.silences_ms:
        segments = segments_of(runs, silence_windows(silence))
        outcome = outcome_of(corpus, segments, hearing.lag_ms)
        columns.append(counts_of(corpus, outcome, grid.prefixes_ms))
    return columns


def summed(corpus: Corpus, columns: Sequence[Counts]) -> tuple[dict[str, Array], Array]:
    """Return counts per recording, (recordings, columns), or with prefixes behind; and delays with bins behind."""
    shape = (corpus.calls, len(columns))
    sums = {name: np.stack([column.of[name] for column in columns], axis=1) for name in COUNTS}
    totals = {name: np.broadcast_to(one[:, None], shape) for name, one in corpus.totals().items()}
    clipped = {"clipped": np.stack([column.clipped for column in columns], axis=1)}
    every = {name: array.astype(np.float32) for name, array in (sums | totals | clipped).items()}
    return every, np.stack([column.delays for column in columns], axis=1)


def metrics_of(weights: Array, sums: Mapping[str, Array], delays: Array) -> Side:
    """Return each metric for each row of weights (draws, recordings): (draws, silences[, prefixes])."""
    added = {name: _weighed(weights, counts) for name, counts in sums.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Side = {name: _sum(added, parts) / added[of] for name, (parts, of) in RATIOS.items()}
        found[CLIPPED] = added["clipped"] / added["found"][..., None]
    return found | _quantiles(_weighed(weights, delays))


def _sum(added: Mapping[str, Array], parts: Iterable[str]) -> Array:
    first, *rest = (added[part] for part in parts)
    return first + rest[0] if rest else first


def _weighed(weights: Array, counts: Array) -> Array:
    """Add up counts over the recordings, each as often as it was drawn."""
    flat: Array = weights @ counts.reshape(len(counts), -1)
    return flat.reshape(len(weights), *counts.shape[1:])


def _quantiles(delays: Array) -> Side:
    """Return the delays that so many of the turns stay under, from counts in bins: (…, bins) -> (…).

    Infinite, where it is the delay of turns that were not ended.
    """
    upto = np.cumsum(delays, axis=-1)
    total = upto[..., -1]
    found = {}
    for name, share in QUANTILES.items():
        place = np.argmax(upto >= (share * total)[..., None], axis=-1)
        ended = np.where(place == delays.shape[-1] - 1, np.inf, (place + 0.5) * BIN_MS)
        found[name] = np.where(total > 0, ended, np.nan).astype(np.float32)
    return found
