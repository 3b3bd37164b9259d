"""The heart and tools: one answer a call, one reply for all, and a hang-up that lets the last words be heard."""

import json

import pytest
from heart import Driver, agent_with, new_call, of, open_call

from bridge.heart.effects import AnswerTool, CancelResponse, CreateResponse, EndCall, RunTool
from bridge.heart.events import (
    LinkStalled,
    ModelFinishedAudio,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    StreamStopped,
    ToolAnswered,
    ToolFailed,
)
from bridge.heart.parts.farewell import STILL_TALKING


def in_a_response(line: Driver) -> Driver:
    line.tell(ResponseCreated("r9"))
    return line


def test_a_tool_is_run_with_its_raw_arguments() -> None:
    line = in_a_response(open_call())
    assert of(line.call_tool("c1", "look_up", '{"day": 1}'), RunTool) == [
        RunTool("c1", "look_up", '{"day": 1}')
    ]


def test_an_answer_is_given_at_once_and_its_reply_asked_for_after_the_response() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    (answer,) = of(line.tell(ToolAnswered("c1", "7 pm")), AnswerTool)
    assert (answer.call_id, answer.output, of(line.wanted, CreateResponse)) == ("c1", "7 pm", [])
    assert len(of(line.tell(ResponseFinished("r9", "completed")), CreateResponse)) == 1


def test_an_answer_after_the_response_is_replied_to_at_once() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    wanted = line.tell(ToolAnswered("c1", "7 pm"), after=2000)
    assert [type(effect) for effect in wanted if not hasattr(effect, "kind")] == [AnswerTool, CreateResponse]


def test_parallel_tools_get_one_reply() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    line.call_tool("c2", "book_table")
    line.tell(ResponseFinished("r9", "completed"), ToolAnswered("c2", "yes"))
    assert of(line.wanted, CreateResponse) == []
    line.tell(ToolAnswered("c1", "7 pm"))
    assert len(of(line.wanted, CreateResponse)) == 1


def test_the_reply_waits_until_the_caller_has_ended() -> None:
    line = in_a_response(open_call(agent_with(create=False)))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.caller_begins()
    line.tell(ToolAnswered("c1", "7 pm"))
    assert of(line.wanted, CreateResponse) == []
    assert len(of(line.caller_ends(), CreateResponse)) == 1


def test_an_answer_during_the_callers_turn_is_replied_to_by_the_servers_own_response() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))
    line.caller_begins()
    line.tell(ToolAnswered("c1", "7 pm"))
    line.caller_ends()
    line.answer("r2", "i2")
    assert of(line.wanted, CreateResponse) == []


def test_a_failure_is_an_answer_too() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    (answer,) = of(line.tell(ToolFailed("c1", "timeout", "no answer in 10 s")), AnswerTool)
    assert json.loads(answer.output) == {"error": "timeout", "message": "no answer in 10 s"}


def test_a_tool_that_does_not_exist_is_answered_without_being_run() -> None:
    line = in_a_response(open_call())
    wanted = line.call_tool("c1", "launch_rocket")
    (answer,) = of(wanted, AnswerTool)
    assert (of(wanted, RunTool), json.loads(answer.output)["error"]) == ([], "unknown")


def test_more_tools_at_once_than_allowed_are_answered_as_busy() -> None:
    line = in_a_response(open_call(agent_with(tools_at_once=2)))
    outputs = [of(line.call_tool(f"c{n}"), AnswerTool) for n in range(3)]
    assert [len(answers) for answers in outputs] == [0, 0, 1]
    assert json.loads(outputs[2][0].output)["error"] == "busy"


def test_beyond_the_most_there_may_be_in_a_call_no_tool_is_run_but_hanging_up_stays_possible() -> None:
    line = in_a_response(open_call(agent_with(tool_calls_per_call=2)))
    asked = [line.call_tool(f"c{n}") for n in range(4)]
    assert [len(of(effects, RunTool)) for effects in asked] == [1, 1, 0, 0]
    errors = [json.loads(answer.output)["error"] for effects in asked for answer in of(effects, AnswerTool)]
    assert errors == ["limit", "limit"]
    line.call_tool("c9", "hang_up", '{"reason": "enough"}')
    line.tell(ToolAnswered("c0", "x"), ToolAnswered("c1", "x"), ResponseFinished("r9", "completed"))
    line.wait(5000)
    (end,) = of(line.wanted, EndCall)
    assert (end.by, end.why) == ("tool", "enough")


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_call_id_is_served_once(is_answered: bool) -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    if is_answered:
        line.tell(ToolAnswered("c1", "7 pm"))
    assert of(line.call_tool("c1"), RunTool) == []


def test_an_answer_nobody_asked_for_is_not_passed_on() -> None:
    line = open_call()
    assert line.tell(ToolAnswered("c77", "?"), ToolFailed("c78", "crashed", "?")) == []


def test_a_second_answer_of_one_tool_is_not_passed_on() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    line.tell(ToolAnswered("c1", "7 pm"))
    assert of(line.tell(ToolFailed("c1", "timeout", "late")), AnswerTool) == []


def test_a_tool_that_runs_when_the_call_ends_runs_on_and_the_record_says_so() -> None:
    line = in_a_response(open_call())
    line.call_tool("c1")
    line.tell(StreamStopped("MZ1"))
    (left,) = [note for note in line.notes("milestone") if note["name"] == "tool_outlives_call"]
    assert (left["call_id"], left["tool"]) == ("c1", "look_up")
    assert line.tell(ToolAnswered("c1", "booked")) == []


# ---------------------------------------------------------------- hang_up


def goodbye(line: Driver, ms: int = 1000) -> Driver:
    """The agent says goodbye and calls `hang_up` in one response."""
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", ms)
    line.call_tool("c9", "hang_up", '{"reason": "the table is booked"}')
    line.tell(ResponseFinished("r9", "completed"))
    return line


def test_the_agent_hangs_up_once_its_last_words_were_heard() -> None:
    line = goodbye(open_call())
    line.wait(900)
    assert "call_ended" not in line.milestones()
    line.wait(100)
    line.echo()
    assert line.end is not None
    assert (line.end.by, line.end.why, line.end.say) == ("tool", "the table is booked", "")


def test_the_agent_hangs_up_without_the_last_mark_after_a_grace() -> None:
    line = goodbye(open_call(agent_with(farewell_grace_ms=2000)))
    line.wait_with_frames(2980)
    assert line.end is None
    line.wait_with_frames(60)
    assert line.end is not None


def test_the_agent_hangs_up_at_once_when_everything_was_heard() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c9", "hang_up")
    assert line.end is None
    line.tell(ResponseFinished("r9", "completed"))
    assert line.end is not None


def test_a_caller_who_speaks_again_keeps_the_agent_on_the_line() -> None:
    line = goodbye(open_call())
    (answer,) = of(line.caller_begins(after=500), AnswerTool)
    assert (answer.call_id, answer.output) == ("c9", STILL_TALKING)
    line.caller_ends(after=500)
    line.answer("r10", "i10", 200)
    line.hear_out()
    assert line.end is None


def test_after_a_withdrawn_hang_up_the_agent_can_hang_up() -> None:
    line = goodbye(open_call())
    line.caller_begins(after=500)
    line.caller_ends(after=500)
    line.tell(ResponseCreated("r10"))
    line.generate("r10", "i10", 400)
    line.call_tool("c10", "hang_up", '{"reason": "goodbye at last"}')
    line.tell(ModelFinishedAudio("i10", 0), ResponseFinished("r10", "completed"))
    line.hear_out()
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("tool", "goodbye at last")


def test_a_hang_up_asked_for_before_the_model_knew_that_the_caller_speaks_is_withdrawn() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.caller_begins()
    (answer,) = of(line.call_tool("c9", "hang_up"), AnswerTool)
    line.tell(ResponseFinished("r9", "cancelled"))
    assert (answer.output, line.end) == (STILL_TALKING, None)


def test_without_interruption_the_agent_hangs_up_all_the_same() -> None:
    line = goodbye(open_call(agent_with(interrupt=False)))
    line.caller_begins(after=500)
    line.hear_out()
    assert line.end is not None


def test_no_reply_is_asked_for_after_the_goodbye() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.generate("r9", "i9", 8000)
    line.call_tool("c9", "hang_up")
    line.tell(ToolAnswered("c1", "7 pm"), ResponseFinished("r9", "completed"))
    for _ in range(70):
        line.wait_with_frames(100)
        line.echo()
    assert (of(line.wanted, CreateResponse), of(line.wanted, CancelResponse), line.end) == ([], [], None)
    line.hear_out()
    assert line.end is not None
    assert line.end.by == "tool"


@pytest.mark.parametrize("loss", [ModelLeft(1006, ""), LinkStalled("model")])
def test_a_goodbye_is_heard_to_its_end_even_if_the_model_leaves(loss: ModelLeft | LinkStalled) -> None:
    line = goodbye(open_call())
    line.tell(loss, after=300)
    line.hear_out()
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("tool", "")


def test_a_goodbye_that_no_stream_will_ever_play_does_not_hold_the_call() -> None:
    line = new_call()
    line.tell(SessionCreated(0), SessionUpdated())
    goodbye(line)
    line.wait(3000)
    assert line.end is not None
    assert line.end.by == "tool"


@pytest.mark.parametrize("arguments", ["", "[]", "{", '{"reason": 7}', '{"reason": ""}'])
def test_a_hang_up_needs_no_reason(arguments: str) -> None:
    line = open_call()
    line.call_tool("c9", "hang_up", arguments)
    assert line.end is not None
    assert line.end.why == "the agent hung up"


def test_hang_up_waits_for_a_tool_that_still_runs() -> None:
    line = open_call()
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 1000)
    line.call_tool("c1", "book_table")
    line.call_tool("c2", "hang_up")
    line.tell(ModelFinishedAudio("i9", 0), ResponseFinished("r9", "completed"))
    line.wait_with_frames(4000)
    line.hear_out()
    assert line.end is None
    line.tell(ToolAnswered("c1", "booked"))
    assert [answer.call_id for answer in of(line.wanted, AnswerTool)] == ["c1"]
    assert line.end is not None


def test_hang_up_waits_for_a_tool_no_longer_than_anybody_waits_in_silence() -> None:
    line = open_call(agent_with(answer_timeout_ms=3000))
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 1000)
    line.call_tool("c1", "book_table")
    line.call_tool("c2", "hang_up")
    line.tell(ModelFinishedAudio("i9", 0), ResponseFinished("r9", "completed"))
    line.wait_with_frames(1200)
    line.hear_out()
    line.wait_with_frames(4000)
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("tool", "")


def test_a_call_that_may_not_last_longer_does_not_wait_for_a_tool() -> None:
    line = in_a_response(open_call(agent_with(max_call_seconds=10)))
    line.call_tool("c1")
    line.wait_with_frames(10_000)
    assert line.end is not None
    assert line.end.by == "limit"
