"""Limits with words: the longest call and the quiet one, whose callers and models are told before they end."""

import pytest
from attrs import evolve
from away import away_call, back, returns, transfer
from courses import Course, agents, courses, history
from heart import SID, Driver, agent_with, of, open_call, voice
from hypothesis import assume, given, settings

from bridge.agents import Agent
from bridge.heart.audio import silence
from bridge.heart.effects import AddText, CancelResponse, CreateResponse, EndSession
from bridge.heart.events import (
    KeyPressed,
    ModelFinishedAudio,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    ToolCalled,
)

GOODBYE = Agent().goodbye_sentence.text


def ended(line: Driver) -> tuple[str, str, str] | None:
    return None if line.end is None else (line.end.by, line.end.why, line.end.say)


def a_long_call(**limits: int) -> Driver:
    """Return a call of a minute at most, in which nobody is asked whether anybody is there."""
    return open_call(agent_with(max_call_seconds=60, still_there_seconds=0, **limits))


def until(line: Driver, ms: int) -> None:
    """Let the caller be quiet until that time of the call."""
    line.wait_with_frames(ms - line.now)


def told(line: Driver) -> list[str]:
    return [text.text for text in of(line.wanted, AddText)]


# ---------------------------------------------------------------- the longest call


def test_the_model_is_told_to_say_goodbye_before_the_longest_call_is_over() -> None:
    line = a_long_call(goodbye_seconds=20)
    until(line, 39_000)
    assert told(line) == []
    until(line, 40_000)
    (text,) = told(line)
    assert "20 seconds" in text
    assert "hang up" in text
    assert of(line.wanted, CreateResponse)[-1].instructions == ""  # with tools, or it could not hang up
    assert "goodbye_asked" in line.milestones()


def test_a_model_that_says_goodbye_and_hangs_up_ends_the_call_by_itself() -> None:
    line = a_long_call(goodbye_seconds=20)
    until(line, 40_000)
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 800)
    line.call_tool("c1", "hang_up", '{"reason": "out of time"}')
    line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    line.hear_out()
    assert ended(line) == ("tool", "out of time", "")


def test_a_caller_who_speaks_is_answered_once_by_a_model_that_knows() -> None:
    line = a_long_call(goodbye_seconds=20)
    until(line, 39_000)
    line.caller_begins()
    line.wait_with_frames(2000)
    line.caller_ends()
    line.answer()
    line.listen(2000)
    assert len(told(line)) == 1
    assert of(line.wanted, CreateResponse) == []  # the server's own answer is the goodbye


def test_an_answer_that_is_being_made_when_the_model_is_told_is_followed_by_the_goodbye() -> None:
    line = a_long_call(goodbye_seconds=20)
    until(line, 39_000)
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 2000)
    line.listen(1500)
    assert of(line.wanted, CreateResponse) == []
    line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    assert len(of(line.wanted, CreateResponse)) == 1


def test_nobody_is_told_where_the_setting_says_so() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 60_000)
    assert told(line) == []
    assert ended(line) == ("limit", "longest call reached", GOODBYE)


def test_the_longest_call_ends_as_soon_as_nobody_speaks_and_the_caller_hears_why() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 56_900)
    assert line.end is None
    line.wait_with_frames(200)
    assert ended(line) == ("limit", "longest call reached", GOODBYE)


def spoken_in_words(line: Driver, words: int) -> None:
    """Let the model speak words of 700 ms with a breath of 200 ms after each."""
    line.tell(ResponseCreated("r1"))
    for word in range(words):
        line.tell(ModelSpoke("r1", "i1", 0, voice(700, first=word) + silence(200)))


def test_the_agent_is_stopped_between_two_words() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 50_000)
    spoken_in_words(line, 30)
    line.listen(10_000)
    assert ended(line) == ("limit", "longest call reached", GOODBYE)
    item = line.notes("item")[-1]
    in_its_word = item["heard_ms"] % 900
    assert in_its_word >= 700  # in a breath
    assert item["cut"]
    assert item["heard_ms"] < item["generated_ms"] == 27_000
    assert of(line.wanted, CancelResponse)[-1].response_id == "r1"


def test_an_agent_who_never_takes_a_breath_is_cut_off_at_the_limit_itself() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 50_000)
    line.answer("r1", "i1", 30_000)
    line.listen(9_000)
    assert line.end is None
    line.listen(1000)
    assert ended(line) == ("limit", "longest call reached", GOODBYE)


def test_a_caller_in_the_middle_of_a_sentence_is_heard_out_until_the_limit() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 56_000)
    line.caller_begins()
    line.wait_with_frames(2000)
    assert line.end is None
    line.caller_ends()
    assert ended(line) == ("limit", "longest call reached", GOODBYE)


def test_nothing_is_begun_in_the_last_moments() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 56_000)
    line.caller_begins()
    line.wait_with_frames(1500)
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 2000)
    assert of(line.wanted, CancelResponse)[-1].response_id == "r1"
    line.caller_ends()
    assert line.end is not None


def test_a_goodbye_that_is_being_said_in_the_last_moments_is_left_alone() -> None:
    line = a_long_call(goodbye_seconds=0)
    until(line, 55_000)
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 4000)
    line.tell(ToolCalled("r1", "c1", "hang_up", '{"reason": "done"}'))
    line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    line.listen(4500)
    assert ended(line) == ("tool", "done", "")
    assert line.notes("item")[-1]["heard_ms"] == 4000


def test_the_model_is_told_on_the_callers_return_what_it_would_have_been_told_while_they_were_away() -> None:
    line = away_call(transfer("line"), max_call_seconds=60, goodbye_seconds=15)
    line.wait(50_000 - line.now)
    assert told(line) == []
    back(line, "left", after=0)
    returns(line)
    assert len(told(line)) == 1


def test_a_caller_who_is_away_is_away_until_the_limit_itself() -> None:
    line = away_call(transfer("line"), max_call_seconds=60)
    line.wait(59_900 - line.now)
    assert line.end is None
    line.wait(200)
    assert ended(line) == ("limit", "longest call reached", GOODBYE)


def test_an_agent_without_a_sentence_ends_without_one() -> None:
    agent = agent_with(max_call_seconds=60, still_there_seconds=0, goodbye_seconds=0)
    line = open_call(evolve(agent, goodbye_sentence=evolve(agent.goodbye_sentence, text="")))
    until(line, 60_000)
    assert ended(line) == ("limit", "longest call reached", "")


@settings(max_examples=60, database=None)
@given(agents, courses)
def test_no_call_is_ever_longer_than_its_limit(agent: Agent, course: Course) -> None:
    past = history(agent, course)
    past.live([(30_000, KeyPressed(SID, "1"))])
    assume(not of(past.wanted, EndSession))  # whoever is somebody else's has the limits of where they are
    over_at = next((one.at for one in past.told if one.is_over), None)
    longest_ms = agent.limits.max_call_seconds * 1000
    assert over_at is not None or past.now <= longest_ms
    assert over_at is None or over_at <= longest_ms


# ---------------------------------------------------------------- nobody speaks


def asked(line: Driver) -> list[CreateResponse]:
    return [one for one in of(line.wanted, CreateResponse) if "still there" in one.instructions]


def test_a_quiet_caller_is_asked_whether_anybody_is_there() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5))
    line.wait_with_frames(14_000)
    assert asked(line) == []
    line.wait_with_frames(1500)
    assert len(asked(line)) == 1
    assert "still_there_asked" in line.milestones()


def test_who_says_nothing_to_that_is_told_goodbye() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5))
    line.wait_with_frames(15_500)
    line.answer("r1", "i1", 1000)
    line.listen(5500)
    assert line.end is None  # five seconds from the last word of the question
    line.listen(500)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)
    assert len(asked(line)) == 1


@pytest.mark.parametrize("sign", ["a word", "a key"])
def test_who_answers_that_is_asked_again_after_the_next_silence(sign: str) -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5))
    line.wait_with_frames(15_500)
    line.answer("r1", "i1", 1000)
    line.listen(2000)
    if sign == "a word":
        line.caller_begins()
        line.caller_ends(after=400)
    else:
        line.tell(KeyPressed(SID, "1"))
        line.listen(1600)
    line.answer("r2", "i2", 500)
    line.listen(16_000)
    assert line.end is None
    assert len(asked(line)) == 2


def test_a_model_that_asks_nothing_has_failed() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5))
    line.wait_with_frames(30_000)
    assert ended(line) == ("model", "the model answered nothing", Agent().failure_sentence.text)


def test_a_short_silence_is_half_for_asking_and_half_for_the_answer() -> None:
    line = open_call(agent_with(quiet_seconds=4, still_there_seconds=15))
    line.wait_with_frames(1300)
    assert asked(line) == []
    line.wait_with_frames(400)
    assert len(asked(line)) == 1


def test_nobody_is_asked_where_the_setting_says_so() -> None:
    line = open_call(agent_with(quiet_seconds=10, still_there_seconds=0))
    line.wait_with_frames(11_000)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)
    assert asked(line) == []


def test_what_is_asked_again_is_the_same_question() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=10, answer_timeout_ms=2000))
    line.wait_with_frames(10_500)
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "completed"))  # without a sound
    line.wait_with_frames(3000)
    assert len(asked(line)) == 2
