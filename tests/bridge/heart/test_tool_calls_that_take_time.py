"""The heart and tools that take time: late results, tools that run once, cancelling, fillers, progress, promises."""

import json

import pytest
from attrs import evolve
from heart import START, Driver, agent_with, of, open_call, played, voice

from bridge.agents import Agent
from bridge.heart.call import Call
from bridge.heart.effects import (
    AddCall,
    AddText,
    AnswerTool,
    CancelTool,
    CreateResponse,
    OpenSession,
    RunTool,
)
from bridge.heart.events import (
    AgentWords,
    ModelFinishedAudio,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    StreamStopped,
    ToolAnswered,
    ToolCalled,
    ToolFailed,
    ToolReported,
)
from bridge.heart.parts.tool_speech import PAUSE_MS
from bridge.heart.prompts import CANCELLED, UNDER_WAY
from bridge.settings.filler import Clip, Filler
from bridge.settings.tool_speech import ToolSpeech
from bridge.tool_rules import ToolRule

LATE = {"look_up": ToolRule(late=True)}
ONCE = {"book_table": ToolRule(once=True)}
CANCELLABLE = {"look_up": ToolRule(cancellable=True)}


def agent_that(**speech: object) -> Agent:
    return evolve(agent_with(), tool_speech=ToolSpeech(**speech))  # type: ignore[arg-type]


def in_a_response(line: Driver) -> Driver:
    line.tell(ResponseCreated("r9"))
    return line


def with_late_tool(agent: Agent | None = None) -> Driver:
    """A late tool was called, the model has said that it is on it, and the caller has heard that."""
    line = in_a_response(open_call(agent, rules=LATE))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.answer("r10", "i10", 400)
    line.hear_out()
    line.wanted.clear()
    line.echoed = 0
    return line


def responses(line: Driver) -> list[CreateResponse]:
    return of(line.wanted, CreateResponse)


# ---------------------------------------------------------------- late results


def test_a_late_tool_is_answered_at_once_and_the_model_goes_on_talking() -> None:
    line = in_a_response(open_call(rules=LATE))
    wanted = line.call_tool("c1")
    assert of(wanted, RunTool) == [RunTool("c1", "look_up", "{}")]
    assert [answer.output for answer in of(wanted, AnswerTool)] == [UNDER_WAY]
    line.tell(ResponseFinished("r9", "completed"))
    assert [response.instructions for response in responses(line)] == [""]


def test_its_result_is_told_as_another_call_of_it_and_spoken_of_when_nobody_speaks() -> None:
    line = with_late_tool()
    line.wait(5000)
    wanted = line.tell(ToolAnswered("c1", "a table by the window"))
    (call,), (answer,) = of(wanted, AddCall), of(wanted, AnswerTool)
    assert (call.call_id, call.name, answer.call_id) == ("late_c1", "look_up", "late_c1")
    assert answer.output == "a table by the window"
    assert len(responses(line)) == 1
    line.tell(ResponseCreated("r11"))
    line.answer("r11", "i11")
    assert line.milestones().count("tool_delivered") == 1


def test_a_result_waits_until_the_agent_was_heard_out_and_the_caller_had_a_moment() -> None:
    line = with_late_tool()
    line.tell(ResponseCreated("r11"))
    line.generate("r11", "i11", 3000)
    line.tell(ModelFinishedAudio("i11", 0), ResponseFinished("r11", "completed"))
    line.tell(ToolAnswered("c1", "7 pm"), after=500)
    line.wait(2500 + PAUSE_MS - 100)
    assert responses(line) == []
    line.wait(200)
    assert len(responses(line)) == 1


def test_a_result_cuts_no_caller_off_and_their_own_answer_tells_it() -> None:
    line = with_late_tool()
    line.caller_begins()
    line.tell(ToolAnswered("c1", "7 pm"), after=500)
    line.wait(5000)
    assert responses(line) == []
    line.caller_ends()
    line.answer("r11", "i11", 200)
    line.hear_out()
    assert responses(line) == []
    assert "tool_delivered" in line.milestones()


def test_a_response_that_was_asked_for_before_the_result_came_does_not_tell_it() -> None:
    line = with_late_tool()
    line.caller_begins()
    line.caller_ends(after=500)
    line.tell(ToolAnswered("c1", "7 pm"))
    line.answer("r11", "i11", 200)
    assert "tool_delivered" not in line.milestones()
    line.hear_out()
    line.wait(PAUSE_MS)
    assert len(responses(line)) == 1


def test_a_response_that_is_to_say_something_else_does_not_tell_it() -> None:
    line = with_late_tool()
    line.tell(ResponseCreated("r11"))
    line.generate("r11", "i11", 200)
    line.tell(ToolAnswered("c1", "7 pm"), ModelFinishedAudio("i11", 0))
    line.tell(ResponseFinished("r11", "incomplete", "max_output_tokens"))
    assert "middle of a sentence" in responses(line)[-1].instructions
    line.answer("r12", "i12", 200)
    assert "tool_delivered" not in line.milestones()
    line.hear_out()
    line.wait(PAUSE_MS)
    assert responses(line)[-1].instructions == ""
    line.answer("r13", "i13", 200)
    assert "tool_delivered" in line.milestones()


def test_a_response_that_was_cut_off_has_not_told_it() -> None:
    line = with_late_tool()
    line.tell(ToolAnswered("c1", "7 pm"), after=2000)
    line.tell(ResponseCreated("r11"))
    line.caller_begins(after=300)
    line.tell(ResponseFinished("r11", "cancelled"))
    assert "tool_delivered" not in line.milestones()
    line.caller_ends(after=500)
    line.answer("r12", "i12", 200)
    assert line.milestones().count("tool_delivered") == 1


def test_a_failure_comes_late_too() -> None:
    line = with_late_tool()
    (answer,) = of(line.tell(ToolFailed("c1", "timeout", "no answer in 60 s"), after=1000), AnswerTool)
    assert json.loads(answer.output)["error"] == "timeout"


def test_a_second_result_of_one_call_is_not_passed_on() -> None:
    line = with_late_tool()
    line.tell(ToolAnswered("c1", "7 pm"))
    assert of(line.tell(ToolAnswered("c1", "8 pm"), ToolFailed("c1", "crashed", "?")), AnswerTool) == []


def test_a_result_that_comes_after_the_call_is_recorded_as_undelivered() -> None:
    line = with_late_tool()
    line.tell(StreamStopped("MZ1"))
    assert [note["call_id"] for note in line.notes("milestone") if note["name"] == "tool_undelivered"] == [
        "c1"
    ]
    assert "tool_outlives_call" in line.milestones()
    assert line.tell(ToolAnswered("c1", "7 pm")) == []


def test_a_result_that_nobody_spoke_of_before_the_end_is_recorded_as_undelivered() -> None:
    line = with_late_tool()
    line.caller_begins()
    line.tell(ToolAnswered("c1", "7 pm"))
    line.tell(StreamStopped("MZ1"))
    assert line.milestones().count("tool_undelivered") == 1
    assert "tool_delivered" not in line.milestones()


def test_a_late_tool_keeps_nobody_on_the_line() -> None:
    line = with_late_tool()
    line.tell(ResponseCreated("r11"))
    line.call_tool("c9", "hang_up", '{"reason": "bye"}')
    line.tell(ResponseFinished("r11", "completed"))
    assert line.end is not None
    assert "tool_undelivered" in line.milestones()


def test_who_waits_quietly_for_a_late_result_is_not_asked_whether_they_are_there() -> None:
    line = with_late_tool(agent_with(quiet_seconds=20, still_there_seconds=5))
    line.wait_with_frames(60_000)
    assert (line.end, "still_there_asked" in line.milestones()) == (None, False)


@pytest.mark.parametrize("is_lost_before", [True, False])
def test_a_new_session_keeps_a_late_tool_pending(is_lost_before: bool) -> None:
    line = with_late_tool(agent_with(reconnects=3))
    events = [ModelLeft(1006, ""), ToolAnswered("c1", "7 pm")]
    line.tell(*(events if is_lost_before else [events[0]]))
    assert len(of(line.wanted, OpenSession)) == 1
    line.tell(SessionCreated(0), SessionUpdated(), after=300)
    if not is_lost_before:
        line.tell(events[1])
    answers = [(answer.call_id, answer.output) for answer in of(line.wanted, AnswerTool)]
    assert answers == [("c1", UNDER_WAY), ("late_c1", "7 pm")]
    line.wait(PAUSE_MS)
    assert len(responses(line)) == 1


def test_late_tools_count_among_those_that_run_at_once() -> None:
    line = in_a_response(open_call(agent_with(tools_at_once=1), rules=LATE))
    line.call_tool("c1")
    (answer,) = of(line.call_tool("c2", "book_table"), AnswerTool)
    assert json.loads(answer.output)["error"] == "busy"


# ---------------------------------------------------------------- once


@pytest.mark.parametrize("again", ['{"people":2,"day":"Friday"}', '{ "day": "Friday", "people": 2.0 }'])
def test_a_tool_that_runs_once_is_not_run_for_the_same_arguments_again(again: str) -> None:
    line = in_a_response(open_call(rules=ONCE))
    line.call_tool("c1", "book_table", '{"day": "Friday", "people": 2}')
    line.tell(ToolAnswered("c1", "booked"), ResponseFinished("r9", "completed"))
    wanted = line.tell(ToolCalled("r10", "c2", "book_table", again))
    assert of(wanted, RunTool) == []
    assert [(answer.call_id, answer.output) for answer in of(wanted, AnswerTool)] == [("c2", "booked")]
    assert "tool_joined" in line.milestones()


def test_who_calls_it_while_it_runs_joins_it() -> None:
    line = in_a_response(open_call(rules=ONCE))
    line.call_tool("c1", "book_table")
    assert of(line.call_tool("c2", "book_table"), RunTool) == []
    answers = of(line.tell(ToolAnswered("c1", "booked")), AnswerTool)
    assert [(answer.call_id, answer.output) for answer in answers] == [("c1", "booked"), ("c2", "booked")]
    line.tell(ResponseFinished("r9", "completed"))
    assert len(responses(line)) == 1


def test_an_interruption_books_once() -> None:
    line = in_a_response(open_call(rules=ONCE))
    line.call_tool("c1", "book_table", '{"day": "Friday"}')
    line.caller_begins(after=200)
    line.tell(ResponseFinished("r9", "cancelled"))
    line.caller_ends(after=500)
    line.tell(ResponseCreated("r10"))
    line.tell(ToolCalled("r10", "c2", "book_table", '{"day": "Friday"}'))
    line.tell(ToolAnswered("c1", "booked"))
    assert len(of(line.wanted, RunTool)) == 1
    assert [answer.output for answer in of(line.wanted, AnswerTool)] == ["booked", "booked"]


def test_other_arguments_are_another_call() -> None:
    line = in_a_response(open_call(rules=ONCE))
    line.call_tool("c1", "book_table", '{"day": "Friday"}')
    assert len(of(line.call_tool("c2", "book_table", '{"day": "friday"}'), RunTool)) == 1


@pytest.mark.parametrize(("kind", "runs"), [("arguments", 1), ("timeout", 0), ("crashed", 0)])
def test_only_what_was_never_done_may_be_tried_again(kind: str, runs: int) -> None:
    line = in_a_response(open_call(rules=ONCE))
    line.call_tool("c1", "book_table")
    line.tell(ToolFailed("c1", kind, "?"))
    assert len(of(line.call_tool("c2", "book_table"), RunTool)) == runs


def test_one_that_was_refused_as_one_too_many_may_be_tried_again() -> None:
    line = in_a_response(open_call(agent_with(tools_at_once=1), rules=ONCE))
    line.call_tool("c1")
    assert of(line.call_tool("c2", "book_table"), RunTool) == []
    line.tell(ToolAnswered("c1", "7 pm"))
    assert len(of(line.call_tool("c3", "book_table"), RunTool)) == 1


def test_a_late_tool_that_runs_once_gives_one_result() -> None:
    line = in_a_response(open_call(rules={"look_up": ToolRule(late=True, once=True)}))
    line.call_tool("c1")
    line.call_tool("c2")
    line.tell(ToolAnswered("c1", "7 pm"))
    line.call_tool("c3")
    answers = [(answer.call_id, answer.output) for answer in of(line.wanted, AnswerTool)]
    assert answers == [("c1", UNDER_WAY), ("c2", UNDER_WAY), ("late_c1", "7 pm"), ("c3", "7 pm")]
    assert len(of(line.wanted, RunTool)) == 1


# ---------------------------------------------------------------- cancelling


def test_a_tool_that_can_be_cancelled_is_when_the_caller_interrupts() -> None:
    line = in_a_response(open_call(rules=CANCELLABLE))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    wanted = line.caller_begins(after=300)
    assert of(wanted, CancelTool) == [CancelTool("c1")]
    assert [answer.output for answer in of(wanted, AnswerTool)] == [CANCELLED]
    assert of(line.tell(ToolFailed("c1", "cancelled", "?")), AnswerTool) == []


def test_any_other_runs_on_and_its_answer_is_given() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    assert of(line.caller_begins(after=300), CancelTool) == []
    assert len(of(line.tell(ToolAnswered("c1", "7 pm")), AnswerTool)) == 1


def test_the_end_of_the_call_cancels_what_can_be_cancelled_and_nothing_else() -> None:
    line = in_a_response(open_call(rules=CANCELLABLE))
    line.call_tool("c1")
    line.call_tool("c2", "book_table")
    wanted = line.tell(StreamStopped("MZ1"))
    assert of(wanted, CancelTool) == [CancelTool("c1")]
    named = {note["name"]: note["call_id"] for note in line.notes("milestone") if "call_id" in note}
    assert (named["tool_cancelled"], named["tool_outlives_call"]) == ("c1", "c2")


# ---------------------------------------------------------------- fillers and progress


def test_silence_while_a_tool_runs_is_filled_once() -> None:
    line = in_a_response(open_call(agent_that(filler_after_ms=1500)))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.wait(1400)
    assert responses(line) == []
    line.wait(200)
    (filler,) = responses(line)
    assert "takes a moment" in filler.instructions
    line.answer("r10", "i10", 600)
    line.hear_out()
    line.wait(1500)
    assert len(responses(line)) == 1
    line.tell(ToolAnswered("c1", "7 pm"))
    assert [response.instructions for response in responses(line)[1:]] == [""]


def test_a_filler_may_be_a_sentence_or_a_clip() -> None:
    speech = ToolSpeech(filler_after_ms=1500, filler="sentence", filler_sentence="One moment, please.")
    line = in_a_response(open_call(evolve(agent_with(), tool_speech=speech)))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.wait(1500)
    assert "One moment, please." in responses(line)[-1].instructions

    clip = Filler(Clip("hold.wav", voice(600)))
    agent = evolve(agent_that(filler_after_ms=1500, filler="clip"), filler=clip)
    line = in_a_response(open_call(agent))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.wait(1500)
    line.hear_out()
    assert (responses(line), played(line.wanted)) == ([], clip.clip.sound)
    line.tell(ToolAnswered("c1", "7 pm"))
    assert len(responses(line)) == 1


def test_a_filler_waits_for_what_the_agent_says_by_itself() -> None:
    line = in_a_response(open_call(agent_that(filler_after_ms=1500)))
    line.generate("r9", "i9", 2000)
    line.call_tool("c1")
    line.tell(ModelFinishedAudio("i9", 0), ResponseFinished("r9", "completed"))
    line.wait_with_frames(3400)
    assert responses(line) == []
    line.hear_out()
    line.wait(1500)
    assert len(responses(line)) == 1


def test_a_quick_tool_needs_no_filler() -> None:
    line = in_a_response(open_call(agent_that(filler_after_ms=1500)))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.tell(ToolAnswered("c1", "7 pm"), after=1000)
    line.wait(3000)
    assert [response.instructions for response in responses(line)] == [""]


def test_no_filler_is_said_into_the_callers_words() -> None:
    line = in_a_response(open_call(agent_that(filler_after_ms=1500)))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.caller_begins(after=1000)
    line.wait(4000)
    assert responses(line) == []


def test_progress_is_told_when_nobody_speaks_and_only_the_newest() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    line.tell(ToolReported("c1", "looking"), ToolReported("c1", 'I have "three" flights'))
    line.tell(ResponseFinished("r9", "completed"))
    line.wait(PAUSE_MS)
    (told,) = responses(line)
    assert '\\"three\\" flights' in told.instructions
    assert "looking" not in told.instructions


def test_progress_is_told_no_more_often_than_the_setting_says() -> None:
    line = with_late_tool(agent_that(progress_every_ms=4000))
    line.tell(ToolReported("c1", "step 0"))
    line.wait(PAUSE_MS)
    line.answer("r11", "i11", 200)
    line.hear_out()
    for step in range(1, 4):
        line.tell(ToolReported("c1", f"step {step}"))
        line.wait_with_frames(600)
    assert len(responses(line)) == 1
    line.wait_with_frames(2000)
    assert ["step 3" in response.instructions for response in responses(line)] == [False, True]


@pytest.mark.parametrize("agent", [agent_that(progress_every_ms=0), agent_that()])
def test_progress_of_a_tool_that_is_done_or_where_none_is_wanted_is_not_told(agent: Agent) -> None:
    line = in_a_response(open_call(agent))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    if agent.tool_speech.progress_every_ms:
        line.tell(ToolAnswered("c1", "7 pm"))
    line.tell(ToolReported("c1", "still looking"))
    line.wait(3000)
    assert not any("still looking" in response.instructions for response in responses(line))


# ---------------------------------------------------------------- promises


def said(line: Driver, words: str, response: str = "r9", item: str = "i9") -> Driver:
    line.tell(ResponseCreated(response))
    line.generate(response, item, 400)
    line.tell(AgentWords(item, 0, words, is_whole=True), ModelFinishedAudio(item, 0))
    line.tell(ResponseFinished(response, "completed"))
    line.hear_out()
    return line


def nudges(line: Driver) -> list[AddText]:
    return [text for text in of(line.wanted, AddText) if "called no tool" in text.text]


def test_a_promise_without_a_tool_is_nudged_once_when_silence_follows() -> None:
    line = said(open_call(), "Sure. Let me check that for you.")
    line.wait(3000)
    assert (len(nudges(line)), len(responses(line))) == (1, 1)
    said(line, "One moment, let me check.", "r10", "i10")
    line.wait(9000)
    assert len(nudges(line)) == 1
    line.tell(StreamStopped("MZ1"))
    assert line.counts["promised, and called no tool: nudged"] == 1


def test_a_nudge_may_call_tools() -> None:
    line = said(open_call(), "Let me check that for you.")
    line.wait(3000)
    assert responses(line)[-1].instructions == ""


def test_who_is_talking_is_not_nudged_at() -> None:
    line = said(open_call(), "Let me check that for you.")
    line.tell(SpeechStarted("u1", 0))
    line.wait(9000)
    assert nudges(line) == []


@pytest.mark.parametrize("words", ["We are open until nine.", "Let me check: for which day?", ""])
def test_what_promises_nothing_is_left_alone(words: str) -> None:
    line = said(open_call(), words)
    line.wait(9000)
    assert nudges(line) == []


def test_a_promise_with_its_tool_is_kept() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 400)
    line.tell(AgentWords("i9", 0, "Let me check that.", is_whole=True))
    line.call_tool("c1")
    line.tell(ModelFinishedAudio("i9", 0), ResponseFinished("r9", "completed"))
    line.hear_out()
    line.wait(4000)
    assert nudges(line) == []


def test_a_promise_while_a_late_tool_runs_is_being_kept() -> None:
    line = said(with_late_tool(), "I'm still on it, one moment.", "r11", "i11")
    line.wait(9000)
    assert nudges(line) == []


def test_without_the_setting_nobody_is_nudged() -> None:
    line = said(open_call(agent_that(nudge_after_ms=0)), "Let me check that for you.")
    line.wait(9000)
    assert nudges(line) == []


def test_an_agent_without_tools_of_its_own_is_not_nudged_to_call_one() -> None:
    line = Driver(Call(agent_with(), [{"type": "function", "name": "hang_up"}]))
    line.tell(SessionCreated(0), SessionUpdated(), START)
    said(line, "Let me check that for you.")
    line.wait(9000)
    assert nudges(line) == []
