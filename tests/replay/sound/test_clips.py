"""The lab's phrases: each is there, fits the phone line, is as loud as the others, and can be asked for."""

import math
from pathlib import Path

import attrs
import pytest

import replay
from bridge.heart.audio import FRAME_BYTES
from bridge.sound.g711 import LINEAR
from replay.sound.clips import UnknownClipError, clip, names

VOICES = Path(replay.__file__).parent / "sound" / "voices"
QUIET = 10 ** (-30 / 10)  # the energy of a pause, against the loudest frame


def dbfs(amplitude: float) -> float:
    """Against full scale: 0 is a square wave of 32 768."""
    return 20 * math.log10(amplitude / 32768)


def peak(audio: bytes) -> int:
    return max(abs(LINEAR[code]) for code in audio)


def energies(audio: bytes) -> list[float]:
    """The mean square of every 20 ms frame."""
    frames = (audio[start : start + FRAME_BYTES] for start in range(0, len(audio), FRAME_BYTES))
    return [sum(LINEAR[code] ** 2 for code in frame) / FRAME_BYTES for frame in frames]


def speaking(audio: bytes) -> list[bool]:
    """Which 20 ms frames hold speech."""
    frames = energies(audio)
    return [energy > max(frames) * QUIET for energy in frames]


def speech_level(audio: bytes) -> float:
    """Root mean square of the frames that hold speech."""
    frames = [energy for energy, loud in zip(energies(audio), speaking(audio), strict=True) if loud]
    return math.sqrt(sum(frames) / len(frames))


def longest_pause_ms(audio: bytes) -> int:
    pauses = "".join("x" if loud else " " for loud in speaking(audio)).strip().split("x")
    return 20 * max(len(pause) for pause in pauses)


def test_the_index_and_the_files_name_the_same_clips() -> None:
    assert {path.stem for path in VOICES.glob("*.ulaw")} == set(names())


def test_all_clips_together_stay_small() -> None:
    assert sum(len(clip(name).audio) for name in names()) < 900_000


@pytest.mark.parametrize("name", names())
def test_a_clip_is_whole_media_frames(name: str) -> None:
    assert len(clip(name).audio) % FRAME_BYTES == 0
    assert clip(name).ms >= 400


@pytest.mark.parametrize("name", names())
def test_a_clip_says_something_and_knows_who_says_it(name: str) -> None:
    assert clip(name).text
    assert name.startswith(clip(name).speaker + "_")
    assert clip(name).speaker in ("agent", "caller", "colleague", "machine")


@pytest.mark.parametrize("name", names())
def test_a_clip_is_as_loud_as_the_others_and_leaves_headroom(name: str) -> None:
    assert -21 <= dbfs(speech_level(clip(name).audio)) <= -19
    assert dbfs(peak(clip(name).audio)) <= -3


@pytest.mark.parametrize("name", names())
def test_a_clip_begins_and_ends_without_a_click(name: str) -> None:
    audio = clip(name).audio
    assert dbfs(max(peak(audio[:8]), peak(audio[-8:]), 1)) < -50


@pytest.mark.parametrize("name", names())
def test_no_pause_in_a_clip_is_long_enough_to_end_a_turn(name: str) -> None:
    assert longest_pause_ms(clip(name).audio) < 450  # the model's default silence_duration_ms is 500


def test_the_story_is_long_enough_to_interrupt() -> None:
    assert 20_000 <= clip("agent_story").ms <= 25_000


def test_a_clip_lasts_a_millisecond_for_every_eight_bytes() -> None:
    assert attrs.evolve(clip("caller_yes"), audio=bytes(1600)).ms == 200


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(
        UnknownClipError, match=r"no clip is called 'caller_maybe': use one of agent_greeting, "
    ):
        clip("caller_maybe")
