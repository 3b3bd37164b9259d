"""What the bench of gaps takes for a silence, and what for a breath."""

import pytest

from bench.gaps import KINDS, Heard, Kind, sounds
from bridge.heart.audio import silence
from replay.sound.formats import murmur


def test_a_pause_within_a_voice_is_no_silence_and_a_longer_one_is() -> None:
    line = silence(200) + murmur(400) + silence(60) + murmur(400) + silence(300) + murmur(200)
    (first, second), (third, last) = sounds(line)
    assert (first, third) == (200, 1360)
    assert 1000 <= second <= 1060
    assert 1520 <= last <= 1560


def test_a_silent_line_has_no_sounds() -> None:
    assert list(sounds(silence(1000))) == []


def test_nineteen_in_twenty_waited_no_longer() -> None:
    assert (Heard(tuple(range(1, 101)), 0).p50, Heard(tuple(range(1, 101)), 0).p95) == (50, 96)
    assert Heard((), 3).p95 == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_same_call_without_a_loss_loses_nothing(kind: Kind) -> None:
    whole = kind.without_loss
    assert whole.is_whole
    assert whole.session_seconds == 0
    assert "LoseStream" not in str(whole.steps)
