"""What was sent last, to be played again from the word in which it was stopped."""

from bridge.heart.speaking.kept_sound import KEPT_MS, KeptSound, Stretch

A, B = ("i1", 0), ("i2", 0)
WORD = b"\x10\x90" * 800
"""200 ms."""

PAUSE = b"\xff" * 1600
"""200 ms of silence."""


def kept(*stretches: Stretch) -> KeptSound:
    sound = KeptSound()
    for stretch in stretches:
        sound.add(stretch)
    return sound


def test_what_was_not_heard_is_played_again_from_the_start_of_its_word() -> None:
    sound = kept(Stretch(A, 0, WORD + PAUSE + WORD))
    assert list(sound.again(unheard=800)) == [Stretch(A, 3200, WORD)]


def test_what_was_stopped_in_a_pause_goes_on_there() -> None:
    sound = kept(Stretch(A, 0, WORD + PAUSE + WORD))
    assert list(sound.again(unheard=1600)) == [Stretch(A, 3200, WORD)]


def test_without_a_pause_it_goes_on_where_it_was_stopped() -> None:
    assert list(kept(Stretch(A, 160, WORD)).again(unheard=640)) == [Stretch(A, 160 + 960, WORD[960:])]


def test_parts_stay_apart() -> None:
    sound = kept(Stretch(A, 800, WORD + PAUSE), Stretch(B, 0, WORD), Stretch(B, 1600, WORD))
    assert list(sound.again(unheard=960)) == [Stretch(B, 0, WORD), Stretch(B, 1600, WORD)]


def test_no_more_is_kept_than_can_be_needed() -> None:
    sound = kept(*(Stretch(A, at * 1600, WORD) for at in range(100)))
    again = list(sound.again(unheard=10**9))
    assert sum(len(stretch.audio) for stretch in again) == KEPT_MS * 8


def test_where_all_was_heard_nothing_is_played_again() -> None:
    assert list(kept(Stretch(A, 0, WORD)).again(unheard=0)) == []
