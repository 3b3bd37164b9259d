"""What composed calls are spoken with: recorded digits, the caller's clips, or a folder of recordings of one's own."""

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from attrs import field, frozen

from bridge.errors import BridgeError
from bridge.sound.wave_file import WaveError, read_wave
from replay.sound.clips import clip
from replay.vad.compose.sound import (
    FRAME,
    FRAME_MS,
    FULL_SCALE,
    RATE,
    Samples,
    audible_frames,
    on_the_line,
    samples_of,
    spoken_level,
)
from replay.vad.truth.truth import LONG_PAUSE_MS, SHORT_MS, Span

DIGITS: Final = Path(__file__).parent / "data" / "digits.npz"
NAMES: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

MARGIN_FRAMES: Final = 5
"""Frames kept before and after what is audible: breath and decay belong to a voice. What is further away is room."""

FEWEST_FRAMES: Final = 3
"""An audible stretch between pauses lasts at least 30 ms; what is shorter is a smack of the lips."""

FADE: Final = FRAME // 2
"""Samples over which a cut fades, so that it does not click: 5 ms."""

QUALITY: Final = "VHQ"
"""soxr's name for its best; files are resampled once."""


class ComposeError(BridgeError):
    """A call can't be composed from what was given; the message says why, and what to do."""


@frozen(eq=False)
class Piece:
    """One recording of somebody speaking, as it comes out of a telephone line.

    samples: float64 at 8 kHz, whole frames of 10 ms, the audible ones with an RMS of 1. lead_ms: how much of it comes
    before the first audible frame. speech: its audible stretches, from the first audible frame on; silences of less
    than 200 ms are part of them.
    """

    text: str
    samples: Samples = field(repr=False)
    lead_ms: int
    speech: tuple[Span, ...]

    @property
    def length_ms(self) -> int:
        """Return how long it lasts from its first audible frame to its last."""
        return self.speech[-1].end_ms


def piece_of(samples: Samples, text: str) -> Piece:
    """Return a recording at 8 kHz as a piece. Raises `ComposeError` for one without a sound."""
    frames = on_the_line(np.pad(samples, (0, -len(samples) % FRAME)))
    stretches = _stretches(np.flatnonzero(audible_frames(frames)))
    if not stretches:
        raise ComposeError(f"{text}: nothing is to be heard in it; use recordings of somebody who speaks")
    first, end = stretches[0][0], stretches[-1][1]
    begin = max(0, first - MARGIN_FRAMES)
    cut = _faded(frames[begin * FRAME : (end + MARGIN_FRAMES) * FRAME])
    speech = tuple(Span((one - first) * FRAME_MS, (other - first) * FRAME_MS) for one, other in stretches)
    return Piece(text, cut / spoken_level(cut), (first - begin) * FRAME_MS, speech)


def _stretches(audible: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[tuple[int, int]]:
    """Return the runs of audible frames, joined where less than a pause is between them; no lone clicks."""
    if not len(audible):
        return []
    splits = np.flatnonzero(np.diff(audible) > LONG_PAUSE_MS // FRAME_MS)
    firsts = audible[np.concatenate(([0], splits + 1))]
    lasts = audible[np.concatenate((splits, [len(audible) - 1]))]
    found = [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]
    return [(first, end) for first, end in found if end - first >= FEWEST_FRAMES]


def _faded(samples: Samples) -> Samples:
    faded, ramp = samples.copy(), np.linspace(0, 1, FADE)
    faded[:FADE] *= ramp
    faded[-FADE:] *= ramp[::-1]
    return faded


# ---------------------------------------------------------------- what comes with the lab


@cache
def digits() -> tuple[Piece, ...]:
    """Return 60 spoken digits: ten by each of six people."""
    with np.load(DIGITS) as file:
        return tuple(piece_of(samples_of(file[name].tobytes()), NAMES[int(name[0])]) for name in sorted(file))


CLIPS: Final = ("caller_hours", "caller_table", "caller_thanks", "caller_yes", "caller_no", "caller_stop")
"""Named, since another clip would change every call composed so far: a recipe, a seed and a number are a call."""


@cache
def spoken() -> tuple[Piece, ...]:
    """Return what the caller says in these clips, cut at its pauses where its punctuation tells the words apart."""
    return tuple(part for one in map(clip, CLIPS) for part in parts_of(samples_of(one.audio), one.text))


def parts_of(samples: Samples, text: str) -> list[Piece]:
    """Return a recording cut at its pauses, if its sentences, or else its clauses, are as many as its stretches."""
    whole = piece_of(samples, text)
    for marks in (".!?", ".!?,"):
        parts = _split(text, marks)
        if len(parts) == len(whole.speech) > 1:
            middles = [
                (one.end_ms + other.start_ms) // 2 + whole.lead_ms for one, other in pairwise(whole.speech)
            ]
            cuts = np.split(whole.samples, [ms // FRAME_MS * FRAME for ms in middles])
            return [piece_of(cut, part) for cut, part in zip(cuts, parts, strict=True)]
    return [whole]


def _split(text: str, marks: str) -> list[str]:
    for mark in marks:
        text = text.replace(mark, mark + "\n")
    return [part.strip(" ,") for part in text.splitlines() if part.strip()]


@cache
def words() -> tuple[Piece, ...]:
    """Return the short replies: digits, and of the clips what is as short as those."""
    return digits() + tuple(piece for piece in spoken() if piece.length_ms <= SHORT_MS)


@cache
def phrases() -> tuple[Piece, ...]:
    """Return what is longer than a short reply."""
    return tuple(piece for piece in spoken() if piece.length_ms > SHORT_MS)


# ---------------------------------------------------------------- recordings of one's own


def pieces_in(folder: Path) -> tuple[Piece, ...]:
    """Return the WAV files of a folder as pieces, their names as words. Raises `ComposeError`."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav")
        stamps = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
    except OSError as error:
        raise ComposeError(f"{folder}: can't be read: {error.strerror or error}") from None
    if not stamps:
        raise ComposeError(
            f"{folder}: no WAV file in this folder; put recordings there, one word or phrase each"
        )
    return _pieces(stamps)


@cache
def _pieces(stamps: tuple[tuple[str, int], ...]) -> tuple[Piece, ...]:
    """Return the pieces of these files; a file that changed since is read again, as its time stands beside it."""
    return tuple(_piece_in(Path(path)) for path, _ in stamps)


def _piece_in(path: Path) -> Piece:
    text = " ".join(path.stem.replace("_", " ").replace("-", " ").split())
    try:
        return piece_of(_read(path), text)
    except ComposeError as error:
        raise ComposeError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def _read(path: Path) -> Samples:
    """Return a WAV file's samples at 8 kHz."""
    try:
        sound = read_wave(path, channels=1)
    except (OSError, WaveError) as error:
        raise ComposeError(str(error)) from None
    samples: Samples = np.asarray(sound.channels[0]) / FULL_SCALE
    if sound.rate == RATE:
        return samples
    return np.asarray(soxr.resample(samples, sound.rate, RATE, quality=QUALITY))
