"""Servers of our own making that are hidden from the lab: other detectors than those it listens with.

A server is what it makes of a call, a number from 0 to 1 for each window of 32 ms, and the machine behind that. One of
them needs webrtcvad-wheels, which nothing else here does.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import numpy as np
from attrs import field, frozen

from bridge.sound.g711 import LINEAR
from replay.sound.ears import smoothed
from replay.sound.silero import LEVELS, WINDOW_BYTES, probabilities
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.compose.sound import samples_of, ulaw_of
from replay.vad.engine.machine import Hearing, Setting, Track, runs_of, segments_of, silence_windows
from replay.vad.truth.recording import ServerTurn


@frozen
class Server:
    """One hidden server: what it hears by, on its own scale, and how it goes on from there."""

    name: str
    listen: Callable[[bytes], Floats] = field(repr=False)
    hearing: Hearing

    def turns(self, audio: bytes, heard: Floats, setting: Setting) -> tuple[ServerTurn, ...]:
        """Return the turns that it tells of a call, with what it heard given."""
        marks = self.hearing.threshold(setting.threshold), self.hearing.release(setting.threshold)
        runs = runs_of(Track.of([heard]), *marks, self.hearing.start_windows)
        found = segments_of(runs, silence_windows(setting.silence_duration_ms))
        lag_ms = self.hearing.lag_ms
        return tuple(
            ServerTurn(
                max(0, (first + 1) * WINDOW_MS - setting.prefix_padding_ms + lag_ms),
                None if stop < 0 else (stop + 1) * WINDOW_MS + lag_ms,
            )
            for first, stop in zip(found.first.tolist(), found.stop.tolist(), strict=True)
        )


# ---------------------------------------------------------------- what they hear by


def mapped(audio: bytes) -> Floats:
    """Silero at 8 kHz on a scale of its own: a threshold of 0.6 asked for is one of 0.46 inside, 0.7 one of 0.59."""
    return probabilities(audio, "carry", "8k") ** (1 / SCALE)


SCALE: Final = 1.5


def slow(audio: bytes) -> Floats:
    """Silero with smoothed probabilities, by a weight between those that the lab tries."""
    return smoothed(probabilities(audio), 0.42)


def behind_a_gate(audio: bytes) -> Floats:
    """Silero with its memory emptied in quiet, behind a gate that is not the lab's: higher, slower, in other blocks."""
    samples = LEVELS[np.frombuffer(audio, dtype=np.uint8)]
    blocks = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 160)
    is_open, hold = np.square(blocks).mean(axis=1) >= 10 ** (-42 / 10), 9
    for _ in range(hold):
        is_open[1:] |= is_open[:-1].copy()
    quiet = ~np.repeat(is_open, 160)[: len(samples)]
    silenced = np.where(quiet, 0xFF, np.frombuffer(audio, dtype=np.uint8)).astype(np.uint8)
    return probabilities(silenced.tobytes(), "reset")


def votes(audio: bytes) -> Floats:
    """WebRTC's detector in its four modes, each asked every 10 ms: the share of yeses, smoothed."""
    vads: Any = import_module("webrtcvad")
    samples = np.array(LINEAR, dtype="<i2")[np.frombuffer(audio, dtype=np.uint8)]
    modes = [vads.Vad(mode) for mode in range(4)]
    frames = [samples[start : start + 80].tobytes() for start in range(0, len(samples) - 79, 80)]
    told = np.array([[mode.is_speech(frame, 8000) for frame in frames] for mode in modes], dtype=np.float32)
    ends = (np.arange(len(frames)) + 1) * 80
    window = np.minimum((ends - 1) // WINDOW_BYTES, len(audio) // WINDOW_BYTES - 1)
    count = np.bincount(window, minlength=len(audio) // WINDOW_BYTES)
    share = np.bincount(window, weights=told.mean(axis=0), minlength=len(count)) / np.maximum(count, 1)
    return smoothed(share.astype(np.float32), 0.5)


def energy(audio: bytes) -> Floats:
    """How far a window's level is above a floor that follows the quiet: 6 dB are nothing, 30 dB are certain."""
    samples = LEVELS[np.frombuffer(audio, dtype=np.uint8)]
    windows = samples[: len(samples) // WINDOW_BYTES * WINDOW_BYTES].reshape(-1, WINDOW_BYTES)
    levels = 10 * np.log10(np.square(windows).mean(axis=1) + 1e-9)
    floor, found = float(levels[0]) if len(levels) else 0.0, []
    for level in levels.tolist():
        floor = level if level < floor else floor + min(0.05, 0.02 * (level - floor))
        found.append((level - floor - 6) / 24)
    return np.clip(np.array(found, dtype=np.float32), 0, 1)


def levelled(audio: bytes) -> Floats:
    """Silero at 8 kHz behind an automatic level control, which brings loud and faint callers to about the same."""
    samples = samples_of(audio)
    blocks = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 160)
    level, gains = 10 ** (-26 / 20), []
    for loudness in np.sqrt(np.square(blocks).mean(axis=1)).tolist():
        if loudness > 10 ** (-50 / 20):  # it holds in quiet, or it would pump the noise up
            level += (0.2 if loudness > level else 0.02) * (loudness - level)
        gains.append(min(max(10 ** (-20 / 20) / level, 0.25), 6.0))
    louder = samples * np.repeat(gains, 160)[: len(samples)]
    return smoothed(probabilities(ulaw_of(np.clip(louder, -1, 1)), "reset", "8k"), 0.6)


def middle_of_three(audio: bytes) -> Floats:
    """Silero of which the middle of the last three windows counts, and on another scale."""
    heard = np.concatenate((np.zeros(2, np.float32), probabilities(audio)))
    middle = np.median(np.lib.stride_tricks.sliding_window_view(heard, 3), axis=1)
    return (middle**1.3).astype(np.float32)


SERVERS: Final = (
    Server("Silero 8 kHz with a threshold map", mapped, Hearing(hysteresis=0.1, start_windows=2)),
    Server("Silero smoothed", slow, Hearing(hysteresis=0.2, lag_ms=40)),
    Server("Silero behind a noise gate", behind_a_gate, Hearing(hysteresis=0.12, start_windows=2, lag_ms=20)),
    Server("WebRTC, a vote of its modes", votes, Hearing(hysteresis=0.1, start_windows=2)),
    Server("adaptive energy", energy, Hearing(hysteresis=0.15, start_windows=3)),
)

LATER: Final = (
    Server(
        "Silero 8 kHz behind a level control", levelled, Hearing(hysteresis=0.18, start_windows=2, lag_ms=60)
    ),
    Server("Silero, the middle of three windows", middle_of_three, Hearing(hysteresis=0.1, lag_ms=10)),
)
"""Made when the lab's intervals were decided, and heard for the first time then: nothing was chosen for them."""
