"""A clip is read once, and played to every caller: what can't be played is told before anybody calls."""

import wave
from pathlib import Path

import pytest

from bridge.heart.audio import SILENCE, bytes_of, to_pcm16
from bridge.sound.clip_files import MOST_FILE_BYTES, ClipError, read_clip
from replay.sound.formats import murmur

SOUND = murmur(800)


def a_wave(path: Path, sound: bytes = SOUND, *, rate: int = 8000, channels: int = 1) -> Path:
    """Write a WAV file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(to_pcm16(sound))
    return path


def test_a_wave_file_comes_out_as_the_telephone_s_codes(tmp_path: Path) -> None:
    assert to_pcm16(read_clip(a_wave(tmp_path / "a.wav"))) == to_pcm16(SOUND)


@pytest.mark.parametrize("name", ["a.ulaw", "a.UL", "a.pcmu"])
def test_a_bare_file_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SOUND)
    assert read_clip(tmp_path / name) == SOUND


@pytest.mark.parametrize(
    ("sound", "rate", "channels", "words"),
    [
        (SOUND, 44_100, 1, "44100 Hz"),
        (SOUND, 8000, 2, "2 channels"),
        (b"", 8000, 1, "lasts 0 ms"),
        (murmur(50), 8000, 1, "lasts 50 ms"),
        (murmur(10_020), 8000, 1, "lasts 10020 ms"),
        (SILENCE * bytes_of(500), 8000, 1, "can't be heard"),
    ],
)
def test_what_can_t_be_played_says_what_it_is(
    tmp_path: Path, sound: bytes, rate: int, channels: int, words: str
) -> None:
    with pytest.raises(ClipError, match=words):
        read_clip(a_wave(tmp_path / "a.wav", sound, rate=rate, channels=channels))


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (44_100, 1), (8000, 2)])
def test_one_command_makes_a_clip_whatever_is_wrong_with_it(tmp_path: Path, rate: int, channels: int) -> None:
    command = r"ffmpeg -i a\.wav -ar 8000 -ac 1 -c:a pcm_mulaw OUT\.wav"
    with pytest.raises(ClipError, match=command):
        read_clip(a_wave(tmp_path / "a.wav", rate=rate, channels=channels))


def test_what_is_no_sound_file_says_what_makes_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"ID3\x03 an MP3 under another name")
    with pytest.raises(ClipError, match="ffmpeg"):
        read_clip(tmp_path / "a.wav")


def test_a_file_that_is_not_there_or_far_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="No such file"):
        read_clip(tmp_path / "a.wav")
    with (tmp_path / "b.wav").open("wb") as file:
        file.truncate(MOST_FILE_BYTES + 1)
    with pytest.raises(ClipError, match="MB"):
        read_clip(tmp_path / "b.wav")
