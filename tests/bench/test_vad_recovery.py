"""The bench of hidden servers goes on where it was, and counts a promise as kept when its interval holds what came."""

from bench.vad_recovery import PROMISED, Kept, Try, apart, beside, row

KEPT = Try(
    "a server",
    0.9,
    is_followed=True,
    setting=(0.6, 500),
    promised=dict.fromkeys(PROMISED, (5.0, 4.0, 7.0)),
    delivered=dict.fromkeys(PROMISED, 6.0),
    best=dict.fromkeys(PROMISED, 8.0),
    steps=3,
)
REFUSED = Try("a server", 0.5, is_followed=False)


def test_a_repeat_is_read_as_it_was_kept_and_one_of_another_lab_is_not(tmp_path):
    kept = Kept(tmp_path / "repeats.jsonl")
    assert kept.read() == {}
    kept.add(3, [KEPT, REFUSED])
    found = kept.read()[3]
    assert row("a server", found) == row("a server", [KEPT, REFUSED])
    kept.path.write_text(kept.path.read_text().replace('"lab": "', '"lab": "another '))
    assert kept.read() == {}


def test_a_row_says_how_many_are_followed_advised_held_and_as_brute_force():
    assert row("a server", [KEPT, REFUSED]) == (
        "| a server | 50% to 90% | 1 of 2 | 1 of 1 | 1 of 1 | 1 of 1 | 1 of 1 | 1 of 1 | 1 of 1 | 0 of 1 |"
    )


def test_the_other_tables_say_how_far_apart():
    assert apart("delay_mean_ms", "delay", [KEPT]) == "| delay | 1 ms | 1 ms | 1 ms |"
    assert beside("delay_mean_ms", "delay", [KEPT]) == "| delay | -2 ms | -2 ms and -2 ms |"
