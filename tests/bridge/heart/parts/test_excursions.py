"""The caller leaves the stream and comes back: what the model is told and asked meanwhile, and what bounds it."""

import pytest
from attrs import evolve
from away import PLACES, agent_with_places, away_call, back, left, returned, returns, talking_call, transfer
from heart import SID, START, TOOLS, Driver, new_call, of, played, ready_call, truncations

from bridge.heart.call import Call
from bridge.heart.effects import (
    AddText,
    AnswerTool,
    AppendAudio,
    CancelResponse,
    ClearAudio,
    CreateResponse,
    EndSession,
    LeaveStream,
    PlayAudio,
    ReturnToStream,
    RunTool,
    SendMark,
)
from bridge.heart.events import (
    CalleeAnswered,
    CallerAway,
    CallerSpoke,
    CallPlaced,
    CallProgressed,
    Event,
    ExcursionEnded,
    FarEndTold,
    KeyPressed,
    LinkStalled,
    MarkReached,
    ModelLeft,
    ModelUnreachable,
    PhoneLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    StreamStopped,
    ToolAnswered,
    ToolCalled,
    TurnCommitted,
)
from bridge.heart.plans import (
    CollectDigits,
    Dial,
    JoinQueue,
    Plan,
    PressDigits,
    TakeMessage,
)
from bridge.heart.wishes import Stopped
from bridge.settings.outgoing import Outgoing

DIGITS = ToolCalled("r9", "t1", "send_digits", '{"digits": "1w2#"}')
LISTENS = ToolCalled("r9", "t1", "send_digits", '{"digits": "1", "listen": true}')
COLLECT = ToolCalled("r9", "t1", "collect_digits", '{"reason": "the PIN", "count": 4}')
MESSAGE = ToolCalled("r9", "t1", "take_message", '{"reason": "a complaint"}')


def ended(line: Driver) -> tuple[str, str, str]:
    """Return by whom and why the call ended, and what its caller is told."""
    assert line.end is not None
    return line.end.by, line.end.why, line.end.say


# ---------------------------------------------------------------- leaving


def test_the_last_words_are_heard_before_the_stream_is_left() -> None:
    line = talking_call()
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 400)
    line.tell(transfer(), ResponseFinished("r9", "completed"))
    assert left(line) == []
    line.hear_out()
    assert left(line) == [LeaveStream(1, Plan(Dial(PLACES["sales"], "Ann, about her order")))]


def test_marks_that_never_come_back_hold_nobody_on_the_stream() -> None:
    line = talking_call()
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 400)
    line.tell(transfer(), ResponseFinished("r9", "completed"))
    line.wait_with_frames(2400)
    assert len(left(line)) == 1


def test_whoever_speaks_before_the_stream_is_left_stays_and_the_model_knows() -> None:
    line = talking_call()
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 400)
    line.tell(transfer(), ResponseFinished("r9", "completed"))
    line.caller_begins(after=100)
    line.wait_with_frames(4000)
    assert left(line) == []
    (answer,) = of(line.wanted, AnswerTool)
    assert (answer.call_id, "went on talking" in answer.output) == ("t1", True)
    assert "leave_withdrawn" in line.milestones()


def test_a_tool_that_was_promised_with_it_is_waited_for() -> None:
    line = talking_call()
    line.call_tool("c1")
    line.tell(transfer())
    assert left(line) == []
    line.tell(ToolAnswered("c1", "done"), after=300)
    assert len(left(line)) == 1


def test_half_a_turn_is_forgotten_and_a_response_taken_back_on_leaving() -> None:
    line = talking_call()
    line.tell(ResponseCreated("r9"))
    line.generate("r9", "i9", 5000)
    line.tell(transfer())
    line.wait_with_frames(30_000)  # the response never ends
    assert len(left(line)) == 1
    assert CancelResponse in [type(effect) for effect in line.wanted]
    assert [item for item, _ in truncations(line.wanted)] == ["i9"]
    assert len(of(line.wanted, ClearAudio)) == 1


def test_the_place_is_announced_and_a_queue_is_waited_in() -> None:
    line = talking_call()
    line.tell(transfer("anna"))
    assert left(line)[0].plan.say == ("One moment please.",)
    line = talking_call()
    line.tell(transfer("line"))
    assert left(line) == [LeaveStream(1, Plan(JoinQueue("support")))]


@pytest.mark.parametrize(("wish", "step"), [
    (DIGITS, PressDigits("1w2#")),
    (COLLECT, CollectDigits("Please type it.", 4, 4)),
    (MESSAGE, TakeMessage(agent_with_places().voicemail)),
])  # fmt: skip
def test_each_way_out_has_its_step(wish: ToolCalled, step: object) -> None:
    line = talking_call()
    line.tell(wish)
    assert left(line)[0].plan.step == step


# ---------------------------------------------------------------- away


@pytest.mark.parametrize("event", [
    CallerSpoke(SID, 90, b"\x01" * 160), KeyPressed(SID, "5"), MarkReached(SID, "m1"), PhoneLeft(1000, ""),
    PhoneLeft(1006, ""), SpeechStarted("u9", 0), SpeechStopped("u9", 0), TurnCommitted("u9"), LinkStalled("twilio"),
    START, CallerAway(1), CallerAway(7), FarEndTold(9, "accepted"), FarEndTold(1, "ringing"),
    ExcursionEnded(2, "completed"),
])  # fmt: skip
def test_what_comes_late_or_twice_changes_nothing(event: Event) -> None:
    line = away_call()
    line.tell(event, after=50)
    assert not of(line.wanted, AppendAudio)
    assert not of(line.wanted, CreateResponse)
    assert not of(line.wanted, LeaveStream)
    assert not of(line.wanted, ReturnToStream)
    assert not line.call.is_over
    back(line)
    assert len(returned(line)) == 1


@pytest.mark.parametrize("event", [CallerSpoke(SID, 9, b"x"), KeyPressed(SID, "1"), MarkReached(SID, "m1")])
@pytest.mark.parametrize("is_back", [False, True])
def test_what_was_on_its_way_while_we_left_is_counted_and_nothing_to_be_logged(
    event: Event, is_back: bool
) -> None:
    line = away_call()
    if is_back:
        back(line)
        returns(line)
    line.wanted.clear()
    line.tell(event, event)
    assert (line.wanted, line.notes("log")) == ([], [])
    line.tell(Stopped("operator", "over"))
    assert line.counts["messages of a stream that was left"] == 2


def test_a_caller_who_is_away_is_neither_quiet_nor_lost_nor_waiting() -> None:
    line = away_call(None, quiet_seconds=2, lost_media_ms=1500, answer_timeout_ms=500, waiting_seconds=1)
    line.wait(40_000)
    assert not line.call.is_over
    assert not of(line.wanted, CreateResponse)


def test_a_response_that_comes_of_its_own_while_nobody_is_there_is_taken_back() -> None:
    line = away_call()
    line.tell(ResponseCreated("r7"), after=30)
    line.generate("r7", "i7", 300)
    assert [effect.response_id for effect in of(line.wanted, CancelResponse)] == ["r7"]
    line.tell(ResponseFinished("r7", "cancelled"))
    back(line)
    returns(line)
    assert played(line.wanted) == b""


def test_another_way_out_is_refused_while_one_is_taken() -> None:
    line = away_call()
    line.tell(transfer("anna", "t2"), ToolCalled("r9", "t3", "hang_up", "{}"))
    answers = {answer.call_id: answer.output for answer in of(line.wanted, AnswerTool)}
    assert set(answers) == {"t2", "t3"}
    assert all("busy" in output for output in answers.values())
    assert left(line) == []


def test_the_answer_of_a_way_out_is_withheld_until_it_ended() -> None:
    line = away_call()
    line.wait(2000)
    assert not of(line.wanted, AnswerTool)
    back(line, "busy")
    (answer,) = of(line.wanted, AnswerTool)
    assert answer.call_id == "t1"
    assert '"why":"busy"' in answer.output


# ---------------------------------------------------------------- back


def test_whoever_comes_back_is_spoken_to_at_once_and_is_not_greeted_again() -> None:
    line = away_call()
    back(line, "no_answer")
    kinds = [
        type(effect)
        for effect in line.wanted
        if isinstance(effect, ReturnToStream | AnswerTool | CreateResponse)
    ]
    assert kinds == [ReturnToStream, AnswerTool, CreateResponse]
    assert of(line.wanted, CreateResponse)[0].instructions == ""


def test_what_is_said_while_twilio_connects_is_held_and_played_when_the_stream_is_there() -> None:
    line = away_call()
    back(line)
    line.tell(ResponseCreated("r10"), after=150)
    line.generate("r10", "i10", 300)
    line.wait(400)
    assert played(line.wanted) == b""
    returns(line, after=0)
    sent = of(line.wanted, PlayAudio)
    assert sent
    assert {piece.stream_sid for piece in sent} == {"MZ2"}


def test_marks_of_the_old_leg_prove_nothing_on_the_new_one() -> None:
    line = away_call()
    back(line)
    returns(line)
    line.answer("r10", "i10", 300)
    line.wait(500)
    names = [mark.name for mark in of(line.wanted, SendMark)]
    line.tell(*(MarkReached(SID, name) for name in names))
    assert line.notes("item") == []
    line.tell(*(MarkReached("MZ2", name) for name in names))
    assert [item["heard_ms"] for item in line.notes("item")] == [300]


def test_frames_count_on_over_the_legs_and_chunks_begin_anew() -> None:
    line = talking_call()
    line.wait_with_frames(100)
    line.tell(transfer())
    line.tell(CallerAway(1), after=40)
    back(line)
    returns(line)
    line.wanted.clear()
    line.wait_with_frames(60)
    assert [append.first for append in of(line.wanted, AppendAudio)] == [6, 7, 8]
    line.tell(Stopped("operator", "drained"))
    assert "caller frames lost" not in line.counts


def test_a_request_about_a_stream_of_before_ends_nothing() -> None:
    line = away_call()
    back(line)
    returns(line)
    line.tell(CallerAway(1), after=50)
    assert not line.call.is_over
    line.tell(CallerAway(2))
    assert ended(line)[:2] == ("caller", "media stream ended")


def test_a_stream_that_begins_in_the_middle_has_lost_nothing() -> None:
    line = talking_call()
    line.wait_with_frames(60)
    line.tell(transfer())
    line.tell(CallerAway(1), after=40)
    back(line)
    returns(line)
    line.tell(CallerSpoke("MZ2", 9, b"\x01" * 160), CallerSpoke("MZ2", 11, b"\x01" * 160))
    line.tell(Stopped("operator", "drained"))
    assert line.counts["caller frames lost"] == 1


def test_keys_from_before_are_told_of_while_away_and_answered_on_return() -> None:
    agent = agent_with_places()
    line = ready_call(evolve(agent, turn_detection=evolve(agent.turn_detection, interrupt_response=False)))
    line.answer("r0", "i0", 200)
    line.hear_out()
    line.tell(KeyPressed(SID, "5"))
    line.tell(transfer())
    line.tell(CallerAway(1), after=40)
    line.wanted.clear()
    line.wait(2000)
    assert [text.keys for text in of(line.wanted, AddText)] == ["5"]
    assert not of(line.wanted, CreateResponse)
    back(line)
    assert len(of(line.wanted, CreateResponse)) == 1


def test_nothing_is_said_on_return_where_a_menu_speaks_first() -> None:
    line = away_call(LISTENS)
    back(line, "sent")
    returns(line)
    assert [answer.output for answer in of(line.wanted, AnswerTool)] == ['{"status":"pressed"}']
    assert not of(line.wanted, CreateResponse)


def test_a_caller_can_leave_again_and_again() -> None:
    line = away_call()
    for number in (1, 2, 3):
        back(line, number=number)
        line.answer(f"r1{number}", f"i1{number}", 200)
        returns(line, sid=f"MZ{number + 1}")
        line.echoed = 0
        line.hear_out()
        line.tell(transfer("anna", f"t{number + 1}"))
        line.wait(2500)
        line.tell(CallerAway(number + 1))
    assert [leave.number for leave in left(line)] == [2, 3, 4]
    assert [one.leg for one in returned(line)] == [2, 3, 4]


def test_keys_off_the_stream_are_given_to_the_one_tool_that_may_know_them() -> None:
    line = away_call(COLLECT)
    back(line, "collected", count="4")
    assert of(line.wanted, RunTool) == [RunTool("t1", "look_up", '{"digits":"xxxx"}', 1)]
    assert not of(line.wanted, AnswerTool)
    line.tell(ToolAnswered("t1", "the PIN is right"))
    assert [answer.output for answer in of(line.wanted, AnswerTool)] == ["the PIN is right"]
    assert len(of(line.wanted, CreateResponse)) == 1


@pytest.mark.parametrize(("wish", "outcome", "told"), [
    (COLLECT, "sent", '{"status":"nothing was typed"}'),
    (COLLECT, "empty", '{"status":"nothing was typed"}'),
    (DIGITS, "sent", '{"status":"pressed"}'),
    (DIGITS, "refused", '{"status":"not pressed","why":"the telephone service refused it"}'),
    (MESSAGE, "empty", '{"status":"nothing was recorded"}'),
    (MESSAGE, "recorded", '{"status":"recorded","seconds":7,"recording":"https://api/RE1"}'),
    (transfer("line"), "full",
     '{"status":"not transferred","place":"line","why":"the queue is full","caller":"is back with you"}'),
])  # fmt: skip
def test_the_model_reads_what_came_of_it(wish: ToolCalled, outcome: str, told: str) -> None:
    line = away_call(wish)
    back(line, outcome, **({"RecordingUrl": "https://api/RE1"} if outcome == "recorded" else {}))
    assert [answer.output for answer in of(line.wanted, AnswerTool)] == [told]


# ---------------------------------------------------------------- taken, or not


def test_a_warm_call_is_taken_by_the_key_and_the_models_session_ends_then() -> None:
    line = away_call(transfer("anna"))
    line.tell(FarEndTold(1, "ringing"), FarEndTold(1, "answered"))
    assert not of(line.wanted, EndSession)
    line.tell(FarEndTold(1, "accepted"), FarEndTold(1, "accepted"))
    assert len(of(line.wanted, EndSession)) == 1
    assert not line.call.is_over
    back(line, "completed", after=200_000)
    assert ended(line) == ("tool", "transferred to anna", "")


def test_a_cold_call_is_taken_when_somebody_answers() -> None:
    line = away_call()
    line.tell(FarEndTold(1, "answered"))
    assert len(of(line.wanted, EndSession)) == 1
    line.tell(ModelLeft(1000, ""), ResponseCreated("r7"))
    line.wait(500_000)
    back(line, "completed")
    assert ended(line) == ("tool", "transferred to sales", "")


def test_without_any_callback_a_cold_call_that_was_completed_was_taken() -> None:
    line = away_call()
    back(line, "completed")
    assert ended(line)[:2] == ("tool", "transferred to sales")


@pytest.mark.parametrize(("place", "bridged"), [
    ("anna", "false"), ("anna", "true"), ("anna", ""), ("sales", "false"),
])  # fmt: skip
def test_whoever_did_not_press_the_key_did_not_take_it_whatever_twilio_says(place: str, bridged: str) -> None:
    line = away_call(transfer(place))
    line.tell(FarEndTold(1, "declined"))
    back(line, "completed", DialBridged=bridged)
    assert '"why":"the person who answered did not take the call"' in of(line.wanted, AnswerTool)[0].output


def test_a_queue_that_connected_them_ends_the_call() -> None:
    line = away_call(transfer("line"))
    back(line, "bridged", after=900_000)
    assert ended(line)[:2] == ("tool", "transferred to line")


def test_whoever_hangs_up_on_who_took_the_call_leaves_a_record_that_is_over_soon() -> None:
    line = away_call()
    line.tell(FarEndTold(1, "answered"))
    line.tell(FarEndTold(1, "completed"), after=60_000)
    line.wait(9_900)
    assert not line.call.is_over
    line.wait(200)
    assert ended(line) == ("tool", "transferred to sales", "")


def test_a_callback_that_comes_before_the_one_it_follows_shortens_no_talk_that_goes_on() -> None:
    line = away_call()
    line.tell(FarEndTold(1, "completed"), FarEndTold(1, "answered"))
    back(line, "completed", after=4000)
    assert ended(line)[:2] == ("tool", "transferred to sales")


def test_whoever_hangs_up_while_away_has_hung_up() -> None:
    line = away_call(MESSAGE)
    line.tell(ExcursionEnded(1, "recorded", 9, {"RecordingUrl": "https://api/RE1"}, is_gone=True), after=9000)
    assert ended(line)[:2] == ("caller", "hung up")
    assert line.notes("milestone")[-2]["data"] == {"RecordingUrl": "https://api/RE1"}


@pytest.mark.parametrize("event", [StreamStopped(SID), CallerAway(1, is_gone=True)])
def test_both_can_hang_up_at_once(event: Event) -> None:
    line = talking_call()
    line.tell(transfer())
    line.tell(event, after=20)
    assert ended(line)[:2] == ("caller", "hung up")


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize(("wish", "ms"), [
    (transfer(), 55_000), (transfer("line"), 3_600_000), (DIGITS, 17_000), (COLLECT, 47_500), (MESSAGE, 91_300),
])  # fmt: skip
def test_every_kind_is_bounded(wish: ToolCalled, ms: int) -> None:
    line = away_call(wish, max_call_seconds=3540)
    over = min(ms, 3_539_000)
    line.wait(over - 50)
    assert not line.call.is_over
    line.wait(ms - over + 2000)
    assert line.call.is_over
    assert line.end is not None
    assert (line.end.by, line.end.why[:28]) in [
        ("bridge", "the caller did not come back"), ("limit", "longest call reached")
    ]  # fmt: skip


def test_talk_with_whoever_took_the_call_is_bounded_by_its_place_alone() -> None:
    line = away_call(None, max_call_seconds=60)
    line.tell(FarEndTold(1, "answered"))
    line.wait(600_000)
    assert not line.call.is_over
    line.wait(31_000)
    assert ended(line)[:2] == ("tool", "transferred to sales")


def test_a_talk_that_is_over_is_over_though_twilio_asks_nothing_more() -> None:
    line = away_call(transfer("anna"))
    line.tell(FarEndTold(1, "accepted"), after=9000)
    line.tell(FarEndTold(1, "completed"), after=60_000)
    line.wait(9999)
    assert not line.call.is_over
    line.wait(1)
    assert ended(line) == ("tool", "transferred to anna", "")


def test_a_caller_who_hangs_up_while_it_rings_is_not_waited_for() -> None:
    line = away_call()
    line.tell(FarEndTold(1, "ringing"), FarEndTold(1, "canceled"))
    line.wait(10_000)
    assert ended(line)[:2] == ("caller", "hung up")


def test_whom_twilio_asks_nothing_about_though_nobody_answered_is_lost_by_us() -> None:
    line = away_call()
    line.tell(FarEndTold(1, "ringing"), FarEndTold(1, "completed"))
    line.wait(10_000)
    assert ended(line)[:2] == ("bridge", "the caller did not come back from dial")


def test_a_place_that_is_let_go_before_twilio_asks_what_comes_next_changes_nothing() -> None:
    line = away_call()
    line.tell(FarEndTold(1, "ringing"), FarEndTold(1, "canceled"))
    back(line, "canceled", after=1000)
    assert of(line.wanted, ReturnToStream) == [ReturnToStream(2)]


def test_whoever_is_dialled_for_want_of_a_model_takes_the_call_too() -> None:
    line = talking_call("dial:sales", "voicemail")
    line.tell(ModelLeft(1006, ""))
    line.tell(CallerAway(1), FarEndTold(1, "answered"), FarEndTold(1, "completed"), after=40)
    line.wait(10_000)
    assert ended(line)[:2] == ("model", "model connection lost (1006); transferred to sales")


def test_twilio_may_not_ask_at_all() -> None:
    line = talking_call()
    line.tell(transfer())
    line.wait(10_000)
    assert ended(line)[:2] == ("bridge", "Twilio did not ask what comes after the stream")


def test_the_new_stream_may_never_come() -> None:
    line = away_call(None, answer_timeout_ms=20_000)
    back(line)
    line.wait(10_000)
    assert ended(line)[:2] == ("bridge", "the caller did not come back from dial: no media stream came")


def test_a_stream_that_could_not_be_had_again_is_told_of_by_the_next_request() -> None:
    line = away_call()
    back(line)
    line.tell(CallerAway(2), after=100)
    assert ended(line) == ("caller", "media stream ended", line.call.agent.failure_sentence.text)


def test_a_shutdown_ends_a_call_that_is_away() -> None:
    line = away_call()
    line.tell(Stopped("operator", "the daemon is shutting down", "Goodbye."))
    assert ended(line) == ("operator", "the daemon is shutting down", "Goodbye.")


# ---------------------------------------------------------------- the failure plan


def test_the_plan_is_walked_step_by_step_until_one_has_helped() -> None:
    line = talking_call("say:Our agent is ill.", "dial:sales", "dial:nobody", "voicemail")
    line.tell(ModelLeft(1006, ""))
    assert len(of(line.wanted, EndSession)) == 1
    assert left(line) == [LeaveStream(1, Plan(Dial(PLACES["sales"]), ("Our agent is ill.",)))]
    line.tell(CallerAway(1), after=40)
    back(line, "busy")
    assert [leave.plan.step.kind for leave in left(line)] == ["dial", "voicemail"]
    back(line, "recorded", number=2, RecordingUrl="https://api/RE1")
    assert ended(line) == ("model", "model connection lost (1006); a message was left", "")
    assert not of(line.wanted, AnswerTool)


def test_a_plan_that_helped_nobody_ends_with_the_sentence() -> None:
    line = talking_call("dial:sales")
    line.tell(ModelLeft(1006, ""))
    line.tell(CallerAway(1), after=40)
    back(line, "no_answer")
    sentence = line.call.agent.failure_sentence.text
    assert ended(line) == ("model", "model connection lost (1006)", sentence)


def test_words_and_a_hang_up_need_no_excursion() -> None:
    line = talking_call("say:We are closed.", "say:Call again.", "hang_up")
    line.tell(ModelLeft(1006, ""))
    assert left(line) == []
    assert ended(line)[2] == "We are closed. Call again."


def test_a_plan_can_hand_the_caller_to_other_twiml() -> None:
    line = talking_call("https://example.com/other")
    line.tell(ModelLeft(1006, ""))
    assert line.end is not None
    assert line.end.go_to == "https://example.com/other"


def test_a_model_that_is_lost_while_the_caller_is_away_is_for_their_return() -> None:
    line = away_call(None, "voicemail")
    line.tell(ModelLeft(1006, ""))
    assert not line.call.is_over
    assert len(of(line.wanted, EndSession)) == 1
    back(line, "busy")
    assert [leave.plan.step.kind for leave in left(line)] == ["voicemail"]
    assert not of(line.wanted, AnswerTool)


def test_a_model_that_is_lost_while_the_caller_is_away_is_no_matter_once_they_are_taken() -> None:
    line = away_call(None, "voicemail")
    line.tell(ModelLeft(1006, ""), FarEndTold(1, "answered"))
    back(line, "completed")
    assert ended(line)[:2] == ("tool", "transferred to sales")


def test_a_model_that_is_lost_while_the_caller_returns_sends_them_on() -> None:
    line = away_call(None, "voicemail")
    back(line, "busy")
    line.tell(ModelLeft(1006, ""), after=200)
    assert [leave.number for leave in left(line)] == [2]
    line.tell(StreamStarted("MZ2", "CA1", "audio/x-mulaw", 8000, 1), after=10)
    line.tell(CallerAway(2), after=100)
    back(line, "recorded", number=2)
    assert ended(line)[:2] == ("model", "model connection lost (1006); a message was left")


def test_a_model_that_could_not_be_had_sends_a_caller_on_before_their_stream_is_there() -> None:
    line = new_call(agent_with_places("voicemail"))
    line.tell(ModelUnreachable("no route"), after=100)
    assert len(left(line)) == 1
    line.tell(CallerAway(1), after=300)
    back(line, "recorded")
    assert ended(line)[:2] == ("model", "no route; a message was left")


def test_without_a_plan_a_lost_model_is_told_of_when_the_caller_is_back() -> None:
    line = away_call()
    line.tell(ModelLeft(1006, ""))
    back(line, "busy")
    assert ended(line) == ("model", "model connection lost (1006)", line.call.agent.failure_sentence.text)


def test_a_session_that_is_not_ready_in_time_is_not_waited_for_again() -> None:
    line = new_call(agent_with_places("dial:sales", model_ready_ms=500))
    line.tell(SessionCreated(0), START)
    line.wait(600)
    assert len(left(line)) == 1
    line.tell(CallerAway(1), SessionUpdated())
    line.wait(30_000)
    assert not line.call.is_over
    assert not of(line.wanted, CreateResponse)


def test_somebody_we_called_who_was_put_through_and_hangs_up_was_transferred() -> None:
    agent = evolve(agent_with_places(), outbound=Outgoing(machine="go_on"))
    line = Driver(Call(agent, TOOLS, is_outgoing=True))
    line.tell(SessionCreated(0), SessionUpdated(), CallPlaced(), CalleeAnswered(), START)
    line.answer("r0", "i0", 200)
    line.tell(*(MarkReached(SID, mark.name) for mark in of(line.wanted, SendMark)))
    line.tell(transfer(), CallerAway(1), FarEndTold(1, "answered"))
    line.tell(CallProgressed("completed"), after=9000)
    assert ended(line)[:2] == ("tool", "transferred to sales")
