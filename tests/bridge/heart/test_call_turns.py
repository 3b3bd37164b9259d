"""The heart and turns: the opening, one response at a time, and nobody left without an answer."""

import pytest
from heart import TOOLS, Driver, agent_with, new_call, of, open_call, ready_call, truncations

from bridge.heart.effects import AnswerTool, CancelResponse, CreateResponse, UpdateSession
from bridge.heart.events import (
    ModelErred,
    ModelFinishedAudio,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStopped,
    ToolAnswered,
    TurnCommitted,
)
from bridge.heart.session_settings import SessionSettings

BUSY = "conversation_already_has_active_response"


def busy(client_event_id: str) -> ModelErred:
    return ModelErred(BUSY, "invalid_request_error", "", client_event_id)


def asked(line: Driver) -> list[CreateResponse]:
    return of(line.wanted, CreateResponse)


# ---------------------------------------------------------------- the opening


def test_the_session_is_asked_for_once_the_server_greets() -> None:
    line = new_call()
    (update,) = of(line.tell(SessionCreated(0)), UpdateSession)
    assert update.session == SessionSettings(line.call.agent, TOOLS)
    assert of(line.tell(SessionCreated(0)), UpdateSession) == []


def test_the_opening_is_asked_for_once_with_its_own_words() -> None:
    line = new_call()
    line.tell(SessionCreated(0), SessionUpdated(), SessionUpdated())
    (opening,) = asked(line)
    assert line.call.agent.greeting in opening.instructions


def test_later_responses_have_no_instructions_of_their_own() -> None:
    line = open_call(agent_with(create=False))
    line.caller_begins()
    line.caller_ends(after=500)
    assert [create.instructions for create in asked(line)] == [""]


def test_an_opening_that_failed_is_asked_for_again_in_the_same_words() -> None:
    line = ready_call()
    line.tell(ResponseCreated("r0"), ResponseFinished("r0", "failed", error_code="server_error"))
    line.wait(1000)
    first, second = asked(line)
    assert second.instructions == first.instructions != ""


def test_a_tool_called_before_the_agent_ever_spoke_is_not_answered_with_the_opening() -> None:
    line = ready_call()
    line.tell(ResponseCreated("r0"))
    line.caller_begins()
    line.tell(ResponseFinished("r0", "cancelled"))
    line.caller_ends()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.tell(ToolAnswered("c1", "7 pm"), ResponseFinished("r9", "completed"))
    assert asked(line)[-1].instructions == ""


# ---------------------------------------------------------------- one response at a time


def test_an_answer_that_the_server_makes_by_itself_is_not_asked_for() -> None:
    line = open_call()
    line.caller_begins()
    line.caller_ends(after=500)
    assert asked(line) == []


def test_an_answer_is_asked_for_when_the_server_makes_none() -> None:
    line = open_call(agent_with(create=False))
    line.caller_begins()
    line.caller_ends(after=500)
    assert len(asked(line)) == 1


def test_a_turn_during_a_response_is_answered_after_it() -> None:
    line = open_call(agent_with(interrupt=False))
    line.tell(ResponseCreated("r1"))
    line.caller_begins()
    line.caller_ends(after=500)
    assert asked(line) == []
    line.tell(ResponseFinished("r1", "completed"))
    assert len(asked(line)) == 1


def test_a_request_refused_as_busy_is_made_again_when_the_other_response_ended() -> None:
    line = open_call(agent_with(create=False))
    line.caller_begins()
    line.caller_ends()
    (first,) = asked(line)
    line.tell(busy(first.event_id))
    assert len(asked(line)) == 1
    line.tell(ResponseFinished("rx", "completed"))
    assert len(asked(line)) == 2


def test_a_tools_reply_that_collides_with_the_servers_own_answer_is_asked_for_after_it() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"), ToolAnswered("c1", "7 pm"))
    (first,) = asked(line)
    line.tell(TurnCommitted("u1"), ResponseCreated("r2"), busy(first.event_id))
    line.generate("r2", "i2", 100)
    line.tell(ResponseFinished("r2", "completed"))
    assert len(asked(line)) == 2


def test_a_request_that_is_never_answered_blocks_no_later_one() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"), ToolAnswered("c1", "7 pm"))
    line.tell(TurnCommitted("u1"))
    line.answer("r2", "i2", 100)
    line.wait_with_frames(5100)
    assert len(asked(line)) == 2


def test_the_servers_own_answer_refused_as_busy_is_owed_by_us() -> None:
    line = open_call(agent_with(interrupt=False))
    line.tell(ResponseCreated("r1"), busy(""))
    line.tell(ResponseFinished("r1", "completed"))
    assert len(asked(line)) == 1


def test_an_error_without_a_name_loses_no_answer_that_is_owed() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.tell(ToolAnswered("c1", "7 pm"), ModelErred("response_cancel_not_active", "", "", ""))
    line.tell(ResponseFinished("r9", "completed"))
    assert len(asked(line)) == 1


# ---------------------------------------------------------------- no answer


def test_a_model_that_answers_nothing_is_asked_once_more_and_then_given_up() -> None:
    line = open_call()
    line.caller_begins()
    line.caller_ends()
    line.wait_with_frames(5000)
    assert (len(asked(line)), line.end) == (1, None)
    line.wait_with_frames(5000)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("model", "the model answered nothing")
    assert line.end.say == line.call.agent.failure_sentence.text


def test_a_response_that_says_nothing_is_cancelled_before_it_is_asked_for_again() -> None:
    line = open_call()
    line.caller_begins()
    line.caller_ends()
    line.tell(ResponseCreated("r1"))
    wanted = line.wait_with_frames(5000)
    kinds = [type(effect) for effect in wanted if isinstance(effect, CancelResponse | CreateResponse)]
    assert kinds == [CancelResponse, CreateResponse]
    assert truncations(line.generate("r1", "i1", 100)) == [("i1", 0)]


def test_a_nudge_that_is_refused_as_busy_is_made_again() -> None:
    line = open_call()
    line.caller_begins()
    line.caller_ends()
    line.tell(ResponseCreated("r1"))
    line.wait_with_frames(5000)
    (nudge,) = asked(line)
    line.tell(busy(nudge.event_id), ResponseFinished("r1", "cancelled"))
    assert len(asked(line)) == 2


def test_an_answer_in_time_makes_the_next_silence_count_anew() -> None:
    line = open_call()
    for _ in range(3):
        line.caller_begins()
        line.caller_ends()
        line.wait_with_frames(5000)
        line.answer(f"r{line.now}", f"i{line.now}", 100)
        line.hear_out()
    assert line.end is None


def test_a_turn_that_is_never_committed_is_answered_all_the_same() -> None:
    line = open_call()
    line.caller_begins()
    line.tell(SpeechStopped("u1", 0))
    line.wait_with_frames(5000)
    assert len(asked(line)) == 1


def test_nobody_waits_for_the_model_while_the_caller_speaks() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.caller_begins()
    line.tell(ToolAnswered("c1", "7 pm"))
    line.wait_with_frames(20_000)
    assert (asked(line), line.end) == ([], None)


# ---------------------------------------------------------------- rate limits


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "server_error"])
def test_a_response_that_failed_for_now_is_asked_for_again_later_and_later(code: str) -> None:
    line = open_call(agent_with(create=False))
    line.caller_begins()
    line.caller_ends()
    pauses = []
    for attempt in range(1, 4):
        line.tell(ResponseCreated(f"r{attempt}"), ResponseFinished(f"r{attempt}", "failed", "", code))
        begun = line.now
        while len(asked(line)) == attempt:
            line.wait(100)
        pauses.append(line.now - begun)
    assert pauses == [1000, 2000, 3000]
    line.tell(ResponseCreated("r4"), ResponseFinished("r4", "failed", "", code))
    assert line.end is not None
    assert line.end.why == f"the model failed to answer ({code})"


@pytest.mark.parametrize("is_named", [True, False])
def test_a_request_refused_by_the_rate_limit_is_made_again(is_named: bool) -> None:
    line = open_call(agent_with(create=False))
    line.caller_begins()
    line.caller_ends()
    (first,) = asked(line)
    name = first.event_id if is_named else ""
    line.tell(ModelErred("rate_limit_exceeded", "tokens", "", name))
    assert len(asked(line)) == 1
    line.wait(1000)
    assert len(asked(line)) == 2


def test_a_server_error_while_nobody_waits_makes_nobody_speak() -> None:
    line = open_call()
    line.tell(ModelErred("", "server_error", "The server had an error", ""))
    line.wait_with_frames(3000)
    assert (asked(line), line.end) == ([], None)


def test_the_retry_of_an_answer_waits_until_the_caller_has_ended() -> None:
    line = open_call(agent_with(create=False))
    line.caller_begins()
    line.caller_ends()
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "failed", "", "rate_limit_exceeded"))
    line.caller_begins()
    line.wait_with_frames(2000)
    assert len(asked(line)) == 1
    line.caller_ends()
    assert len(asked(line)) == 2
    assert of(line.wanted, AnswerTool) == []


@pytest.mark.parametrize(
    ("reason", "words"), [("max_output_tokens", "last whole word"), ("content_filter", "can't help")]
)
def test_an_answer_that_breaks_off_in_a_word_is_ended_in_another_one_once(reason: str, words: str) -> None:
    line = open_call()
    for number in range(3):
        line.tell(ResponseCreated(f"r{number}"))
        line.generate(f"r{number}", f"i{number}", 900)
        line.tell(ModelFinishedAudio(f"i{number}", 0), ResponseFinished(f"r{number}", "incomplete", reason))
    (one,) = asked(line)
    assert words in one.instructions


def test_an_answer_that_the_caller_has_cut_off_is_not_ended_for_them() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 900)
    line.caller_begins(after=300)
    line.tell(ResponseFinished("r1", "incomplete", "max_output_tokens"))
    assert of(line.wanted, CreateResponse) == []
