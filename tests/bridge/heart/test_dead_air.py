"""Dead air by itself: what counts as waiting, what makes it good, and when somebody must act."""

import pytest

from bridge.heart.audio import is_audible, silence
from bridge.heart.dead_air import DeadAir


def waiting(bound_ms: int = 5000) -> DeadAir:
    """Somebody has waited since 0 ms."""
    mine = DeadAir(bound_ms)
    mine.look(is_waiting=True, is_caller_talking=False)
    return mine


def test_nobody_waits_at_first() -> None:
    assert DeadAir(5000).due is None


def test_the_model_is_asked_after_the_bound_and_given_up_a_bound_later() -> None:
    mine = waiting()
    assert mine.due == 5000
    mine.pass_time(5000)
    mine.ask()
    assert mine.due == 10_000


def test_what_is_on_its_way_puts_the_asking_off_by_half_a_bound_at_most() -> None:
    mine = waiting()
    dues = []
    for mine.stirred_at in (2000, 2500, 4000, 4999, 9000):
        dues.append(mine.due)
    assert dues == [5000, 5000, 6500, 7499, 7500]


def test_what_put_off_the_asking_does_not_put_off_giving_up() -> None:
    mine = waiting()
    mine.pass_time(7500)
    mine.ask()
    assert mine.due == 10_000


def test_an_asking_that_is_late_leaves_time_for_an_answer() -> None:
    mine = waiting()
    mine.pass_time(30_000)
    mine.ask()
    assert mine.due == 32_500


def test_silence_is_counted_from_the_end_of_the_sound() -> None:
    mine = waiting()
    mine.sound_until = 3000
    assert mine.due == 8000
    mine.pass_time(4000)
    assert (mine.waited_ms, mine.due) == (1000, 8000)


def test_sound_makes_five_times_as_much_silence_good() -> None:
    mine = waiting()
    mine.pass_time(4000)
    mine.sound_until = 4200
    mine.pass_time(4200)
    assert mine.waited_ms == 3000
    mine.sound_until = 5200
    mine.pass_time(5200)
    assert mine.waited_ms == 0


def test_the_callers_own_talk_makes_as_much_silence_good_as_it_lasts() -> None:
    mine = waiting()
    mine.pass_time(4000)
    mine.look(is_waiting=True, is_caller_talking=True)
    assert mine.due is None
    mine.pass_time(5500)
    mine.look(is_waiting=True, is_caller_talking=False)
    assert (mine.waited_ms, mine.due) == (2500, 8000)


def test_the_model_is_asked_once_until_everything_was_made_good() -> None:
    mine = waiting()
    mine.pass_time(5000)
    mine.ask()
    mine.sound_until = 5900
    mine.pass_time(5900)
    assert (mine.waited_ms, mine.is_asked) == (500, True)
    mine.sound_until = 6000
    mine.pass_time(6000)
    assert (mine.waited_ms, mine.is_asked, mine.due) == (0, False, 11_000)


def test_who_no_longer_waits_has_not_waited() -> None:
    mine = waiting()
    mine.pass_time(4000)
    mine.look(is_waiting=False, is_caller_talking=False)
    mine.pass_time(9000)
    mine.look(is_waiting=True, is_caller_talking=False)
    assert (mine.waited_ms, mine.due) == (0, 14_000)


@pytest.mark.parametrize(("pause_ms", "is_asked", "room_ms"), [
    (3000, False, 3000), (5999, False, 5999), (6000, False, 1000), (60_000, False, 1000), (60_000, True, None),
])  # fmt: skip
def test_no_pause_is_longer_than_patience(pause_ms: int, is_asked: bool, room_ms: int | None) -> None:
    mine = waiting()
    mine.pass_time(4000)
    mine.is_asked = is_asked
    assert mine.room_for(pause_ms) == room_ms


@pytest.mark.parametrize(
    ("audio", "is_heard"),
    [(b"", False), (silence(100), False), (b"\x7f\xff\xfe\x7e" * 40, False), (b"\x20" * 16 + silence(100), False),
     (b"\x20\xa0" * 20 + silence(20), True)],
)  # fmt: skip
def test_silence_that_is_sent_is_silence(audio: bytes, is_heard: bool) -> None:
    assert is_audible(audio) is is_heard


def test_sound_that_will_make_everything_good_counts_before_it_was_played() -> None:
    mine = waiting()
    mine.pass_time(5000)
    mine.ask()
    mine.sound_until = 7000
    assert mine.due == 12_000
