"""The heart and endings: every call ends once, by somebody, for a reason, and a failure is heard by the caller."""

import pytest
from heart import SID, START, Driver, agent_with, new_call, of, open_call, ready_call

from bridge.heart.call import Call
from bridge.heart.effects import AppendAudio, EndCall, PlayAudio
from bridge.heart.events import (
    CallerSpoke,
    Event,
    KeyPressed,
    LinkStalled,
    MarkReached,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelErred,
    ModelLeft,
    ModelUnreachable,
    PhoneLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SpeechStarted,
    SpeechStopped,
    StreamConnected,
    StreamStarted,
    StreamStopped,
)
from bridge.heart.wishes import Stopped

FAILURE = agent_with().failure_sentence.text


def ended(line: Driver) -> tuple[str, str, str]:
    assert line.end is not None
    return line.end.by, line.end.why, line.end.say


# ---------------------------------------------------------------- the failure plan


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (ModelUnreachable("the model refused the connection: 401"), "the model refused the connection: 401"),
        (ModelLeft(1006, ""), "model connection lost (1006)"),
        (ModelLeft(1001, "60 minutes"), "model connection lost (1001 60 minutes)"),
        (LinkStalled("model"), "the model stopped responding"),
        (ModelErred("session_expired", "", "", ""), "the model ended the session (session_expired)"),
        (ModelErred("", "insufficient_quota", "", ""), "the model ended the session (insufficient_quota)"),
        (
            ResponseFinished("r0", "failed", "", "insufficient_quota", ""),
            "the model failed to answer (insufficient_quota)",
        ),
    ],
)
def test_a_caller_who_loses_the_model_hears_a_sentence(event: Event, why: str) -> None:
    line = ready_call()
    line.tell(event)
    assert ended(line) == ("model", why, FAILURE)


def test_a_session_that_is_refused_is_no_session() -> None:
    line = new_call()
    line.tell(SessionCreated(0), ModelErred("unknown_parameter", "invalid_request_error", "no 'x'", "b1"))
    assert ended(line) == ("model", "the model refused the session (unknown_parameter: no 'x')", FAILURE)


def test_a_model_that_is_not_ready_in_time_is_given_up() -> None:
    line = new_call(agent_with(model_ready_ms=4000))
    line.tell(SessionCreated(0), START)
    line.wait(3999)
    assert line.end is None
    line.wait(1)
    assert ended(line) == ("model", "the model was not ready in time", FAILURE)


@pytest.mark.parametrize(
    "code",
    [
        "conversation_already_has_active_response",
        "response_cancel_not_active",
        "invalid_value",
        "brand_new",
        "",
    ],
)
def test_harmless_and_unknown_errors_end_no_call(code: str) -> None:
    line = open_call()
    line.tell(ModelErred(code, "invalid_request_error", "?", "b77"))
    assert line.end is None


def test_a_response_that_is_incomplete_or_cancelled_ends_no_call() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"), ResponseFinished("r1", "incomplete", "max_output_tokens"))
    line.tell(ResponseCreated("r2"), ResponseFinished("r2", "cancelled", "turn_detected"))
    assert line.end is None


# ---------------------------------------------------------------- counted, logged once


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (MessageUnknown("model", "response.sang"), "unknown model message: response.sang"),
        (MessageBroken("twilio", "not JSON"), "broken twilio message: not JSON"),
        (StreamStarted("MZ2", "CA1", "audio/x-mulaw", 8000, 1), "second start"),
        (CallerSpoke("MZ2", 1, b"x"), "message with a wrong streamSid"),
        (KeyPressed("MZ2", "1"), "message with a wrong streamSid"),
        (SessionCreated(0), "second session.created"),
        (ModelErred("brand_new", "", "", ""), "model error: brand_new"),
    ],
)
def test_what_is_odd_is_counted_and_logged_once(event: Event, text: str) -> None:
    line = open_call()
    line.tell(event, event, event)
    assert [note["text"] for note in line.notes("log")] == [text]
    line.tell(StreamStopped(SID))
    assert line.counts[text] == 3


def test_well_known_messages_are_counted_and_not_logged() -> None:
    line = open_call()
    line.tell(MessageIgnored("rate_limits.updated"), MessageIgnored("conversation.item.done"))
    line.tell(StreamStopped(SID))
    assert (line.counts["ignored"], line.notes("log")) == (2, [])


def test_media_before_the_start_is_stray() -> None:
    line = new_call()
    line.tell(StreamConnected(), CallerSpoke(SID, 1, b"x"), KeyPressed(SID, "1"), MarkReached(SID, "m1"))
    assert line.notes("log") == [{"text": "media before start"}]


def test_the_second_start_changes_nothing() -> None:
    line = ready_call()
    line.tell(StreamStarted("MZ2", "CA1", "audio/x-mulaw", 8000, 1))
    assert len(of(line.caller_frame(), AppendAudio)) == 1


@pytest.mark.parametrize(("encoding", "rate", "channels"), [
    ("audio/l16", 8000, 1), ("audio/x-mulaw", 16000, 1), ("audio/x-mulaw", 8000, 2),
])  # fmt: skip
def test_a_stream_of_another_format_is_refused(encoding: str, rate: int, channels: int) -> None:
    line = new_call()
    line.tell(StreamStarted(SID, "CA1", encoding, rate, channels))
    assert ended(line) == ("bridge", f"media format {encoding} {rate} is not µ-law 8000", "")


# ---------------------------------------------------------------- who leaves


@pytest.mark.parametrize(
    ("event", "by", "why"),
    [
        (StreamStopped(SID), "caller", "hung up"),
        (PhoneLeft(1000, ""), "caller", "hung up"),
        (PhoneLeft(1005, ""), "caller", "hung up"),
        (PhoneLeft(1006, ""), "caller", "media socket lost (1006)"),
        (LinkStalled("twilio"), "caller", "phone leg stalled"),
        (Stopped("operator", "drained"), "operator", "drained"),
    ],
)
def test_an_ending_says_by_whom_and_why(event: Event, by: str, why: str) -> None:
    line = open_call()
    line.tell(event)
    assert ended(line) == (by, why, "")


def test_a_call_ends_once_and_says_nothing_after_it() -> None:
    line = open_call()
    line.answer(ms=2000)
    wanted = line.tell(StreamStopped(SID))
    assert isinstance(wanted[-1], EndCall)
    assert line.tell(PhoneLeft(1000, ""), ModelLeft(1000, ""), Stopped("operator", "x")) == []
    assert (line.call.is_over, line.call.deadline) == (True, None)


def test_what_was_not_heard_at_the_end_is_accounted_for() -> None:
    line = open_call()
    line.answer(ms=2000)
    line.wait(100)
    line.echo(1)
    line.tell(StreamStopped(SID), after=50)
    (item,) = line.notes("item")
    assert (item["generated_ms"], item["heard_ms"], item["cut"]) == (2000, 150, True)


# ---------------------------------------------------------------- limits


def test_a_call_without_a_stream_is_given_up() -> None:
    line = new_call(agent_with(waiting_seconds=3))
    line.wait(2999)
    assert line.end is None
    line.wait(1)
    assert ended(line) == ("limit", "no media stream came", "")


def test_a_line_that_sends_no_media_is_lost() -> None:
    line = open_call(agent_with(lost_media_ms=2000))
    line.caller_frame()
    line.wait(1999)
    assert line.end is None
    line.wait(1)
    assert ended(line) == ("caller", "media stopped coming", "")


def test_a_caller_who_tells_a_long_story_is_not_quiet() -> None:
    line = open_call(agent_with(quiet_seconds=2))
    line.tell(SpeechStarted("u1", 0))
    line.wait_with_frames(10_000)
    assert line.end is None


def test_a_caller_who_waits_for_an_answer_is_not_quiet() -> None:
    line = open_call(agent_with(quiet_seconds=2))
    line.tell(SpeechStarted("u1", 0), SpeechStopped("u1", 0))
    line.wait_with_frames(4500)
    assert line.end is None


def test_nobody_is_quiet_while_the_agent_is_heard() -> None:
    line = open_call(agent_with(quiet_seconds=2))
    line.answer(ms=5000)
    for _ in range(50):
        line.wait_with_frames(100)
    assert line.end is None
    assert len(of(line.wanted, PlayAudio)) == 50


def test_a_tool_that_runs_is_not_quiet() -> None:
    line = open_call(agent_with(quiet_seconds=2))
    line.call_tool("c1")
    line.wait_with_frames(8000)
    assert line.end is None


# ---------------------------------------------------------------- milestones


def test_the_milestones_of_a_call_tell_its_course() -> None:
    line = ready_call()
    line.answer(ms=200)
    line.hear_out()
    line.tell(StreamStopped(SID))
    assert line.milestones() == [
        "webhook_accepted", "model_connected", "model_ready", "stream_started", "first_audio_generated",
        "first_audio_sent", "first_audio_heard", "call_ended",
    ]  # fmt: skip


def test_an_hour_that_runs_backwards_is_survived() -> None:
    call = Call(agent_with())
    call.handle(START, 1000)
    call.handle(SessionCreated(0), 10)
    assert call.deadline == 4000
