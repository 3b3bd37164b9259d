"""What is kept for a call's page: the same when it comes back, small, gone with its call, made in a moment."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from shown_calls import restaurant_call

from bridge.retention.erase import erase_rows
from bridge.store.database import Store
from bridge.store.line_sound import Piece
from bridge.store.trace import kept_trace, row_of, traced
from bridge.tapes.reader import Tape, read_tape

TAPES = Path(__file__).parents[2] / "tapes"


@pytest.fixture(scope="module")
def tape() -> Tape:
    return restaurant_call()


@pytest.mark.parametrize("name", ["interrupted.jsonl.gz", "formats/format1_next_session.jsonl"])
def test_what_is_kept_comes_back_as_it_was(name: str) -> None:
    tape = read_tape(TAPES / name)
    trace = traced(tape.header, tape.lines).trace
    assert kept_trace(row_of(trace)) == trace


def test_what_another_version_kept_is_not_guessed_at(tape: Tape) -> None:
    row = row_of(traced(tape.header, tape.lines).trace)
    assert kept_trace(row | {"format": 99}) is None


def test_it_is_small_beside_its_tape(tape: Tape) -> None:
    assert len(row_of(traced(tape.header, tape.lines).trace)["data"]) < 4000  # of 22 s


def test_pieces_lie_one_behind_the_other_and_none_has_two_fates(tape: Tape) -> None:
    pieces = traced(tape.header, tape.lines).trace.pieces
    heard = [piece for piece in pieces if piece.is_heard]
    for one, following in pairwise(heard):
        assert one.end <= following.begin
    (unheard,) = (piece for piece in pieces if not piece.is_heard)
    before = next(piece for piece in heard if piece.end == unheard.begin)
    assert (before.item_id, before.at + before.size) == (unheard.item_id, unheard.at)


def test_pieces_that_follow_each_other_are_one() -> None:
    first, second = Piece("i", 0, 0, 100, 50), Piece("i", 0, 50, 150, 50)
    assert first.is_followed_by(second)
    assert not second.is_followed_by(first)
    assert not first.is_followed_by(Piece("i", 0, 50, 151, 50))


def test_it_goes_with_its_call(tmp_path: Path) -> None:
    store = Store(tmp_path / "calls.duckdb")
    path = restaurant_call(tmp_path).path
    store.add([path, TAPES / "hung_up.jsonl.gz"])
    call_id = read_tape(path).header.call_id
    erase_rows(store, [call_id])
    kept = store.query("select call_id from waveforms")
    assert len(kept) == 1
    assert kept[0]["call_id"] != call_id


def test_indexing_it_takes_less_than_50_ms_a_minute_of_call(tape: Tape) -> None:
    minutes = 22.4 / 60
    assert (
        min(_took(tape) for _ in range(5)) < 0.05 * minutes * 2
    )  # beside the records, which are made in the same go


def _took(tape: Tape) -> float:
    began = time.process_time()
    traced(tape.header, tape.lines)
    return time.process_time() - began
