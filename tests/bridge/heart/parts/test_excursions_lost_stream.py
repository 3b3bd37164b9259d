"""A media stream that breaks off while the caller is there: they are connected again, and nothing is lost."""

import pytest
from away import away_call, back, returns, talking_call
from heart import Driver, of

from bridge.heart.audio import silence
from bridge.heart.effects import (
    AddText,
    CancelResponse,
    CreateResponse,
    PlayAudio,
    ReturnToStream,
    TruncateItem,
)
from bridge.heart.events import (
    CallerAway,
    ModelFinishedAudio,
    ModelLeft,
    ModelSpoke,
    PhoneLeft,
    ResponseCreated,
    ResponseFinished,
    SpeechStarted,
    TurnCommitted,
)
from replay.sound.formats import murmur


def a_lost_stream(**limits: int) -> Driver:
    """Return a call whose stream broke off in the middle of the agent's answer; what was unheard is not kept, unless
    `say_again` says so."""
    line = talking_call(**{"stream_returns": 2, "say_again": False, **limits})
    line.tell(TurnCommitted("u1"), ResponseCreated("r1"))
    line.generate("r1", "i1", 4000)
    line.wait(500)
    line.wanted.clear()
    line.tell(PhoneLeft(1006, ""))
    return line


FIRST, SECOND = murmur(1000), murmur(1600)
SENTENCES = FIRST + silence(400) + SECOND
"""What the agent says: two sentences, with a pause between them."""


def a_stream_lost_at(ms: int, *, is_whole: bool = True) -> Driver:
    """Return a call whose stream broke off when the agent had said so much of two sentences."""
    line = talking_call(stream_returns=2)
    line.tell(TurnCommitted("u1"), ResponseCreated("r1"), ModelSpoke("r1", "i1", 0, SENTENCES))
    if is_whole:
        line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    for _ in range(ms // 100):
        line.wait(100)
        line.echo(1)
    line.wanted.clear()
    line.tell(PhoneLeft(1006, ""))
    line.echoed = 0
    return line


def comes_back(line: Driver) -> list[PlayAudio]:
    """Let the caller be connected again, and hear everything; return what was played to them."""
    line.tell(CallerAway(1), after=300)
    before = len(line.wanted)
    returns(line)
    line.hear_out()
    return of(line.wanted[before:], PlayAudio)


@pytest.mark.parametrize(("lost_at", "again_from"), [(600, 0), (1000, 0), (2000, 1400), (2600, 1400)])
def test_what_was_unheard_is_said_again_from_the_start_of_its_sentence(lost_at: int, again_from: int) -> None:
    line = a_stream_lost_at(lost_at)
    assert not of(line.wanted, TruncateItem), "all of it will have been heard"
    pieces = comes_back(line)
    assert pieces[0].start == again_from * 8
    assert b"".join(piece.audio for piece in pieces) == SENTENCES[again_from * 8 :]
    assert {piece.stream_sid for piece in pieces} == {"MZ2"}
    assert not of(line.wanted, CreateResponse), "the model is not asked to say it anew"
    (item,) = line.notes("item")
    assert (item["heard_ms"], item["cut"]) == (3000, False)
    assert "said_again" in line.milestones()


def test_an_answer_that_is_still_being_made_goes_on() -> None:
    line = a_stream_lost_at(2000, is_whole=False)
    assert not of(line.wanted, CancelResponse)
    line.tell(ModelSpoke("r1", "i1", 0, FIRST), ModelFinishedAudio("i1", 0))
    line.tell(ResponseFinished("r1", "completed"))
    pieces = comes_back(line)
    assert b"".join(piece.audio for piece in pieces) == SENTENCES[1400 * 8 :] + FIRST


def test_who_interrupts_what_is_said_again_is_told_of_as_far_as_they_heard() -> None:
    line = a_stream_lost_at(2000)
    line.tell(CallerAway(1), after=300)
    returns(line)
    line.wait(500)
    (cut,) = of(line.tell(SpeechStarted("u2", 0)), TruncateItem)
    assert 1400 < cut.audio_end_ms <= 2000 + 20


def test_a_caller_who_does_not_come_back_has_heard_what_they_had() -> None:
    line = a_stream_lost_at(2000)
    line.wait(11_000)
    assert line.end is not None
    (item,) = line.notes("item")
    assert 1600 <= item["heard_ms"] <= 2000
    assert item["cut"]


def test_a_caller_who_was_speaking_is_asked_to_go_on_as_ever() -> None:
    line = talking_call(stream_returns=2)
    line.tell(SpeechStarted("u2", 0), PhoneLeft(1006, ""))
    line.tell(CallerAway(1))
    assert [text.role for text in of(line.wanted, AddText)] == ["system"]
    assert of(line.wanted, CreateResponse)


def test_an_answer_that_begins_while_the_line_is_gone_is_owed() -> None:
    line = a_stream_lost_at(2000)
    assert of(line.tell(ResponseCreated("r2")), CancelResponse)
    line.tell(ResponseFinished("r2", "cancelled"), CallerAway(1))
    assert of(line.wanted, CreateResponse)


def test_a_stream_that_breaks_off_is_connected_again_and_the_agent_takes_up_its_words() -> None:
    line = a_lost_stream()
    assert line.end is None
    assert [effect.item_id for effect in of(line.wanted, TruncateItem)] == ["i1"]
    assert of(line.tell(CallerAway(1), after=300), ReturnToStream) == [ReturnToStream(2)]
    line.tell(ResponseFinished("r1", "cancelled"))
    assert [effect.instructions for effect in of(line.wanted, CreateResponse)] == [""]
    returns(line)
    line.generate("r2", "i2", 200)
    assert of(line.wanted, PlayAudio)[-1].stream_sid == "MZ2"


def test_twilio_may_ask_before_the_socket_is_seen_to_be_gone() -> None:
    line = talking_call(stream_returns=1)
    assert of(line.tell(CallerAway(1)), ReturnToStream) == [ReturnToStream(2)]
    line.tell(PhoneLeft(1006, ""))
    returns(line)
    assert line.end is None


def test_a_caller_who_had_gone_is_not_waited_for_longer() -> None:
    line = a_lost_stream()
    line.tell(CallerAway(1, is_gone=True))
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("caller", "hung up")


def test_a_line_that_nobody_asks_about_is_over_in_ten_seconds() -> None:
    line = a_lost_stream()
    line.wait(9900)
    assert line.end is None
    line.wait(200)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("caller", "media socket lost (1006)")


def test_a_model_that_is_lost_meanwhile_is_a_case_for_the_failure_plan_when_twilio_asks() -> None:
    line = a_lost_stream()
    line.tell(ModelLeft(1006, ""))
    assert line.end is None
    line.tell(CallerAway(1))
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("model", line.call.agent.failure_sentence.text)


def test_it_is_connected_again_so_often_and_no_more() -> None:
    line = a_lost_stream(stream_returns=1)
    line.tell(CallerAway(1))
    returns(line)
    line.tell(PhoneLeft(1006, ""))
    assert line.end is not None
    assert line.end.why == "media socket lost (1006)"


def test_an_excursion_s_late_result_is_not_that_of_a_lost_stream() -> None:
    line = away_call(None, stream_returns=1)
    back(line)
    returns(line)
    line.tell(PhoneLeft(1006, ""))
    back(line)
    assert line.end is None
    assert of(line.tell(CallerAway(2)), ReturnToStream) == [ReturnToStream(3)]
