"""All ears in one pass: each says what it says by itself; a gate silences what is quiet; smoothing is as defined."""

import numpy as np
import pytest

from bridge.heart.audio import silence
from replay.sound.clips import clip
from replay.sound.ears import EARS, GATE_BLOCK, GATE_HOLD, Ear, gated, groups, listened, smoothed
from replay.sound.silero import WINDOW_BYTES, probabilities

SHORT = silence(300) + clip("caller_yes").audio + silence(400)
LONG = (
    (silence(700) + clip("caller_table").audio + silence(2600)) * 3
    + clip("caller_hours").audio
    + b"\x91" * 77
)
SECOND = 8000


def test_together_they_say_what_each_says_by_itself():
    together = listened([SHORT, LONG, b""])
    for ear in EARS:
        for number, audio in enumerate((SHORT, LONG, b"")):
            (alone,) = listened([audio], [ear])
            assert len(alone[ear]) == len(audio) // WINDOW_BYTES
            np.testing.assert_allclose(together[number][ear], alone[ear], atol=1e-5)


@pytest.mark.parametrize("ear", [ear for ear in EARS if not ear.is_gated], ids=str)
def test_without_a_gate_it_is_what_a_listener_hears_as_it_comes(ear):
    (found,) = listened([LONG], [ear])
    np.testing.assert_allclose(found[ear], probabilities(LONG, ear.policy, ear.branch), atol=1e-5)


def test_no_two_ears_hear_alike():
    (found,) = listened([LONG])
    told = list(found.values())
    assert all(np.abs(one - other).max() > 0.01 for n, one in enumerate(told) for other in told[:n])


def samples(*levels, length=SECOND // 2):
    """Return stretches of noise at these levels in dBFS."""
    random = np.random.default_rng(5)
    return np.concatenate(
        [random.normal(0, 10 ** (level / 20), length).astype(np.float32) for level in levels]
    )


def test_a_gate_silences_what_is_quiet_and_stays_open_a_little_longer():
    given = samples(-60, -25, -60)
    found, left = gated(given)
    half, hold = SECOND // 2, GATE_BLOCK * GATE_HOLD
    np.testing.assert_array_equal(found[half : 2 * half + hold], given[half : 2 * half + hold])
    assert not found[:half].any()
    assert not found[2 * half + hold :].any()
    assert left == 0


@pytest.mark.parametrize("at", [GATE_BLOCK, SECOND // 2, SECOND // 2 + 3 * GATE_BLOCK, SECOND])
def test_a_gate_is_the_same_in_pieces(at):
    given = samples(-60, -25, -60)
    first, left = gated(given[:at])
    second, _ = gated(given[at:], left)
    np.testing.assert_array_equal(np.concatenate((first, second)), gated(given)[0])


@pytest.mark.parametrize("weight", [1.0, 0.65, 0.2])
def test_smoothed_is_what_going_through_it_one_by_one_gives(weight):
    given = np.random.default_rng(1).random(500, dtype=np.float32)
    before, expected = 0.0, []
    for own in given:
        before = weight * float(own) + (1 - weight) * before
        expected.append(before)
    np.testing.assert_allclose(smoothed(given, weight), expected, atol=1e-5)


def test_recordings_alike_in_length_are_listened_to_together():
    assert groups([50, 10, 40, 20, 30]) == [[1, 3, 4, 2], [0]]
    assert str(Ear("8k", "carry", is_gated=True)) == "8k carry behind a noise gate"
