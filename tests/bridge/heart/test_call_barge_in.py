"""The heart and interruption: silence at once, and the model learns what was heard of each item."""

from heart import START, agent_with, new_call, of, open_call, played, truncations, voice

from bridge.heart.effects import CancelResponse, ClearPlayback, PlayAudio, TruncateItem
from bridge.heart.events import (
    MarkReached,
    ModelFinishedAudio,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
)


def test_a_caller_who_begins_to_speak_is_not_spoken_over() -> None:
    line = open_call()
    line.answer(ms=5000)
    wanted = line.caller_begins(after=250)
    assert [type(effect) for effect in wanted if isinstance(effect, ClearPlayback | TruncateItem)] == [
        ClearPlayback, TruncateItem,
    ]  # fmt: skip
    assert of(line.wait(4000), PlayAudio) == []


def test_the_model_learns_what_was_heard_since_the_last_mark() -> None:
    line = open_call()
    line.answer(ms=5000)
    line.wait(100)
    line.echo(1)
    assert truncations(line.caller_begins(after=60)) == [("i1", 160)]


def test_without_a_mark_no_more_than_was_sent_less_one_frame_counts_as_heard() -> None:
    line = open_call()
    line.answer(ms=200)
    assert truncations(line.caller_begins(after=5000)) == [("i1", 180)]


def test_marks_that_come_back_after_a_clear_prove_nothing() -> None:
    line = open_call()
    line.answer(ms=5000)
    line.caller_begins(after=50)
    line.echo()
    (item,) = line.notes("item")
    assert (item["heard_ms"], item["cut"]) == (50, True)
    line.wait(120_000)
    assert line.counts["marks after clear"] == 3


def test_of_several_items_the_heard_one_is_left_alone_and_the_later_ones_are_cut_at_nothing() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    for item in ("i1", "i2", "i3"):
        line.generate("r1", item, 200)
        line.tell(ModelFinishedAudio(item, 0))
    line.wait(250)
    line.echo(2)
    assert truncations(line.caller_begins(after=50)) == [("i2", 50), ("i3", 0)]


def test_parts_of_one_item_are_cut_each_for_itself() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 100, part=0)
    line.tell(ModelFinishedAudio("i1", 0))
    line.generate("r1", "i1", 1000, part=1)
    line.wait(100)
    line.echo(1)
    (cut,) = of(line.caller_begins(after=30), TruncateItem)
    assert (cut.content_index, cut.audio_end_ms) == (1, 30)


def test_a_wholly_heard_answer_is_not_truncated() -> None:
    line = open_call()
    line.answer(ms=300)
    line.hear_out()
    assert line.caller_begins() == []


def test_a_caller_who_speaks_when_no_mark_is_out_is_answered() -> None:
    line = open_call()
    assert (line.caller_begins(), truncations(line.caller_ends(after=500))) == ([], [])
    line.answer("r1", "i1", 500)
    line.wait(2000)
    assert played(line.wanted) == voice(500)


def test_late_audio_of_an_interrupted_response_is_dropped() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 500)
    line.caller_begins(after=100)
    assert line.generate("r1", "i1", 500) == []
    assert of(line.wait_with_frames(1000), PlayAudio) == []


def test_the_answer_after_an_interruption_is_played_from_its_start() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 5000)
    line.caller_begins(after=400)
    line.tell(ResponseFinished("r1", "cancelled"))
    line.caller_ends(after=300)
    line.wanted.clear()
    line.answer("r2", "i2", 500)
    line.wait(2000)
    assert played(line.wanted) == voice(500)


def test_an_item_that_comes_too_late_to_be_heard_is_truncated_at_nothing_once() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 500)
    line.caller_begins(after=100)
    assert truncations(line.generate("r1", "i2", 100)) == [("i2", 0)]
    assert truncations(line.generate("r1", "i2", 100)) == []


def test_an_item_heard_as_far_as_it_came_is_truncated_there_when_more_of_it_was_on_the_way() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 200)
    line.wait(250)
    line.echo()
    assert truncations(line.caller_begins()) == [("i1", 200)]
    assert line.generate("r1", "i1", 200) == []


def test_two_interruptions_in_a_row_truncate_once() -> None:
    line = open_call()
    line.answer(ms=5000)
    line.caller_begins(after=100)
    assert line.caller_begins(after=100) == []


def test_a_response_made_before_the_server_heard_the_caller_is_cancelled() -> None:
    line = open_call()
    line.caller_begins()
    wanted = line.tell(ResponseCreated("r1"))
    assert [effect.response_id for effect in of(wanted, CancelResponse)] == ["r1"]
    assert of(line.generate("r1", "i1", 500), PlayAudio) == []


def test_a_caller_before_the_stream_can_be_played_to_gets_no_clear() -> None:
    line = new_call()
    line.tell(SessionCreated(0), SessionUpdated(), ResponseCreated("r1"))
    line.generate("r1", "i1", 300)
    wanted = line.caller_begins()
    assert (of(wanted, ClearPlayback), truncations(wanted)) == ([], [("i1", 0)])
    assert of(line.tell(START), PlayAudio) == []


def test_without_interruption_the_agent_talks_on() -> None:
    line = open_call(agent_with(interrupt=False))
    line.answer(ms=1000)
    wanted = line.caller_begins(after=200)
    line.wait(2000)
    assert (of(wanted, ClearPlayback), truncations(wanted)) == ([], [])
    assert played(line.wanted) == voice(1000)


def test_an_interruption_is_a_milestone() -> None:
    line = open_call()
    line.answer(ms=1000)
    line.caller_begins(after=100)
    assert "barge_in" in line.milestones()


def test_a_mark_of_another_stream_is_stray() -> None:
    line = open_call()
    line.answer(ms=100)
    line.tell(MarkReached("MZ-other", "m1"))
    assert line.notes("log") == [{"text": "message with a wrong streamSid"}]
