"""The spend cap: counted as the record counts, warned of once, and ended with a goodbye that was heard."""

from typing import Any

import pytest
from away import agent_with_places, back, returns, transfer
from heart import Driver, agent_with, of, open_call

from bridge.agents import Agent
from bridge.heart.effects import AddText, CancelResponse, CreateResponse
from bridge.heart.events import (
    CallerAway,
    ModelFinishedAudio,
    ResponseCreated,
    ResponseFinished,
    ToolAnswered,
    ToolCalled,
    TranscriptCame,
)
from bridge.prices import PUBLISHED

GOODBYE = Agent().goodbye_sentence.text
PRICES = PUBLISHED.of("gpt-realtime-2.1", "gpt-transcribe")
CENT = {"output_token_details": {"audio_tokens": 156, "text_tokens": 1}}  # 0.010008 USD
REACHED = ("limit", "spend cap reached")


def capped(usd: float, prices: Any = PRICES, **limits: float) -> Driver:
    return open_call(agent_with(spend_cap_usd=usd, still_there_seconds=0, **limits), prices)


def talk(line: Driver, number: int, usage: Any = CENT) -> None:
    """Let the caller say something, and the model answer a second of speech."""
    line.caller_begins(after=1000)
    line.caller_ends(after=1000)
    line.answer(f"r{number}", f"i{number}", 1000, usage=usage)
    line.listen(1500)


def told(line: Driver) -> list[str]:
    return [text.text for text in of(line.wanted, AddText)]


def ended(line: Driver) -> tuple[str, str, str] | None:
    return None if line.end is None else (line.end.by, line.end.why, line.end.say)


def test_the_goodbye_is_asked_for_while_there_is_money_for_it() -> None:
    line = capped(0.05)
    for number in range(3):
        talk(line, number)
    assert told(line) == []
    talk(line, 3)
    (words,) = told(line)
    assert "15 seconds" in words
    assert "goodbye" in words
    assert of(line.wanted, CreateResponse)[-1].instructions == ""  # with tools: it may hang up
    assert {"name": "goodbye_asked", "why": REACHED[1]} in line.notes("milestone")
    line.answer("r9", "i9", 1000, usage=CENT)
    line.listen(1500)
    assert ended(line) == (*REACHED, "")
    assert line.notes("item")[-1]["heard_ms"] == 1000


def test_it_is_warned_of_once() -> None:
    line = capped(0.05, spend_warn_percent=40)
    for number in range(3):
        talk(line, number)
    (warned,) = line.notes("log")
    assert warned == {"text": "spend cap: near", "usd": pytest.approx(0.02, abs=0.001), "cap_usd": 0.05}


def test_writing_down_what_the_caller_says_counts_too() -> None:
    line = capped(0.0045)
    line.tell(TranscriptCame("u1", "yes", {"type": "duration", "seconds": 59}))
    assert told(line) == []
    line.tell(TranscriptCame("u2", "yes", {"type": "duration", "seconds": 1}))
    assert len(told(line)) == 1


def test_a_model_that_hangs_up_has_said_goodbye() -> None:
    line = capped(0.01)
    talk(line, 1)
    line.tell(ResponseCreated("r2"))
    line.generate("r2", "i2", 600)
    line.tell(ToolCalled("r2", "c1", "hang_up", '{"reason": "out of money"}'))
    line.tell(ModelFinishedAudio("i2", 0), ResponseFinished("r2", "completed", usage=CENT))
    line.listen(1500)
    assert ended(line) == ("tool", "out of money", "")


def test_a_model_that_talks_on_is_stopped_at_the_end_of_its_time_and_the_sentence_says_why() -> None:
    line = capped(0.01, goodbye_seconds=8)
    talk(line, 1)
    line.tell(ResponseCreated("r2"))
    line.generate("r2", "i2", 30_000)
    line.listen(6000)
    assert line.end is None
    line.listen(2500)
    assert ended(line) == (*REACHED, GOODBYE)


def test_a_caller_who_goes_on_is_answered_until_the_time_is_over_and_not_beyond_the_money() -> None:
    line = capped(0.03)
    talk(line, 1)
    talk(line, 2)  # told: a third like these is all that there is
    line.tell(ResponseCreated("r3"))
    line.generate("r3", "i3", 2000)
    line.caller_begins(after=500)
    line.tell(
        ResponseFinished("r3", "cancelled", usage=CENT)
    )  # the cap is reached, and the goodbye was not heard
    line.caller_ends(after=600)
    line.tell(ResponseCreated("r4"))
    assert of(line.wanted, CancelResponse)[-1].response_id == "r4"
    assert ended(line) == (*REACHED, GOODBYE)


def test_an_answer_that_began_before_the_model_knew_is_no_goodbye() -> None:
    line = capped(0.0045)
    line.caller_begins()
    line.caller_ends(after=500)  # the service begins to answer
    line.tell(TranscriptCame("u1", "yes", {"type": "duration", "seconds": 60}))
    line.answer("r1", "i1", 1000)
    line.listen(800)
    assert line.end is None
    assert len(of(line.wanted, CreateResponse)) == 1
    line.answer("r2", "i2", 1000)
    line.listen(1800)
    assert ended(line) == (*REACHED, "")


def test_a_model_that_may_not_say_goodbye_is_not_asked() -> None:
    line = capped(0.01, goodbye_seconds=0)
    talk(line, 1)
    assert told(line) == []
    assert ended(line) == (*REACHED, GOODBYE)


def test_a_caller_who_is_put_through_to_somebody_instead_is_left_to_them() -> None:
    line = open_call(agent_with_places(spend_cap_usd=0.0045, still_there_seconds=0), PRICES)
    line.tell(transfer("line"))
    line.tell(CallerAway(1), after=40)
    line.tell(TranscriptCame("u1", "Anna, please.", {"type": "duration", "seconds": 60}))
    line.wait(20_000)
    assert line.end is None
    back(line, "busy", after=0)
    returns(line)
    line.wait(100)
    assert ended(line) == (*REACHED, GOODBYE)


def test_without_a_cap_nothing_is_said() -> None:
    line = capped(0)
    for number in range(5):
        talk(line, number)
    assert line.end is None
    assert line.notes("log") == []


def test_a_model_without_a_price_is_bounded_by_what_is_known() -> None:
    line = capped(0.0045, PUBLISHED.of("somebody-elses-model", "gpt-transcribe"))
    for number in range(5):
        talk(line, number)
    assert line.end is None
    line.tell(TranscriptCame("u1", "yes", {"type": "duration", "seconds": 61}))
    assert len(told(line)) == 1


@pytest.mark.parametrize(
    "usage", [{"output_token_details": {"audio_tokens": -1}}, {"output_token_details": 7}]
)
def test_a_usage_that_can_not_be_is_counted_and_costs_nothing(usage: Any) -> None:
    line = capped(0.01)
    talk(line, 1, usage)
    assert line.end is None
    assert [note["text"] for note in line.notes("log")] == ["spend cap: a usage that can't be read"]


def test_a_tool_that_was_begun_beside_the_goodbye_is_waited_for_while_there_is_money() -> None:
    line = capped(0.03)
    talk(line, 0)
    talk(line, 1)
    line.tell(ResponseCreated("r2"))
    line.generate("r2", "i2", 600)
    line.call_tool("c1", "look_up")
    line.tell(ModelFinishedAudio("i2", 0), ResponseFinished("r2", "completed"))
    line.listen(1500)
    assert line.end is None
    line.tell(ToolAnswered("c1", "done"))
    line.answer("r3", "i3", 800)
    line.listen(1200)
    assert ended(line) == (*REACHED, "")
