"""The stand-in's other formats: as long as the µ-law they stand for, and the same sound."""

import math
import struct

import pytest

from bridge.heart.audio import silence
from bridge.sound.g711 import LINEAR, ulaw_of
from replay.sound.clips import clip
from replay.sound.formats import decoder, encoder

VOICE = clip("caller_yes").audio
FORMATS = {"audio/pcmu": 1, "audio/pcma": 1, "audio/pcm": 6}


def in_pieces(audio: bytes, size: int) -> list[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def loudness(audio: bytes) -> float:
    return math.sqrt(sum(LINEAR[code] ** 2 for code in audio) / len(audio))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_encoded_and_decoded_is_as_long_and_about_as_loud(kind: str) -> None:
    encoded = encoder(kind)(VOICE)
    decoded = decoder(kind)(encoded)
    assert len(encoded) == FORMATS[kind] * len(VOICE)
    assert len(decoded) == len(VOICE)
    assert loudness(decoded) == pytest.approx(loudness(VOICE), rel=0.1)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [1, 7, 160])
def test_how_audio_is_cut_changes_nothing(kind: str, size: int) -> None:
    encode, decode = encoder(kind), decoder(kind)
    encoded = encoder(kind)(VOICE[:4000])
    assert b"".join(map(encode, in_pieces(VOICE[:4000], size))) == encoded
    assert b"".join(map(decode, in_pieces(encoded, size))) == decoder(kind)(encoded)


@pytest.mark.parametrize("kind", FORMATS)
def test_silence_stays_silent(kind: str) -> None:
    quiet = decoder(kind)(encoder(kind)(silence(100)))
    assert max(abs(LINEAR[code]) for code in quiet) <= 8


def test_every_ulaw_code_is_its_own_nearest() -> None:
    assert [LINEAR[code] for code in ulaw_of(LINEAR)] == list(LINEAR)


def test_pcm_goes_in_straight_lines() -> None:
    first, second = 0xFF, 0x80
    up = struct.unpack("<6h", encoder("audio/pcm")(bytes([first, second])))
    assert up == (0, 0, 0, LINEAR[second] // 3, 2 * LINEAR[second] // 3, LINEAR[second])
