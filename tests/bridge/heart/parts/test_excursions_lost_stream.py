"""A media stream that breaks off while the caller is there: they are connected again, and nothing is lost."""

from away import away_call, back, returns, talking_call
from heart import Driver, of

from bridge.heart.effects import CreateResponse, PlayAudio, ReturnToStream, TruncateItem
from bridge.heart.events import (
    CallerAway,
    ModelLeft,
    PhoneLeft,
    ResponseCreated,
    ResponseFinished,
    TurnCommitted,
)


def a_lost_stream(**limits: int) -> Driver:
    """Return a call whose stream broke off in the middle of the agent's answer."""
    line = talking_call(**{"stream_returns": 2, **limits})
    line.tell(TurnCommitted("u1"), ResponseCreated("r1"))
    line.generate("r1", "i1", 4000)
    line.wait(500)
    line.wanted.clear()
    line.tell(PhoneLeft(1006, ""))
    return line


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
