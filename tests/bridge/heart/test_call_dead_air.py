"""The heart and dead air: whatever leads there, a caller who waits is asked for once, and then given a sentence."""

from collections.abc import Callable

import pytest
from attrs import evolve
from heart import SID, START, Driver, agent_with, new_call, of, open_call, ready_call

from bridge.heart.audio import silence
from bridge.heart.effects import CancelResponse, CommitAudio, CreateResponse, PlayAudio
from bridge.heart.events import (
    KeyPressed,
    ModelErred,
    ModelFinishedAudio,
    ModelSpoke,
    RateLimitsTold,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolAnswered,
    TurnCommitted,
)
from bridge.settings.speaking import Speaking

BOUND_MS = 5000
FAILURE = agent_with().failure_sentence.text
Happening = Callable[[Driver], object]


def asked(line: Driver) -> list[CreateResponse]:
    return of(line.wanted, CreateResponse)


def question(line: Driver) -> None:
    line.caller_begins()
    line.caller_ends()


def asks_a_tool(line: Driver) -> None:
    question(line)
    line.tell(ResponseCreated("r9"))
    line.call_tool("c1")
    line.tell(ResponseFinished("r9", "completed"))


def begins_to_answer(line: Driver) -> None:
    question(line)
    line.tell(ResponseCreated("r1"))


# ---------------------------------------------------------------- every way to say nothing


def nothing(line: Driver) -> None:
    """Nothing more happens."""


def is_never_committed(line: Driver) -> None:
    line.caller_begins()
    line.tell(SpeechStopped("u1", 0))


def is_not_committed_while_the_agent_speaks(line: Driver) -> None:
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 100)
    line.caller_begins()
    line.tell(SpeechStopped("u1", 0), ResponseFinished("r1", "completed"))


def answers_a_tool(line: Driver) -> None:
    asks_a_tool(line)
    line.tell(ToolAnswered("c1", "7 pm"))


def is_interrupted(line: Driver) -> None:
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 3000)
    line.caller_begins(after=500)
    line.tell(ResponseFinished("r1", "cancelled", "turn_detected"))
    line.caller_ends()


def is_interrupted_and_never_ends(line: Driver) -> None:
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 3000)
    line.caller_begins(after=500)
    line.caller_ends()


def answers_in_writing(line: Driver) -> None:
    question(line)
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "completed"))


def is_incomplete(line: Driver) -> None:
    question(line)
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "incomplete", "content_filter"))


def is_cancelled_by_nobody(line: Driver) -> None:
    question(line)
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "cancelled", "client_cancelled"))


def stops_in_mid_sentence(line: Driver) -> None:
    begins_to_answer(line)
    line.generate("r1", "i1", 100)


def presses_keys(line: Driver) -> None:
    line.tell(KeyPressed(SID, "#"))


def is_refused(line: Driver) -> None:
    answers_a_tool(line)
    line.tell(ModelErred("invalid_value", "invalid_request_error", "?", asked(line)[-1].event_id))


def sends_nothing_at_length(line: Driver) -> None:
    line.tell(ModelSpoke("r1", "i1", 0, b""))


def sends_silence(line: Driver) -> None:
    line.tell(ModelSpoke("r1", "i1", 0, silence(500)))


def sends_clicks(line: Driver) -> None:
    line.generate("r1", "i1", 20)


def says_it_is_at_it(line: Driver) -> None:
    line.tell(ResponseCreated(f"r{line.now}"), ResponseFinished(f"r{line.now}", "completed"))


WAYS: dict[str, tuple[Happening, Happening]] = {
    "no response": (question, nothing),
    "no commit": (is_never_committed, nothing),
    "no commit while the agent speaks": (is_not_committed_while_the_agent_speaks, nothing),
    "nothing after a tool": (answers_a_tool, nothing),
    "nothing after an interruption": (is_interrupted, nothing),
    "nothing after an interruption, and no end": (is_interrupted_and_never_ends, nothing),
    "a response and nothing in it": (begins_to_answer, nothing),
    "a response that stops": (stops_in_mid_sentence, nothing),
    "words without sound": (answers_in_writing, nothing),
    "nothing but words without sound": (question, says_it_is_at_it),
    "an incomplete response": (is_incomplete, nothing),
    "a cancelled response": (is_cancelled_by_nobody, nothing),
    "no response to keys": (presses_keys, nothing),
    "a refused request": (is_refused, nothing),
    "empty deltas": (begins_to_answer, sends_nothing_at_length),
    "deltas of silence": (begins_to_answer, sends_silence),
    "clicks": (begins_to_answer, sends_clicks),
    "a tool that runs": (asks_a_tool, nothing),
}


def go_on(line: Driver, meanwhile: Happening, ms: int) -> None:
    for _ in range(ms // 500):
        line.wait_with_frames(500)
        meanwhile(line)


@pytest.mark.parametrize("create", [True, False], ids=["the server answers", "we ask"])
@pytest.mark.parametrize(("leads", "meanwhile"), WAYS.values(), ids=list(WAYS))
def test_whatever_leads_to_it_the_model_is_asked_once_and_then_the_caller_hears_a_sentence(
    leads: Happening, meanwhile: Happening, create: bool
) -> None:
    line = open_call(agent_with(create=create, interrupt=True))
    leads(line)
    before = len(asked(line))
    go_on(line, meanwhile, BOUND_MS - 500)
    assert (len(asked(line)), line.end) == (before, None)
    go_on(line, meanwhile, 2 * BOUND_MS)
    assert len(asked(line)) == before + 1
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("model", FAILURE)
    assert (line.counts["dead air: asked"], line.counts["dead air: given_up"]) == (1, 1)


def test_a_turn_that_is_not_committed_while_an_agent_speaks_who_is_not_interrupted_is_dead_air() -> None:
    line = open_call(agent_with(interrupt=False))
    is_not_committed_while_the_agent_speaks(line)
    line.wait_with_frames(5100)
    assert (len(of(line.wanted, CommitAudio)), len(asked(line))) == (1, 1)
    line.wait_with_frames(5100)
    assert line.end is not None
    assert line.end.say == FAILURE


def test_how_long_was_waited_and_for_what_is_on_the_record() -> None:
    line = open_call()
    begins_to_answer(line)
    line.wait_with_frames(12_000)
    told = [note for note in line.notes("milestone") if note["name"] == "dead_air"]
    assert [(note["did"], note["waited_ms"]) for note in told] == [("asked", 5000), ("given_up", 10_000)]
    assert {note["waiting_for"] for note in told} == {"a response to go on", "a response to begin"}


# ---------------------------------------------------------------- silence that is queued


def sends_a_minute_of_silence(line: Driver) -> None:
    begins_to_answer(line)
    line.tell(ModelSpoke("r1", "i1", 0, silence(60_000)))


def has_sent_a_minute_of_silence(line: Driver) -> None:
    sends_a_minute_of_silence(line)
    line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))


def is_spoken_over_by_noise(line: Driver) -> None:
    """The silence is stopped for it, and then taken up again."""
    sends_a_minute_of_silence(line)
    line.caller_begins()
    line.caller_ends()
    line.wait_with_frames(1000)
    assert "false_interruption" in line.milestones()


@pytest.mark.parametrize(
    "leads", [sends_a_minute_of_silence, has_sent_a_minute_of_silence, is_spoken_over_by_noise]
)
def test_silence_that_is_queued_is_neither_an_answer_nor_heard_before_the_next_one(leads: Happening) -> None:
    line = open_call(evolve(agent_with(), speaking=Speaking(resume_after_ms=600)))
    leads(line)
    before = len(asked(line))
    line.listen(BOUND_MS)
    assert len(asked(line)) == before + 1
    line.answer("r2", "i2")
    assert of(line.wanted, PlayAudio)[-1].item_id == "i2"


# ---------------------------------------------------------------- the greeting


def test_a_greeting_that_never_comes_is_asked_for_once_more_in_the_same_words() -> None:
    line = ready_call()
    line.wait_with_frames(5000)
    first, second = asked(line)
    assert first.instructions == second.instructions != ""
    line.wait_with_frames(5000)
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("model", FAILURE)


def test_a_model_that_may_take_a_minute_to_be_ready_is_not_waited_for_in_silence() -> None:
    line = new_call(agent_with(model_ready_ms=60_000))
    line.tell(SessionCreated(0), START, after=1000)
    line.wait_with_frames(2 * BOUND_MS)
    assert line.end is not None
    assert (line.end.why, line.end.say, line.now) == ("the model was not ready in time", FAILURE, 11_000)


def test_a_caller_who_is_not_there_yet_is_waited_for_with_the_greeting() -> None:
    line = new_call()
    line.tell(SessionCreated(0))
    line.tell(SessionUpdated())
    line.answer("r0", "i0", 3000)
    line.wait(20_000)
    assert (len(asked(line)), line.end) == (1, None)


# ---------------------------------------------------------------- what is no dead air


def test_an_agent_who_has_finished_waits_for_the_caller() -> None:
    line = open_call()
    question(line)
    line.answer("r1", "i1", 400)
    line.hear_out()
    line.wait_with_frames(40_000)
    assert (asked(line), line.end) == ([], None)


def test_marks_that_never_come_back_are_the_phones_fault() -> None:
    line = open_call()
    question(line)
    line.answer("r1", "i1", 400)
    line.wait_with_frames(40_000)
    assert (asked(line), line.end) == ([], None)


def test_a_long_answer_is_heard_before_anybody_waits() -> None:
    line = open_call()
    question(line)
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 30_000)
    line.wait_with_frames(34_900)
    assert asked(line) == []
    line.wait_with_frames(200)
    assert len(asked(line)) == 1


def test_speech_in_small_pieces_is_no_dead_air() -> None:
    line = open_call()
    begins_to_answer(line)
    for _ in range(200):
        line.generate("r1", "i1", 20)
        line.wait_with_frames(100)
    assert (asked(line), line.end) == ([], None)


def test_a_caller_who_talks_is_not_interrupted() -> None:
    line = open_call()
    line.caller_begins()
    line.wait_with_frames(59_000)
    assert (asked(line), line.end) == ([], None)


def test_a_caller_who_goes_on_after_short_pauses_is_answered_when_they_have_done() -> None:
    line = open_call()
    for _ in range(60):
        line.caller_begins()
        line.wait_with_frames(2000)
        line.caller_ends()
        line.tell(ResponseCreated(f"r{line.now}"))
        line.wait_with_frames(700)
    assert (asked(line), line.end) == ([], None)


def test_a_caller_who_asks_whether_anybody_is_there_is_not_answered_by_that() -> None:
    line = open_call()
    while line.end is None:
        line.caller_begins()
        line.wait_with_frames(800)
        line.caller_ends()
        line.wait_with_frames(2600)
        assert line.now < 40_000
    assert (line.end.by, line.end.say) == ("model", FAILURE)


# ---------------------------------------------------------------- a turn without an end


def test_a_turn_whose_end_is_never_heard_is_closed_and_answered_once() -> None:
    line = open_call(agent_with(max_turn_seconds=20))
    line.caller_begins()
    wanted = line.wait_with_frames(20_000)
    kinds = [type(effect) for effect in wanted if isinstance(effect, CommitAudio | CreateResponse)]
    assert kinds == [CommitAudio, CreateResponse]
    line.tell(TurnCommitted("u1"))
    line.answer("r1", "i1", 1000)
    line.wait_with_frames(15_000)
    assert line.end is None
    line.wait_with_frames(5000)
    assert line.end is not None
    assert (line.end.why, line.end.say) == ("no end of the caller's turn was heard", FAILURE)


def test_a_turn_that_is_closed_and_gets_no_answer_is_dead_air() -> None:
    line = open_call(agent_with(max_turn_seconds=20))
    line.caller_begins()
    line.wait_with_frames(30_000)
    assert line.end is not None
    assert line.end.why == "the model answered nothing"


def test_a_turn_that_ends_after_all_is_answered_by_the_server_as_ever() -> None:
    line = open_call(agent_with(max_turn_seconds=20))
    line.caller_begins()
    line.wait_with_frames(20_000)
    line.tell(ModelErred("input_audio_buffer_commit_empty", "", "", "b2"))
    line.answer("r1", "i1", 1000)
    line.caller_ends(after=2000)
    line.answer("r2", "i2", 1000)
    line.wait_with_frames(30_000)
    assert (len(asked(line)), line.end) == (1, None)


def test_the_words_of_a_turn_that_is_never_committed_are_committed_by_us() -> None:
    line = open_call()
    is_never_committed(line)
    assert len(of(line.wait_with_frames(5000), CommitAudio)) == 1
    line.tell(TurnCommitted("u1"))
    line.answer("r1", "i1", 400)
    line.wait_with_frames(20_000)
    assert (len(asked(line)), line.end) == (1, None)


# ---------------------------------------------------------------- tools


def test_while_a_tool_runs_the_model_is_asked_for_a_word_of_patience_each_time_the_bound_is_over() -> None:
    line = open_call()
    asks_a_tool(line)
    for n in range(4):
        line.wait_with_frames(5100)
        assert len(asked(line)) == n + 1
        line.answer(f"r1{n}", f"i1{n}", 600)
        line.wait_with_frames(600)
    assert line.end is None
    assert {ask.instructions for ask in asked(line)} == {asked(line)[0].instructions}
    assert "still on it" in asked(line)[0].instructions
    line.tell(ToolAnswered("c1", "7 pm"))
    assert asked(line)[-1].instructions == ""


def test_a_tool_that_answers_while_the_word_of_patience_is_spoken_is_replied_to_after_it() -> None:
    line = open_call()
    asks_a_tool(line)
    line.wait_with_frames(5000)
    line.tell(ResponseCreated("r10"), ToolAnswered("c1", "7 pm"))
    assert len(asked(line)) == 1
    line.generate("r10", "i10", 600)
    line.tell(ModelFinishedAudio("i10", 0), ResponseFinished("r10", "completed"))
    assert [ask.instructions == "" for ask in asked(line)] == [False, True]


def test_a_reply_that_was_only_just_begun_is_not_disturbed() -> None:
    line = open_call()
    asks_a_tool(line)
    line.tell(ToolAnswered("c1", "7 pm"), after=4500)
    line.tell(ResponseCreated("r10"), after=300)
    line.wait_with_frames(2400)
    assert len(asked(line)) == 1
    line.answer("r10", "i10", 600)
    assert line.end is None


def test_tools_one_after_the_other_do_not_put_off_the_word_of_patience_for_ever() -> None:
    line = open_call()
    question(line)
    since = line.now
    for n in range(5):
        line.tell(ResponseCreated(f"r{n}"))
        line.call_tool(f"c{n}")
        line.tell(ResponseFinished(f"r{n}", "completed"))
        line.wait_with_frames(1400)
        line.tell(ToolAnswered(f"c{n}", "more"))
    assert line.now - since < 7500
    line.tell(ResponseCreated("r6"))
    line.call_tool("c6")
    line.tell(ResponseFinished("r6", "completed"))
    line.wait_with_frames(500)
    assert "still on it" in asked(line)[-1].instructions


# ---------------------------------------------------------------- a goodbye


@pytest.mark.parametrize("meanwhile", [nothing, sends_nothing_at_length, sends_silence, sends_clicks])
def test_a_goodbye_that_never_finishes_holds_no_call(meanwhile: Happening) -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.call_tool("c9", "hang_up")
    go_on(line, meanwhile, 2 * BOUND_MS)
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("tool", "")


# ---------------------------------------------------------------- try again in a while


def failed(
    line: Driver, response: str, told_ms: int | None = None, code: str = "rate_limit_exceeded"
) -> None:
    line.tell(ResponseCreated(response), ResponseFinished(response, "failed", "", code, "", told_ms))


def pause_before_the_next(line: Driver) -> int:
    before, since = len(asked(line)), line.now
    while len(asked(line)) == before and line.end is None:
        line.wait_with_frames(20)
    return line.now - since


@pytest.mark.parametrize(("told_ms", "pause_ms"), [(3200, 3200), (620, 620), (None, 1000)])
def test_a_failed_response_is_asked_for_again_when_the_server_says_so(
    told_ms: int | None, pause_ms: int
) -> None:
    line = open_call()
    question(line)
    failed(line, "r1", told_ms)
    assert pause_before_the_next(line) == pause_ms


def test_a_request_that_is_refused_for_now_is_made_again_when_the_server_says_so() -> None:
    line = open_call(agent_with(create=False))
    question(line)
    (first,) = asked(line)
    line.tell(ModelErred("rate_limit_exceeded", "tokens", "?", first.event_id, retry_after_ms=2000))
    assert pause_before_the_next(line) == 2000


def test_what_the_server_tells_of_its_limits_after_a_failure_is_heeded() -> None:
    line = open_call()
    question(line)
    failed(line, "r1")
    line.tell(RateLimitsTold(3300))
    assert pause_before_the_next(line) == 3300


def test_what_the_server_told_of_its_limits_before_a_failure_is_heeded() -> None:
    line = open_call()
    question(line)
    line.tell(RateLimitsTold(3000))
    failed(line, "r1")
    assert pause_before_the_next(line) == 3000


def test_limits_told_of_do_not_shorten_what_the_failure_itself_said() -> None:
    line = open_call()
    question(line)
    failed(line, "r1", 3000)
    line.tell(RateLimitsTold(500))
    assert pause_before_the_next(line) == 3000


def test_nobody_waits_in_silence_for_a_limit_of_a_minute() -> None:
    line = open_call()
    question(line)
    failed(line, "r1", 60_000)
    assert pause_before_the_next(line) == 5000
    failed(line, "r2", 55_000)
    assert line.end is not None
    assert (line.end.why, line.end.say) == ("the model failed to answer (rate_limit_exceeded)", FAILURE)


def test_a_word_of_patience_that_fails_for_now_is_asked_for_again() -> None:
    line = open_call()
    asks_a_tool(line)
    line.wait_with_frames(5000)
    failed(line, "r10", 1000)
    assert pause_before_the_next(line) == 1000
    assert "still on it" in asked(line)[-1].instructions


def test_a_response_that_is_asked_for_again_is_cancelled_first() -> None:
    line = open_call()
    begins_to_answer(line)
    line.wait_with_frames(5000)
    assert [cancel.response_id for cancel in of(line.wanted, CancelResponse)] == ["r1"]


def test_speech_that_is_told_to_begin_twice_is_one_turn() -> None:
    line = open_call(agent_with(max_turn_seconds=20))
    line.caller_begins()
    line.wait_with_frames(15_000)
    line.tell(SpeechStarted("u2", 0))
    line.wait_with_frames(5000)
    assert len(asked(line)) == 1
