"""How far the local model's word can be taken: what it says of the server's own settings, against what the server did.

Model and server may agree in nine of ten events and the advice be wrong, or in eight of ten and it be right: what
counts is by how much the numbers move that advice stands on. So they are measured twice on calls that were not used
for the fit, by the server's events and by the model's; what lies between is how far any promise may be off. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from attrs import evolve

from replay.sound.ears import Ear, smoothed
from replay.sound.silero_network import Floats
from replay.vad.engine.machine import Hearing, Ints, Setting
from replay.vad.study.changes import outcome_under
from replay.vad.study.intervals import Array, Z, ends_of
from replay.vad.study.metrics import counts_of, judged
from replay.vad.study.observed import Session, corpus_of, sessions_of, stretches_heard
from replay.vad.study.sweep import Measured, Sweep, drawn_calls, metrics_of, summed
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Truth

TRUSTED: Final = ("turns_cut", "short_missed", "missed", "false_per_hour", "not_ended", "delay_mean_ms")

WORTH: Final[Mapping[str, float]] = {
    "turns_cut": 0.05, "short_missed": 0.08, "missed": 0.05, "false_per_hour": 30, "not_ended": 0.05,
    "delay_mean_ms": 80,
}  # fmt: skip
"""What may lie between model and server: half of the usual budgets, and a delay that a caller hardly notices. Of short
replies a few dozen calls have so few that chance alone makes five points."""

RESAMPLES: Final = 500

Sums: TypeAlias = tuple[dict[str, Array], Array]
"""What was counted of each session, and its delays."""


def apart_of(
    recordings: Sequence[Recording],
    listened_to: Sequence[Mapping[Ear, Floats]],
    truths: Sequence[Truth],
    hearings: Mapping[str, Hearing],
    ended_within_ms: int,
) -> dict[str, Measured]:
    """Return how far what the server did is above what the model says of it, by metric.

    hearings: the one to model each call by, which was fitted without it, by call id. Sessions are compared at the
    setting that each had; the intervals resample calls.
    """
    there: list[Sums] = []
    here: list[Sums] = []
    calls: list[int] = []
    for hearing in dict.fromkeys(hearings.values()):
        heard = [smoothed(one[hearing.ear], hearing.smoothing) for one in listened_to]
        for setting, own in _sessions(recordings, {call for call, one in hearings.items() if one == hearing}):
            corpus = corpus_of(own, recordings, heard, truths, ended_within_ms)
            prefixes = (setting.prefix_padding_ms,)
            there.append(
                summed(corpus, [counts_of(corpus, judged(corpus, stretches_heard(corpus, own)), prefixes)])
            )
            here.append(
                summed(corpus, [counts_of(corpus, outcome_under(corpus, setting, hearing), prefixes)])
            )
            calls += [one.call for one in own]
    return _between(there, here, np.array(calls), len(recordings)) if calls else {}


def _sessions(recordings: Sequence[Recording], calls: set[str]) -> list[tuple[Setting, list[Session]]]:
    """Return the sessions of these calls that had server_vad, by setting."""
    found: dict[Setting, list[Session]] = {}
    for session in sessions_of(recordings):
        setting = session.heard.setting
        if isinstance(setting, Setting) and recordings[session.call].call_id in calls:
            found.setdefault(setting, []).append(session)
    return list(found.items())


def _between(there: Sequence[Sums], here: Sequence[Sums], calls: Ints, total: int) -> dict[str, Measured]:
    weights = np.concatenate((np.ones((1, total), np.float32), drawn_calls(total, RESAMPLES, seed=0)))[
        :, calls
    ]
    first, second = (metrics_of(weights, *_together(parts)) for parts in (there, here))
    found = {}
    for name in TRUSTED:
        apart = (first[name] - second[name]).ravel()
        found[name] = Measured(float(apart[0]), *map(float, ends_of(apart[1:])))
    return found


def _together(parts: Sequence[Sums]) -> Sums:
    names = parts[0][0]
    sums = {name: np.concatenate([one[name] for one, _ in parts]) for name in names}
    return sums, np.concatenate([delays for _, delays in parts])


# ---------------------------------------------------------------- what follows from it


def moves(apart: Measured) -> float:
    """Return how far a promise may move: what lies between, and how uncertain that is, together as squares."""
    deviation = (apart.high - apart.low) / (2 * Z)
    return float(np.hypot(apart.value, deviation))


def too_far(apart: Mapping[str, Measured]) -> dict[str, float]:
    """Return the metrics that may move further than advice can bear, with how far."""
    far = {name: moves(one) for name, one in apart.items()}
    return {name: one for name, one in far.items() if one > WORTH[name]}


SAID: Final[Mapping[str, str]] = {
    "turns_cut": "{:.1f} points of turns cut off",
    "short_missed": "{:.1f} points of short replies missed",
    "missed": "{:.1f} points of turns missed",
    "false_per_hour": "{:.0f} false starts an hour",
    "not_ended": "{:.1f} points of turns not ended",
    "delay_mean_ms": "{:.0f} ms of delay",
}


def in_words(far: Mapping[str, float]) -> str:
    """Return how far metrics move, for people."""
    *others, last = (SAID[name].format(one * (100 if WORTH[name] < 1 else 1)) for name, one in far.items())
    return f"{', '.join(others)} and {last}" if others else last


def doubted(sweep: Sweep, apart: Mapping[str, Measured]) -> Sweep:
    """Return a sweep whose intervals also hold how far the model may be off, to the side on which it is."""
    low, high = dict(sweep.low), dict(sweep.high)
    for name, one in apart.items():
        if name in low:
            value = sweep.values[name]
            low[name] = np.maximum(value - np.hypot(value - low[name], max(0.0, -one.low)), 0)
            high[name] = value + np.hypot(high[name] - value, max(0.0, one.high))
    return evolve(sweep, low=low, high=high)
