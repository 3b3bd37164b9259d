"""A call is heard from anywhere as whoever has read all of its tape hears it, and no line is read twice on the way."""

import gzip
import random
from itertools import chain
from pathlib import Path

import pytest
from shown_calls import restaurant_call

from bridge.page import hearing
from bridge.page.facts import length_of, told
from bridge.page.hearing import Hearing, Player, Recording, written_ns
from bridge.page.sound_file import HEAD, head_of
from bridge.store.line_sound import AHEAD_MS
from bridge.store.trace import Trace, traced
from bridge.tapes.reader import read_tape

TAPES = Path(__file__).parents[2] / "tapes"
OF_MANY_KINDS = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return restaurant_call(tmp_path_factory.mktemp("tapes"), turns=6).path


@pytest.fixture
def close_bookmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.trace.APART_MS", 1000)


def recording_of(path: Path) -> tuple[Recording, bytes]:
    """Return the recording of a tape, and its whole sound, both sides interleaved."""
    tape = read_tape(path)
    trace, facts_and_sound = traced(tape.header, tape.lines).trace, told(tape)
    sound = facts_and_sound[1]
    length_ms = length_of(facts_and_sound[0]["call"]["duration_ms"], trace)
    sides = (side.ljust(length_ms * 8, b"\xff") for side in (sound.caller, sound.agent))
    whole = bytes(chain.from_iterable(zip(*sides, strict=True)))
    stamp = written_ns(path)
    assert stamp is not None
    return Recording(path, stamp, length_ms, trace.bookmarks, has_sound=True), whole


def part(player: Player, recording: Recording, first: int, most: int) -> bytes:
    found = player.sound("CA1", first, most, lambda call_id: recording)
    assert found is not None
    return found[0]


@pytest.mark.usefixtures("close_bookmarks")
@pytest.mark.parametrize("name", OF_MANY_KINDS)
def test_from_every_bookmark_on_the_same_is_heard(name: str) -> None:
    recording, whole = recording_of(TAPES / name)
    for one in recording.bookmarks:
        begin = (one.t_ms + AHEAD_MS) * 8
        opened = Hearing.at(recording, one.t_ms + AHEAD_MS)
        assert opened.begin_ms == one.t_ms + AHEAD_MS
        if begin < recording.samples:
            assert opened.both(begin, recording.samples) == whole[2 * begin :]


@pytest.mark.usefixtures("close_bookmarks")
def test_calls_have_bookmarks_where_nobody_is_being_heard(longer: Path) -> None:
    recording, _ = recording_of(longer)
    assert len(recording.bookmarks) > 5
    agent = told(read_tape(longer))[1].agent
    for one in recording.bookmarks:
        assert agent[one.t_ms * 8 : one.t_ms * 8 + 80] == b"\xff" * 80


@pytest.mark.usefixtures("close_bookmarks")
def test_parts_that_are_asked_for_in_any_order_are_parts_of_one_file(longer: Path) -> None:
    recording, whole = recording_of(longer)
    file, player, dice = head_of(recording.samples, 2) + whole, Player(), random.Random(7)
    assert part(player, recording, 0, len(file) + 100) == file
    for _ in range(60):
        first = dice.choice([dice.randrange(len(file)), dice.randrange(HEAD.size + 2)])
        most = dice.choice([1, 2, 3, 100, 64_000])
        assert part(player, recording, first, most) == file[first : first + most]


@pytest.mark.usefixtures("close_bookmarks")
def test_whoever_listens_on_has_no_line_read_twice_and_whoever_jumps_has_few_read(
    longer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, decode = [0], hearing.decode

    def counted(raw: bytes):  # type: ignore[no-untyped-def]
        read[0] += 1
        return decode(raw)

    monkeypatch.setattr(hearing, "decode", counted)
    monkeypatch.setattr(hearing, "LATE_MS", 1000)
    recording, whole = recording_of(longer)
    lines, player = len(read_tape(longer).lines), Player()
    for first in range(0, len(whole) + HEAD.size, 16_000):
        part(player, recording, first, 16_000)
    assert read[0] <= lines
    read[0] = 0
    part(Player(), recording, len(whole) - 16_000, 16_000)
    assert 0 < read[0] < lines / 2


def test_of_a_tape_without_bookmarks_all_is_heard(longer: Path) -> None:
    recording, whole = recording_of(longer)
    older = Recording(recording.tape, recording.stamp_ns, recording.length_ms, (), has_sound=True)
    assert part(Player(), older, len(whole) - 1000, 1000) == whole[-1000 - HEAD.size : -HEAD.size]


@pytest.mark.usefixtures("close_bookmarks")
def test_where_blank_lines_were_put_on_a_tape_bookmarks_are_not_believed(
    longer: Path, tmp_path: Path
) -> None:
    header, *lines = gzip.decompress(longer.read_bytes()).splitlines(keepends=True)
    path = tmp_path / longer.name
    path.write_bytes(gzip.compress(b"".join([header, b"\n\n", *lines])))
    recording, whole = recording_of(path)
    assert len(recording.bookmarks) > 5
    assert part(Player(), recording, len(whole) - 1000, 1000) == whole[-1000 - HEAD.size : -HEAD.size]


def test_the_lines_around_a_moment_have_their_numbers_and_nothing_else(longer: Path) -> None:
    recording, _ = recording_of(longer)
    rows = told(read_tape(longer))[0]["tape"]["rows"]
    t_ms = recording.length_ms - 60_000
    found = Player().lines("CA1", t_ms, lambda call_id: recording)
    assert found is not None
    near = [list(row) for row in rows if found["from_ms"] <= row[1] <= found["to_ms"]]
    assert [list(row) for row in found["rows"]] == near
    assert 0 < len(near) < len(rows)


def test_a_tape_that_was_written_anew_is_looked_up_anew_and_one_that_is_gone_is_let_go_of(
    longer: Path, tmp_path: Path
) -> None:
    path = tmp_path / longer.name
    path.write_bytes(longer.read_bytes())
    player, asked, recording = Player(), list[str](), recording_of(path)[0]

    def find(call_id: str) -> Recording | None:
        asked.append(call_id)
        return recording_of(path)[0] if path.exists() else None

    for _ in range(2):
        player.sound("CA1", 0, 100, find)
    assert asked == ["CA1"]
    path.write_bytes(gzip.compress(gzip.decompress(longer.read_bytes())))
    assert player.sound("CA1", 0, 100, find) is not None
    assert asked == ["CA1", "CA1"]
    path.unlink()
    assert player.sound("CA1", 0, 100, find) is None
    assert not recording.is_there


def test_a_page_is_as_long_as_what_was_on_the_line_where_that_is_longer_than_the_call() -> None:
    tape = read_tape(TAPES / "interrupted.jsonl.gz")
    trace: Trace = traced(tape.header, tape.lines).trace
    assert length_of(10**6, trace) == 10**6
    assert length_of(None, trace) == length_of(1, trace) == (trace.begins_ms // 40 + len(trace.caller)) * 40
