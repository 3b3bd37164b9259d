"""The quiet caller: asked so often, and told goodbye. Silence is counted from what was heard, and by nobody's clock
but ours.
"""

import pytest
from attrs import evolve
from heart import SID, Driver, agent_with, of, open_call

from bridge.agents import Agent
from bridge.heart.effects import AddText, CancelResponse, CreateResponse
from bridge.heart.events import (
    IdleTimedOut,
    KeyPressed,
    ModelFinishedAudio,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    TurnCommitted,
)

GOODBYE = Agent().goodbye_sentence.text


def asked(line: Driver) -> list[str]:
    """Return what each question was to be."""
    return [one.instructions for one in of(line.wanted, CreateResponse) if one.instructions]


def ended(line: Driver) -> tuple[str, str, str] | None:
    return None if line.end is None else (line.end.by, line.end.why, line.end.say)


def answers_and_listens(line: Driver, number: int, ms: int) -> None:
    """Let the model say a second of speech, and the caller hear that and then nothing."""
    line.answer(f"r{number}", f"i{number}", 1000)
    line.listen(1000 + ms)


def test_they_are_asked_as_often_as_the_setting_says_and_each_time_from_the_end_of_what_was_heard() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5, still_there_times=3))
    line.wait_with_frames(5500)
    assert len(asked(line)) == 1
    for number in (1, 2):
        answers_and_listens(line, number, 4500)
        assert len(asked(line)) == number
        line.listen(800)
        assert len(asked(line)) == number + 1
    answers_and_listens(line, 3, 4500)
    assert line.end is None
    line.listen(1000)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)
    assert line.milestones().count("still_there_asked") == 3


def test_what_is_asked_may_be_written_down_and_the_last_words_hold_for_all_that_follow() -> None:
    agent = agent_with(quiet_seconds=20, still_there_seconds=5, still_there_times=3)
    line = open_call(evolve(agent, still_there_sentences=("Still there?", "I can't hear you.")))
    line.wait_with_frames(5500)
    for number in (1, 2, 3):
        answers_and_listens(line, number, 5500)
    told = [words.partition(": ")[2] for words in asked(line)]
    assert told == ["Still there?", "I can't hear you.", "I can't hear you."]


def test_more_questions_than_there_is_time_for_share_it() -> None:
    line = open_call(agent_with(quiet_seconds=4, still_there_seconds=15, still_there_times=3))
    line.wait_with_frames(1200)
    assert len(asked(line)) == 1


@pytest.mark.parametrize("sign", ["a word", "a key"])
def test_who_gives_a_sign_of_life_has_all_questions_before_them_again(sign: str) -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5, still_there_times=2))
    line.wait_with_frames(10_500)
    answers_and_listens(line, 1, 5500)
    line.answer("r2", "i2", 1000)
    line.listen(2000)
    assert len(asked(line)) == 2
    if sign == "a word":
        line.caller_begins()
        line.caller_ends(after=400)
    else:
        line.tell(KeyPressed(SID, "1"))
        line.listen(1600)
    line.answer("r3", "i3", 500)
    line.listen(9000)
    assert len(asked(line)) == 2
    line.listen(2000)
    assert len(asked(line)) == 3


def test_what_can_not_be_asked_while_a_session_is_replaced_is_asked_when_the_next_is_there() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5, reconnects=1))
    line.wait_with_frames(13_000)
    line.tell(ModelLeft(1006, ""))
    line.wait_with_frames(2500)
    assert asked(line) == []
    line.tell(SessionCreated(0), SessionUpdated())
    line.wait_with_frames(1000)
    assert len(asked(line)) == 1


def test_without_marks_the_silence_begins_when_the_line_has_played_all_that_it_was_given() -> None:
    line = open_call(agent_with(quiet_seconds=10, still_there_seconds=0))
    line.answer("r1", "i1", 8000)
    line.wait_with_frames(17_500)
    assert line.end is None
    line.wait_with_frames(1500)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)


# ---------------------------------------------------------------- the goodbye


def quiet_call(**limits: float) -> Driver:
    """Return a call in which nobody has spoken for so long that the model was asked to say goodbye."""
    line = open_call(agent_with(quiet_seconds=10, still_there_seconds=0, quiet_goodbye_seconds=6, **limits))
    line.wait_with_frames(10_300)
    return line


def test_the_model_says_goodbye_and_when_that_was_heard_the_call_is_over_without_another_word() -> None:
    line = quiet_call()
    assert "say goodbye" in asked(line)[-1]
    line.answer("r1", "i1", 1500)
    line.listen(1100)  # what was sent is on its way to the ear for 300 ms
    assert line.end is None
    line.listen(700)
    assert ended(line) == ("limit", "nobody spoke", "")
    assert line.notes("item")[-1]["heard_ms"] == 1500
    assert {"name": "goodbye_asked", "why": "nobody spoke"} in line.notes("milestone")


def test_a_model_that_says_no_goodbye_in_its_time_leaves_it_to_twilio() -> None:
    line = quiet_call(answer_timeout_ms=60_000)
    line.wait_with_frames(5500)
    assert line.end is None or line.end.say == GOODBYE
    line.wait_with_frames(1000)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)


def test_a_caller_who_speaks_into_the_goodbye_stays() -> None:
    line = quiet_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 2000)
    line.listen(600)
    line.caller_begins()
    line.caller_ends(after=800)
    assert "goodbye_withdrawn" in line.milestones()
    line.answer("r2", "i2", 1000)
    line.listen(8000)
    assert line.end is None
    assert of(line.wanted, AddText) == []  # the model has no words in its memory that would end the call


def test_a_caller_who_speaks_in_the_very_last_moment_stays_and_is_answered() -> None:
    line = quiet_call(answer_timeout_ms=60_000)
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 20_000)
    line.listen(4500)  # nothing more may be begun
    assert [cancelled.response_id for cancelled in of(line.wanted, CancelResponse)] == ["r1"]
    line.caller_begins()
    line.caller_ends(after=400)
    line.answer("r2", "i2", 1000)
    line.listen(5000)
    assert line.end is None
    assert [cancelled.response_id for cancelled in of(line.wanted, CancelResponse)] == ["r1"]


# ---------------------------------------------------------------- the service's own idle time-out


def service_asks(line: Driver, number: int) -> None:
    """Let the service take the silence for a turn and answer it."""
    line.tell(IdleTimedOut(f"u{number}"), TurnCommitted(f"u{number}"))
    line.answer(f"s{number}", f"q{number}", 1000)
    line.listen(1000)


def test_a_service_that_asks_by_itself_keeps_no_quiet_call_alive() -> None:
    line = open_call(agent_with(quiet_seconds=20, still_there_seconds=5))
    for number in range(1, 5):
        line.listen(4800)
        assert line.end is None
        service_asks(line, number)
    line.listen(1500)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)
    assert asked(line) == []  # the service has done the asking


def test_a_service_that_asks_instead_of_the_goodbye_has_said_none() -> None:
    line = quiet_call()
    service_asks(line, 1)
    assert line.end is None
    assert "say goodbye" in asked(line)[-1]
    line.answer("r1", "i1", 500)
    line.listen(800)
    assert ended(line) == ("limit", "nobody spoke", "")


def test_a_goodbye_without_a_sound_is_none() -> None:
    line = quiet_call(answer_timeout_ms=3000)
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "completed"))
    line.listen(2000)
    assert line.end is None
    line.tell(ModelFinishedAudio("i9", 0))
    line.wait_with_frames(4500)
    assert ended(line) == ("limit", "nobody spoke", GOODBYE)
