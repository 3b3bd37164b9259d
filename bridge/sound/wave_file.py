"""WAV files as phone systems, recorders and ffmpeg write them, read as samples of 16 bits.

Python's own `wave` reads integers under a plain header alone: no µ-law, no A-law, no WAVE_FORMAT_EXTENSIBLE before
3.12, and nothing that was written to a pipe, whose header could not know how long the sound would be.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from sys import byteorder
from typing import Final, Literal

from attrs import field, frozen

from bridge.errors import BridgeError
from bridge.sound.g711 import ALAW, LINEAR
from bridge.text.wording import counted

MOST_BYTES: Final = 2_000_000_000
"""An hour of stereo at 48 kHz and 32 bits is 1.4 GB."""

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
"""Format tags of RFC 2361; of an extensible header the tag stands in the first two bytes of a GUID."""

NAMES: Final = {0x02: "ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x45: "G.726", 0x50: "MPEG", 0x55: "MP3"}
TAG_OF_EXTENSIBLE: Final = 24


class WaveError(BridgeError):
    """A file can't be read as a WAV file of so many channels; the message says what makes one of it."""


@frozen
class Wave:
    """Sound at a rate, as signed samples of 16 bits: an array for each channel, all of one length."""

    rate: int
    channels: tuple["array[int]", ...] = field(repr=False)


@frozen
class _Format:
    tag: int
    channels: int
    rate: int
    bits: int

    @property
    def name(self) -> str:
        if self.tag in (PCM, FLOAT):
            return f"{self.bits} bits" + (" (floating point)" if self.tag == FLOAT else "")
        return NAMES.get(self.tag, f"format {self.tag:#x}")


def read_wave(path: Path, *, channels: int, rate: int = 0) -> Wave:
    """Return a WAV file's samples. Raises `WaveError`, also for another number of channels or rate, and `OSError`.

    Of rate 0 is any.
    """
    if path.stat().st_size > MOST_BYTES:
        raise WaveError(f"{path}: more than {MOST_BYTES // 10**9} GB: cut it into calls")
    told, sound = _parts(path.read_bytes())
    decode = DECODERS.get((told.tag, told.bits)) if told else None
    if told is None or decode is None:
        kind = f"a WAV file of {told.name}" if told else "no WAV file"
        raise WaveError(f"{path} is {kind} and can't be read: {_cure(path, channels, rate)}")
    if told.channels != channels:
        needed = f"{channels} of 16 is needed" if channels == 1 else f"{channels} of 16 are needed"
        found = counted(told.channels, "channel")
        raise WaveError(f"{path}: {found} of {told.name}: {needed}; {_cure(path, channels, rate)}")
    if rate and told.rate != rate:
        raise WaveError(f"{path} has {told.rate} Hz, {rate} are needed; {_cure(path, channels, rate)}")
    block = channels * told.bits // 8
    samples = decode(sound[: len(sound) // block * block])
    return Wave(told.rate, tuple(samples[channel::channels] for channel in range(channels)))


def _cure(path: Path, channels: int, rate: int) -> str:
    """Return the whole command, whatever of the file is wrong: nobody is to be told the rest next time."""
    options = f"-ar {rate} -ac {channels} -c:a pcm_mulaw" if rate else f"-ac {channels} -c:a pcm_s16le"
    return (
        f"ffmpeg -i {path.name} {options} OUT.wav makes one that can be read"
        " (ffmpeg is a package of that name in apt, dnf and brew)"
    )


# ---------------------------------------------------------------- the file


def _parts(data: bytes) -> tuple[_Format | None, bytes]:
    """Return what a file says of its sound, None if that can't be understood, and the sound."""
    told: _Format | None = None
    for name, chunk in _chunks(data):
        if name == b"fmt ":
            told = _format_of(chunk)
        elif name == b"data":
            return told, chunk
    return None, b""


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        return
    place = 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        rest = len(data) - place - 8
        if name == b"data" and (size == 0 or size > rest):
            size = rest  # written to a pipe, or cut off: all that is there
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _format_of(chunk: bytes) -> _Format | None:
    if len(chunk) < 16:
        return None
    tag, channels, bits = (int.from_bytes(chunk[at : at + 2], "little") for at in (0, 2, 14))
    if tag == EXTENSIBLE:
        tag = int.from_bytes(chunk[TAG_OF_EXTENSIBLE : TAG_OF_EXTENSIBLE + 2], "little")
    rate = int.from_bytes(chunk[4:8], "little")
    return _Format(tag, channels, rate, bits) if channels and rate else None


# ---------------------------------------------------------------- the samples


def _of_8(data: bytes) -> "array[int]":
    return array("h", ((sample - 128) << 8 for sample in data))


def _of_16(data: bytes) -> "array[int]":
    samples = array("h", data)
    if byteorder == "big":
        samples.byteswap()
    return samples


def _upper_half(width: int) -> Callable[[bytes], "array[int]"]:
    """Return what takes the two upper bytes of samples that have more of them."""

    def of(data: bytes) -> "array[int]":
        upper = bytearray(len(data) // width * 2)
        upper[0::2], upper[1::2] = data[width - 2 :: width], data[width - 1 :: width]
        return _of_16(bytes(upper))

    return of


def _of_float(kind: Literal["f", "d"]) -> Callable[[bytes], "array[int]"]:
    """Return what takes samples from -1 to 1; louder ones are cut, and what is no finite number is silence."""

    def of(data: bytes) -> "array[int]":
        samples = array(kind, data)
        if byteorder == "big":
            samples.byteswap()
        return array(
            "h", (max(-32768, min(32767, round(32768 * one))) if isfinite(one) else 0 for one in samples)
        )

    return of


def _of_table(table: tuple[int, ...]) -> Callable[[bytes], "array[int]"]:
    return lambda data: array("h", map(table.__getitem__, data))


DECODERS: Final[Mapping[tuple[int, int], Callable[[bytes], "array[int]"]]] = {
    (PCM, 8): _of_8,
    (PCM, 16): _of_16,
    (PCM, 24): _upper_half(3),
    (PCM, 32): _upper_half(4),
    (FLOAT, 32): _of_float("f"),
    (FLOAT, 64): _of_float("d"),
    (MU_LAW, 8): _of_table(LINEAR),
    (A_LAW, 8): _of_table(ALAW),
}
