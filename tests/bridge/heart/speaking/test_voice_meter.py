"""How long the caller's voice is on the line."""

from random import Random

from bridge.heart.speaking.voice_meter import VoiceMeter, is_voiced
from bridge.sound.g711 import LINEAR
from replay.sound.clips import clip

QUIET = b"\xff" * 160
LOUD = b"\x10\x90" * 80


def noise(rms: int) -> bytes:
    """Return 20 ms of noise as loud as that, in linear samples."""
    dice = Random(rms)
    nearest = {round(value / 8): code for code, value in enumerate(LINEAR)}
    return bytes(min(nearest.items(), key=lambda pair: abs(pair[0] * 8 - wanted))[1]
                 for wanted in (dice.gauss(0, rms) for _ in range(160)))  # fmt: skip


def test_a_voice_is_voice_and_a_line_that_hums_is_none() -> None:
    audio = clip("caller_table").audio
    frames = [audio[at : at + 160] for at in range(0, len(audio) - 159, 160)]
    assert sum(map(is_voiced, frames)) > len(frames) * 0.6
    assert not is_voiced(QUIET)
    assert not is_voiced(noise(150))
    assert is_voiced(noise(1500))


def test_what_goes_on_counts_from_its_beginning_and_no_more_than_is_needed() -> None:
    meter = VoiceMeter()
    for _ in range(7):
        meter.hear(LOUD)
    assert meter.before_ms == 140
    for _ in range(50):
        meter.hear(LOUD)
    assert meter.before_ms == 300


def test_a_pause_within_a_word_does_not_end_it_and_a_longer_one_does() -> None:
    meter = VoiceMeter()
    for frame in (LOUD, LOUD, *[QUIET] * 4, LOUD):
        meter.hear(frame)
    assert (meter.before_ms, meter.quiet_ms) == (60, 80)
    for _ in range(5):
        meter.hear(QUIET)
    assert (meter.before_ms, meter.quiet_ms) == (0, 180)
