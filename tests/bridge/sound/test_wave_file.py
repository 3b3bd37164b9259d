"""WAV files as others write them: whatever the header looks like, the same sound comes out."""

import struct
from array import array
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bridge.sound.g711 import LINEAR, ulaw_of
from bridge.sound.wave_file import WaveError, read_wave
from replay.cli import main
from replay.sound.clips import clip

GUID = bytes.fromhex("0000000000001000800000aa00389b71")[2:]
SPEECH = clip("caller_hours").audio.replace(b"\x7f", b"\xff")  # of the two zeros one
LEFT, RIGHT = SPEECH, bytes(reversed(SPEECH))
PCM16 = struct.pack(
    f"<{2 * len(LEFT)}h", *(LINEAR[code] for pair in zip(LEFT, RIGHT, strict=True) for code in pair)
)
MU_LAW = bytes(code for pair in zip(LEFT, RIGHT, strict=True) for code in pair)


def header(tag: int, bits: int, *, channels: int = 2, rate: int = 8000, more: bytes = b"") -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more


def riff(
    head: bytes, sound: bytes, *, size: int | None = None, between: bytes = b"", name: bytes = b"RIFF"
) -> bytes:
    told = struct.pack("<I", len(sound) if size is None else size)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + between + b"data" + told + sound
    return name + struct.pack("<I", len(body) if size is None else size) + body


def extensible(tag: int, bits: int) -> bytes:
    return header(0xFFFE, bits, more=struct.pack("<HHIH", 22, bits, 3, tag) + GUID)


def wider(bytes_more: int) -> bytes:
    return b"".join(bytes(bytes_more) + PCM16[at : at + 2] for at in range(0, len(PCM16), 2))


FLOATS = array("f", [sample / 32768 for sample in array("h", PCM16)]).tobytes()
PLAIN = header(1, 16)
FILES = {
    "plain": riff(PLAIN, PCM16),
    "µ-law": riff(header(7, 8), MU_LAW),
    "µ-law with cbSize and fact": riff(header(7, 8, more=b"\0\0"), MU_LAW, between=b"fact\4\0\0\0\0\0\0\0"),
    "extensible": riff(extensible(1, 16), PCM16),
    "extensible µ-law": riff(extensible(7, 8), MU_LAW),
    "24 bits": riff(header(1, 24), wider(1)),
    "32 bits": riff(extensible(1, 32), wider(2)),
    "floating point": riff(header(3, 32), FLOATS),
    "written to a pipe, size 0": riff(PLAIN, PCM16, size=0),
    "written to a pipe, largest size": riff(PLAIN, PCM16, size=0xFFFFFFFF),
    "written to a pipe by sox": riff(PLAIN, PCM16, size=0x7FFFFFFF - 36),
    "RF64": riff(PLAIN, PCM16, size=0xFFFFFFFF, name=b"RF64", between=b"JUNK\3\0\0\0abc\0"),
    "notes before and after": riff(PLAIN, PCM16, between=b"LIST\4\0\0\0INFO") + b"LIST\4\0\0\0INFO",
}


@pytest.mark.parametrize("kind", FILES)
def test_the_same_sound_comes_out_of_every_kind_of_header(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(FILES[kind])
    wave = read_wave(path, channels=2)
    assert wave.rate == 8000
    assert [ulaw_of(side) for side in wave.channels] == [LEFT, RIGHT]


@pytest.mark.parametrize(
    "subtype", ["ALAW", "ULAW", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]
)
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_samples_are_those_that_another_library_reads(tmp_path: Path, subtype: str, container: str) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, [[sample / 40000, -sample / 40000] for sample in range(-32000, 32000, 77)], 8000,
                    subtype=subtype, format=container)  # fmt: skip
    theirs, _ = soundfile.read(path)
    for mine, others in zip(read_wave(path, channels=2).channels, theirs.T, strict=True):
        assert max(abs(one - 32768 * other) for one, other in zip(mine, others, strict=True)) <= 1


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_is_imported(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(FILES[kind])
    result = CliRunner().invoke(main, ["import", str(path), "-o", str(tmp_path / "call.jsonl")])
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no WAV file"),
        (b"ID3\4 an MP3 of any size at all", "is no WAV file"),
        (b"RIFF\4\0\0\0WAVE", "is no WAV file"),
        (riff(header(0x55, 0), b"x" * 100), "is a WAV file of MP3"),
        (riff(header(0x1234, 16), b"x" * 100), "is a WAV file of format 0x1234"),
        (riff(header(1, 16, channels=1), b"x" * 100), ": 1 channel of 16 bits: 2 of 16 are needed"),
        (riff(header(7, 8, channels=6), b"x" * 96), ": 6 channels of format 0x7"),
        (riff(header(1, 16, rate=0), b"x" * 100), "is no WAV file"),
    ],
)
def test_what_cant_be_read_says_what_makes_it_readable(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(data)
    with pytest.raises(
        WaveError, match=r"ffmpeg -i call\.wav -ac 2 -c:a pcm_s16le OUT\.wav .*\(ffmpeg is a package"
    ) as told:
        read_wave(path, channels=2)
    assert said in str(told.value)


@given(st.binary(max_size=200), st.sampled_from(list(FILES.values())))
def test_a_header_of_anything_is_read_or_refused(noise: bytes, whole: bytes) -> None:
    path = Path("/dev/shm/wave") if Path("/dev/shm").is_dir() else Path("wave")
    for data in (
        noise,
        whole[: len(noise)],
        whole[:12] + noise,
        whole[:20] + noise + whole[20 + len(noise) :][:4000],
    ):
        path.write_bytes(data)
        try:
            wave = read_wave(path, channels=2)
        except WaveError:
            continue
        assert len({len(side) for side in wave.channels}) == 1
    path.unlink()
