"""A model that speaks in small pieces: they are joined while nobody waits for them, and marks go by time."""

import pytest
from attrs import define, field
from heart import agent_with, of, open_call, ready_call
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.heart.audio import bytes_of, ms_of
from bridge.heart.effects import EndCall, PlayAudio, SendMark
from bridge.heart.events import ModelFinishedAudio, ResponseCreated, ResponseFinished, ToolCalled
from bridge.heart.playout import CHUNK_MS, Piece, Playout

some = settings(max_examples=150, database=None)


@define
class Line:
    """A playout, and a phone that plays what it is sent and echoes marks as Twilio does."""

    lead_ms: int = 300
    now: int = 0
    playout: Playout = field(init=False)
    pieces: list[tuple[int, Piece]] = field(factory=list)
    given: dict[tuple[str, int], bytes] = field(factory=dict)
    most_ahead_ms: int = 0
    _played_until: int = 0
    _echoes: list[tuple[int, str]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.playout = Playout(lead_ms=self.lead_ms)

    def speak(self, item: str, ms: int) -> None:
        """Let the model deliver a piece."""
        part = (item, 0)
        before = self.given.setdefault(part, b"")
        audio = bytes((len(before) + place) % 251 for place in range(bytes_of(ms)))
        self.given[part] = before + audio
        self.playout.add(part, "r1", audio)
        self._send()

    def finish(self, item: str) -> None:
        """Let the model say that this was all of it."""
        self.playout.complete((item, 0))
        self._send()

    def wait(self, ms: int) -> None:
        """Let time pass: what is due is sent, what was played is echoed."""
        for _ in range(ms):
            self.now += 1
            while self._echoes and self._echoes[0][0] <= self.now:
                self.playout.reached(self._echoes.pop(0)[1], self.now)
            self._send()

    def _send(self) -> None:
        for piece in self.playout.due(self.now):
            self.pieces.append((self.now, piece))
            self._played_until = max(self._played_until, self.now) + ms_of(len(piece.audio))
            self.most_ahead_ms = max(self.most_ahead_ms, self._played_until - self.now)
            if piece.mark:
                self._echoes.append((self._played_until, piece.mark))

    @property
    def sent(self) -> list[Piece]:
        """What was sent with audio in it."""
        return [piece for _, piece in self.pieces if piece.audio]

    @property
    def marks(self) -> int:
        """How many marks were sent."""
        return sum(bool(piece.mark) for _, piece in self.pieces)


def test_the_first_piece_goes_at_once_with_a_mark() -> None:
    line = Line()
    line.speak("i1", 20)
    assert [(at, ms_of(len(piece.audio)), piece.mark) for at, piece in line.pieces] == [(0, 20, "m1")]


def test_while_the_caller_has_enough_to_hear_pieces_are_joined_to_chunks() -> None:
    line = Line()
    for _ in range(100):
        line.speak("i1", 20)
        line.wait(3)
    line.finish("i1")
    line.wait(2000)
    sizes = [ms_of(len(piece.audio)) for piece in line.sent]
    small = sizes.index(100)
    assert small <= 14  # until two thirds of the lead are there
    assert sizes[small:] == [100] * len(sizes[small:-1]) + [sizes[-1]]


def test_a_model_no_faster_than_speech_is_passed_on_piece_by_piece_with_a_mark_for_five() -> None:
    line = Line()
    for _ in range(100):
        line.speak("i1", 20)
        line.wait(20)
    assert [at for at, piece in line.pieces if piece.audio] == list(range(0, 2000, 20))
    assert line.marks <= 1 + 2000 // CHUNK_MS


def test_the_rest_of_a_part_is_marked_when_the_model_says_that_it_was_all() -> None:
    line = Line()
    line.speak("i1", 20)
    line.speak("i1", 20)
    assert line.pieces[-1][1].mark == ""
    line.finish("i1")
    last = line.pieces[-1][1]
    assert (last.audio, last.start, last.mark) == (b"", bytes_of(40), "m2")
    line.wait(40)
    assert [ledger.heard for ledger in line.playout.settled()] == [bytes_of(40)]


def test_the_rest_of_a_part_that_is_never_finished_is_marked_once_it_was_played() -> None:
    line = Line()
    line.speak("i1", 20)
    line.speak("i1", 20)
    line.wait(40 + CHUNK_MS - 1)
    assert not line.playout.is_idle
    line.wait(1)
    assert line.playout.deadline is None
    line.wait(1)
    assert line.playout.is_idle


def test_the_next_part_does_not_wait_for_more_of_the_one_before() -> None:
    line = Line()
    for _ in range(15):
        line.speak("i1", 20)
    line.speak("i2", 20)
    line.wait(400)
    assert [piece.part[0] for piece in line.sent[-2:]] == ["i1", "i2"]
    assert line.sent[-1].mark != ""


def test_what_was_heard_of_small_pieces_is_told_to_the_frame() -> None:
    line = Line()
    for _ in range(30):
        line.speak("i1", 20)
        line.wait(20)
    (ledger,) = line.playout.cut(line.now)
    assert bytes_of(560) <= ledger.heard <= bytes_of(600)
    assert line.playout.deadline is None


deliveries = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 80)), min_size=1, max_size=80)


@some
@given(st.sampled_from([40, 100, 300, 1000]), st.lists(deliveries, min_size=1, max_size=3))
def test_whatever_the_pieces_all_is_sent_in_order_in_time_and_with_few_marks(
    lead_ms: int, parts: list[list[tuple[int, int]]]
) -> None:
    line = Line(lead_ms)
    for number, delivery in enumerate(parts):
        for ms, pause in delivery:
            line.speak(f"i{number}", ms)
            line.wait(pause)
        line.finish(f"i{number}")
    line.wait(sum(ms for delivery in parts for ms, _ in delivery) + lead_ms)
    for part, audio in line.given.items():
        assert b"".join(piece.audio for piece in line.sent if piece.part == part) == audio
    assert line.most_ahead_ms <= lead_ms
    assert line.playout.is_idle
    assert {ledger.heard for ledger in line.playout.settled()} == {
        len(audio) for audio in line.given.values()
    }
    total_ms = sum(ms_of(len(audio)) for audio in line.given.values())
    assert line.marks <= 3 * len(parts) + total_ms // min(CHUNK_MS, lead_ms // 2)


@some
@given(deliveries)
def test_the_caller_never_waits_for_a_piece_that_is_there(delivery: list[tuple[int, int]]) -> None:
    line = Line()
    for ms, pause in delivery:
        line.speak("i1", ms)
        for _ in range(pause):
            line.wait(1)
            runs_dry = line._played_until <= line.now
            assert not (runs_dry and line.playout._waiting)


# ---------------------------------------------------------------- in a call


def small_answer(ms: int) -> list[object]:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    for place in range(ms // 20):
        line.generate("r1", "i1", 20, first=place)
        line.wait_with_frames(20)
    line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    return list(line.wanted)


def test_a_call_in_small_pieces_sends_a_mark_for_about_each_100_ms() -> None:
    wanted = small_answer(2000)
    assert len(of(wanted, PlayAudio)) == 100  # type: ignore[arg-type]
    assert 20 <= len(of(wanted, SendMark)) <= 22  # type: ignore[arg-type]


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_goodbye_in_small_pieces_is_heard_to_its_end_before_the_call_is_ended(is_finished: bool) -> None:
    line = ready_call(agent_with())
    line.tell(ResponseCreated("r1"))
    for place in range(7):
        line.generate("r1", "i1", 20, first=place)
    line.tell(ToolCalled("r1", "c1", "hang_up", "{}"))
    if is_finished:
        line.tell(ModelFinishedAudio("i1", 0))
    line.tell(ResponseFinished("r1", "completed"))
    line.wait(140 + CHUNK_MS)
    assert line.end is None
    line.echo()
    assert isinstance(line.end, EndCall)
    assert line.end.by == "tool"
