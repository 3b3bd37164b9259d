"""The heard ledger: what was sent, what was heard, and what never will be."""

from bridge.heart.audio import bytes_of
from bridge.heart.playout import Piece, Playout

ONE, TWO = ("i1", 0), ("i2", 0)


def playing(*parts: tuple[str, int], ms: int = 1000) -> tuple[Playout, list[Piece]]:
    """A playout with that much audio of each part, and what it sends at 0 ms."""
    playout = Playout(lead_ms=300)
    for part in parts:
        playout.add(part, "r1", b"\x01" * bytes_of(ms))
    return playout, list(playout.due(0))


def test_the_lead_is_sent_at_once_in_pieces_of_100_ms() -> None:
    playout, pieces = playing(ONE)
    assert [(piece.start, len(piece.audio), piece.mark) for piece in pieces] == [
        (0, 800, "m1"), (800, 800, "m2"), (1600, 800, "m3"),
    ]  # fmt: skip
    assert playout.deadline == 100


def test_nothing_is_due_before_the_deadline() -> None:
    playout, _ = playing(ONE)
    assert list(playout.due(99)) == []
    assert len(list(playout.due(100))) == 1


def test_a_pause_in_generation_is_no_debt() -> None:
    playout, _ = playing(ONE, ms=100)
    playout.add(ONE, "r1", b"\x01" * 8000)
    assert len(list(playout.due(5000))) == 3


def test_a_short_lead_makes_short_pieces() -> None:
    playout = Playout(lead_ms=40)
    playout.add(ONE, "r1", b"\x01" * 8000)
    assert [len(piece.audio) for piece in playout.due(0)] == [160, 160]
    assert playout.deadline == 20


def test_a_rest_of_less_than_a_millisecond_is_sent_too() -> None:
    playout = Playout()
    playout.add(ONE, "r1", b"\x01\x02\x03")
    (piece,) = playout.due(0)
    assert (piece.audio, playout.deadline, playout.is_idle) == (b"\x01\x02\x03", None, False)


def test_a_mark_accounts_for_everything_sent_before_it() -> None:
    playout, pieces = playing(ONE)
    playout.reached(pieces[1].mark, 200)
    (ledger,) = playout.cut(200)
    assert (ledger.heard, ledger.sent) == (1600, 2400)


def test_a_mark_is_accounted_for_once() -> None:
    playout, pieces = playing(ONE)
    assert playout.reached(pieces[0].mark, 100) is not None
    assert playout.reached(pieces[0].mark, 110) is None


def test_time_since_the_last_mark_counts_as_heard() -> None:
    playout, pieces = playing(ONE)
    playout.reached(pieces[0].mark, 130)
    (ledger,) = playout.cut(180)
    assert ledger.heard == bytes_of(150)


def test_time_before_anything_was_sent_does_not_count() -> None:
    playout = Playout()
    playout.add(ONE, "r1", b"\x01" * 8000)
    list(playout.due(1000))
    (ledger,) = playout.cut(1060)
    assert (ledger.heard, ledger.first_heard) == (bytes_of(60), 1000)


def test_of_what_no_mark_proves_the_last_frame_is_never_counted() -> None:
    playout, _ = playing(ONE, ms=200)
    (ledger,) = playout.cut(60_000)
    assert ledger.heard == bytes_of(180)


def test_the_parts_that_lost_audio_are_named_in_the_order_of_playing() -> None:
    playout, _ = playing(ONE, TWO, ("i3", 0), ms=150)
    assert [(ledger.item_id, ledger.heard) for ledger in playout.cut(200)] == [
        ("i2", bytes_of(50)), ("i3", 0),
    ]  # fmt: skip


def test_the_unfinished_part_of_a_response_that_is_cut_lost_what_was_to_come() -> None:
    playout, pieces = playing(ONE, ms=100)
    playout.reached(pieces[0].mark, 100)
    assert playout.is_idle
    assert playout.is_speaking("r1")
    assert [ledger.heard for ledger in playout.cut(100, "r1")] == [800]


def test_the_unfinished_part_of_another_response_is_left_open() -> None:
    playout, pieces = playing(ONE, ms=100)
    playout.reached(pieces[0].mark, 100)
    assert not playout.is_speaking("r2")
    assert playout.cut(100, "r2") == []


def test_after_a_cut_nothing_is_due_and_no_mark_is_waited_for() -> None:
    playout, pieces = playing(ONE)
    playout.cut(100)
    assert (playout.deadline, playout.is_idle, playout.plays_until(100)) == (None, True, 100)
    assert playout.reached(pieces[0].mark, 110) is None


def test_audio_after_a_cut_is_due_at_once() -> None:
    playout, _ = playing(ONE)
    playout.cut(100)
    playout.add(TWO, "r2", b"\x02" * 8000)
    assert [piece.part for piece in playout.due(100)] == [TWO] * 3


def test_an_account_closes_when_its_part_is_finished_and_wholly_heard() -> None:
    playout, pieces = playing(ONE, ms=100)
    playout.reached(pieces[0].mark, 100)
    assert playout.settled() == []
    playout.complete(ONE)
    assert [ledger.heard for ledger in playout.settled()] == [800]
    assert (playout.settled(), playout.takes(ONE)) == ([], False)


def test_a_refused_part_is_new_once() -> None:
    playout, _ = playing(ONE)
    assert (playout.refuse(TWO), playout.refuse(TWO), playout.refuse(ONE)) == (True, False, False)
    assert not playout.takes(TWO)


def test_five_minutes_that_wait_are_full() -> None:
    playout = Playout()
    playout.add(ONE, "r1", b"\x01" * (bytes_of(300_000) - 8))
    assert not playout.is_full
    playout.add(ONE, "r1", b"\x01" * 8)
    assert playout.is_full


def test_closing_takes_out_every_account() -> None:
    playout, pieces = playing(ONE, TWO, ms=100)
    playout.reached(pieces[0].mark, 100)
    assert [(ledger.item_id, ledger.heard, ledger.is_cut) for ledger in playout.close(150)] == [
        ("i1", 800, False), ("i2", 400, True),
    ]  # fmt: skip


def test_when_all_was_played_is_told_by_the_clock_and_not_by_marks() -> None:
    playout, _ = playing(ONE)
    assert playout.plays_until(0) == 1000
    playout.add(ONE, "r1", b"\x01" * bytes_of(200))
    assert (playout.plays_until(0), playout.plays_until(5000)) == (1200, 5900)  # 900 ms were not sent yet
