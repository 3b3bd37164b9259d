"""The heart and audio: what is held, what is played when, and what the model is given."""

import pytest
from heart import START, Driver, agent_with, new_call, of, open_call, played, ready_call, voice

from bridge.heart.effects import (
    AppendAudio,
    CancelResponse,
    ClearPlayback,
    CreateResponse,
    PlayAudio,
    SendMark,
)
from bridge.heart.events import (
    CallerSpoke,
    MarkReached,
    ModelFinishedAudio,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
)


def frame(number: int) -> bytes:
    return bytes([number % 256]) * 160


def test_caller_audio_before_the_session_is_ready_is_held() -> None:
    line = new_call()
    line.tell(START, SessionCreated(0))
    assert of(line.caller_frame(), AppendAudio) == []


def test_held_audio_follows_the_openings_request() -> None:
    line = new_call()
    line.tell(START, SessionCreated(0))
    for number in range(120):
        line.caller_frame(frame(number))
    first, *appends = [
        effect for effect in line.tell(SessionUpdated()) if isinstance(effect, CreateResponse | AppendAudio)
    ]
    assert isinstance(first, CreateResponse)
    assert [(one.first, one.last) for one in of(appends, AppendAudio)] == [(1, 50), (51, 100), (101, 120)]
    assert b"".join(one.audio for one in of(appends, AppendAudio)) == b"".join(map(frame, range(120)))


def test_of_held_audio_the_oldest_is_dropped_beyond_three_seconds_and_counted() -> None:
    line = new_call()
    line.tell(START, SessionCreated(0))
    for number in range(153):
        line.caller_frame(frame(number))
    appends = of(line.tell(SessionUpdated()), AppendAudio)
    assert (appends[0].first, appends[-1].last) == (4, 153)
    assert sum(len(one.audio) for one in appends) == 3000 * 8
    line.wait(60_000)
    assert line.counts["held caller frames dropped"] == 3


def test_once_ready_each_frame_is_passed_on_at_once_with_its_number() -> None:
    line = ready_call()
    assert line.caller_frame(frame(1)) == [AppendAudio(1, 1, frame(1))]
    assert line.caller_frame(frame(2)) == [AppendAudio(2, 2, frame(2))]


def test_frames_missing_on_the_way_are_counted() -> None:
    line = ready_call()
    line.tell(CallerSpoke("MZ1", 1, frame(1)), CallerSpoke("MZ1", 5, frame(5)))
    line.wait(60_000)
    assert line.counts["caller frames lost"] == 3


def test_model_audio_before_the_stream_is_held_and_then_played_in_order_byte_for_byte() -> None:
    line = new_call()
    line.tell(SessionCreated(0), SessionUpdated(), ResponseCreated("r1"))
    line.generate("r1", "i1", 130)
    line.generate("r1", "i1", 333, first=7)
    assert of(line.wanted, PlayAudio) == []
    line.tell(START, after=500)
    line.hear_out()
    assert played(line.wanted) == voice(130) + voice(333, first=7)


def test_every_piece_of_audio_is_followed_by_a_mark_of_its_own() -> None:
    line = ready_call()
    line.answer(ms=1000)
    line.hear_out()
    kinds = [type(effect) for effect in line.wanted if isinstance(effect, PlayAudio | SendMark)]
    assert kinds == [PlayAudio, SendMark] * 10
    names = [mark.name for mark in of(line.wanted, SendMark)]
    assert len(set(names)) == 10


@pytest.mark.parametrize("lead_ms", [40, 100, 300, 2000])
def test_audio_is_sent_at_most_the_lead_ahead_and_never_late(lead_ms: int) -> None:
    line = ready_call(agent_with(lead_ms=lead_ms))
    line.answer(ms=5000)
    begun = line.now
    while len(played(line.wanted)) < 5000 * 8:
        ahead_ms = len(played(line.wanted)) // 8 - (line.now - begun)
        assert 0 < ahead_ms <= lead_ms
        line.wait(1)


def test_deltas_that_are_smaller_than_a_piece_are_joined_while_they_wait() -> None:
    line = ready_call()
    line.answer(ms=300)
    line.tell(ResponseCreated("r2"))
    for place in range(10):
        line.generate("r2", "i2", 20, first=place)
    line.wait(1000)
    pieces = [effect for effect in of(line.wanted, PlayAudio) if effect.item_id == "i2"]
    assert [(piece.start, len(piece.audio)) for piece in pieces] == [(0, 800), (800, 800)]


def test_a_piece_holds_audio_of_one_item_only() -> None:
    line = ready_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 150)
    line.generate("r1", "i2", 150)
    line.wait(1000)
    assert [(piece.item_id, piece.start, len(piece.audio)) for piece in of(line.wanted, PlayAudio)] == [
        ("i1", 0, 800), ("i1", 800, 400), ("i2", 0, 800), ("i2", 800, 400),
    ]  # fmt: skip


def test_an_item_is_accounted_for_once_its_last_mark_came_back() -> None:
    line = ready_call()
    line.answer(ms=150)
    assert line.notes("item") == []
    line.echo(1)
    assert line.notes("item") == []
    line.wait(200)
    line.echo()
    (item,) = line.notes("item")
    assert (item["generated_ms"], item["sent_ms"], item["heard_ms"], item["cut"]) == (150, 150, 150, False)


def test_the_first_audio_heard_is_dated_back_by_the_length_of_its_piece() -> None:
    line = ready_call()
    line.wait(1000)
    line.answer(ms=100)
    line.wait(150)
    line.echo()
    (heard,) = [note for note in line.notes("milestone") if note["name"] == "first_audio_heard"]
    assert heard["at_ms"] == 1050


def runaway(line: Driver) -> None:
    line.tell(ResponseCreated("r1"))
    for _ in range(302):
        line.generate("r1", "i1", 1000)


def test_a_response_without_end_is_cancelled_once_and_the_rest_of_it_dropped() -> None:
    line = ready_call()
    runaway(line)
    cancels = of(line.wanted, CancelResponse)
    before = len(line.wanted)
    line.generate("r1", "i1", 1000)
    assert (len(cancels), line.wanted[before:]) == (1, [])


def test_audio_after_the_end_of_its_item_is_not_played() -> None:
    line = open_call()
    line.answer("r1", "i1", 100)
    line.hear_out()
    assert of(line.generate("r1", "i1", 100), PlayAudio) == []


def test_marks_that_were_never_sent_prove_nothing() -> None:
    line = ready_call()
    line.answer(ms=100)
    line.tell(MarkReached("MZ1", "m77"))
    assert line.notes("item") == []


def test_nothing_is_cleared_when_nothing_plays() -> None:
    line = open_call()
    assert of(line.caller_begins(), ClearPlayback) == []


def test_an_item_without_audio_needs_no_account() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"), ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    assert line.notes("item") == []
