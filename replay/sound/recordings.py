"""Stereo recordings of calls as sound and turns: reading WAV files, the rate of the phone, who speaks when."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from re import compile as pattern
from typing import Final

from attrs import define, field, frozen

from bridge.errors import BridgeError
from bridge.heart.audio import FRAME_BYTES, SILENCE
from bridge.sound.g711 import LINEAR, ulaw_of
from bridge.sound.wave_file import WaveError, read_wave

RATE: Final = 8000
JOINED_FRAMES: Final = 25
"""A pause of half a second ends a turn, as turn detection has it by default."""

FEWEST_FRAMES: Final = 5
"""100 ms; what is shorter is a click. With a silent line behind it, it is sound all the same."""

MARGIN_FRAMES: Final = 5
LOUD: Final = 3
"""Speech is at least so many times as loud as the line is when it is quiet, 10 dB."""

LOUDEST_QUIET: Final = 400
"""A line can't be louder than this when it is quiet, of 32 768: more is somebody who never pauses."""

LINE: Final = pattern(r"\[?\s*(\d+(?:\.\d+)?)\s*s?\]?\s+(caller|agent)\s*:\s*(.*\S)\s*", 2)


class RecordingError(BridgeError):
    """A recording or its transcript can't be used."""


@frozen
class Recording:
    """Both sides of a call as µ-law of the same length, in whole frames of 20 ms."""

    caller: bytes = field(repr=False)
    agent: bytes = field(repr=False)


@define
class Turn:
    """Somebody speaks from one frame of 20 ms up to another, and says these words, if they are known."""

    first: int
    end: int
    words: str = ""


def read_recording(path: Path) -> Recording:
    """Read a stereo WAV at any rate: left the caller, right the agent. Raises `RecordingError`."""
    try:
        sound = read_wave(path, channels=2)
    except (OSError, WaveError) as error:
        raise RecordingError(f"{error} (left the caller, right the agent)") from None
    return Recording(*(_whole(ulaw_of(resampled(side, sound.rate))) for side in sound.channels))


def _whole(audio: bytes) -> bytes:
    return audio.ljust(-(-len(audio) // FRAME_BYTES) * FRAME_BYTES, SILENCE)


def resampled(samples: Sequence[int], rate: int) -> Sequence[int]:
    """Return the samples at 8 kHz, by straight lines between them: good enough for speech, not for music."""
    if rate == RATE or not samples:
        return samples
    last, length = len(samples) - 1, len(samples) * RATE // rate
    found = []
    for number in range(length):
        place, part = divmod(number * rate, RATE)
        here, there = samples[place], samples[min(place + 1, last)]
        found.append(here + (there - here) * part // RATE)
    return found


# ---------------------------------------------------------------- who speaks when


def turns_of(audio: bytes) -> list[Turn]:
    """Return when somebody speaks: frames louder than the line is when it is quiet, short pauses bridged."""
    levels = [_level(audio[place : place + FRAME_BYTES]) for place in range(0, len(audio), FRAME_BYTES)]
    quiet = min(sorted(levels)[len(levels) // 10], LOUDEST_QUIET) if levels else 0
    fewest, margin = (FEWEST_FRAMES, MARGIN_FRAMES) if quiet else (1, 0)
    joined = _joined(_stretches([level > LOUD * quiet for level in levels]))
    found = [turn for turn in joined if turn.end - turn.first >= fewest]
    return [Turn(max(0, turn.first - margin), min(len(levels), turn.end + margin)) for turn in found]


def _level(frame: bytes) -> int:
    """Return how loud a frame is: the mean of its samples' sizes, and 0 for nothing but silence."""
    return -(-sum(map(SIZES.__getitem__, frame)) // FRAME_BYTES)


SIZES: Final = tuple(abs(sample) or (code != SILENCE[0]) for code, sample in enumerate(LINEAR))


def _stretches(is_loud: list[bool]) -> Iterator[Turn]:
    place = 0
    for loud, run in groupby(is_loud):
        length = len(list(run))
        if loud:
            yield Turn(place, place + length)
        place += length


def _joined(stretches: Iterator[Turn]) -> list[Turn]:
    turns: list[Turn] = []
    for stretch in stretches:
        if turns and stretch.first - turns[-1].end < JOINED_FRAMES:
            turns[-1].end = stretch.end
        else:
            turns.append(stretch)
    return turns


# ---------------------------------------------------------------- transcripts


def give_words(path: Path, caller: list[Turn], agent: list[Turn]) -> None:
    """Give every line of a transcript, `SECONDS caller|agent: words`, to the turn nearest. Raises `RecordingError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: can't be read as text: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        turns = caller if found and found[2].lower() == "caller" else agent
        if found is None:
            raise RecordingError(
                f"{path}, line {number}: {line[:60]!r}: write SECONDS caller: WORDS, or agent"
            )
        if not turns:
            raise RecordingError(
                f"{path}, line {number}: nobody speaks on the {found[2]}'s side of the recording"
            )
        frame = round(float(found[1]) * 50)
        turn = min(turns, key=lambda turn: max(turn.first - frame, frame - turn.end, 0))
        turn.words = f"{turn.words} {found[3]}".strip()
