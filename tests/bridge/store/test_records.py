"""A tape's rows: who said what and what of it was heard, which tools ran, how long answers took, what it cost."""

from typing import Any

import pytest
from attrs import evolve
from heart import SID, START, agent_with
from taped import from_model, header_of, ledger, line_of, milestone

from bridge.heart.effects import AnswerTool, EndCall, RunTool, WriteNote
from bridge.heart.events import (
    Event,
    ModelSpoke,
    SpeechStarted,
    SpeechStopped,
    ToolAnswered,
    TurnCommitted,
)
from bridge.store.records import Records, records_of
from bridge.tapes.tape import Line, carry_out

Message = dict[str, Any]


def added(t_ms: int, item_id: str, before: str | None, role: str, text: str = "") -> Line:
    content = (
        [{"type": "input_text", "text": text}] if text else [{"type": "input_audio", "transcript": None}]
    )
    item = {"id": item_id, "type": "message", "role": role, "content": content}
    return from_model(t_ms, "conversation.item.added", previous_item_id=before, item=item)


def transcribed(t_ms: int, item_id: str, text: Any) -> Line:
    kind = "conversation.item.input_audio_transcription.completed"
    return from_model(t_ms, kind, item_id=item_id, content_index=0, transcript=text)


def spoken(t_ms: int, item_id: str, text: Any) -> Line:
    return from_model(t_ms, "response.output_audio_transcript.done", item_id=item_id, transcript=text)


def happened(*steps: tuple[int, Event]) -> list[Line]:
    return [line_of(at, event) for at, event in steps]


def rows_of(*lines: Line, is_torn: bool = False) -> Records:
    header = header_of(agent_with(), [])
    return records_of(header, lines, is_torn=is_torn)


# ---------------------------------------------------------------- transcript


def test_the_transcript_follows_the_conversation_and_not_the_order_of_arrival() -> None:
    records = rows_of(
        added(1, "i0", None, "assistant"),
        added(2, "u1", "i0", "user"),
        added(3, "i1", "u1", "assistant"),
        added(4, "u0", "i0", "user"),
        spoken(5, "i1", "We close at ten."),
        spoken(6, "i0", "Hello!"),
        transcribed(7, "u1", "When do you close?"),
        transcribed(8, "u0", "Hi."),
    )
    assert [(row["role"], row["said"]) for row in records.transcript] == [
        ("agent", "Hello!"), ("caller", "Hi."), ("caller", "When do you close?"), ("agent", "We close at ten."),
    ]  # fmt: skip


def test_a_transcript_that_grew_by_deltas_is_replaced_by_its_final_form() -> None:
    deltas = [
        from_model(t, "response.output_audio_transcript.delta", item_id="i1", delta=words)
        for t, words in enumerate(["Good ", "mornin"])
    ]
    assert rows_of(*deltas).transcript[0]["said"] == "Good mornin"
    assert rows_of(*deltas, spoken(3, "i1", "Good morning")).transcript[0]["said"] == "Good morning"


def test_what_was_said_is_split_into_heard_and_unheard() -> None:
    said = "one two three four five six seven eight nine ten"
    records = rows_of(spoken(1, "i1", said), ledger(2, "i1", heard_ms=500, cut=True))
    (row,) = records.transcript
    assert (row["heard"], row["unheard"], row["interrupted"]) == (
        "one two three four five", "six seven eight nine ten", True,
    )  # fmt: skip


def test_an_answer_that_nobody_heard_is_unheard() -> None:
    (row,) = rows_of(spoken(1, "i1", "Never heard"), ledger(2, "i1", heard_ms=0, cut=True)).transcript
    assert (row["heard"], row["unheard"]) == ("", "Never heard")


def test_what_the_caller_said_was_heard() -> None:
    (row,) = rows_of(added(1, "u1", None, "user"), transcribed(2, "u1", "Hi.")).transcript
    assert (row["heard"], row["unheard"]) == ("Hi.", "")


def test_a_text_for_the_model_is_in_the_transcript() -> None:
    (row,) = rows_of(added(1, "u1", None, "user", "(keys: 12)")).transcript
    assert (row["role"], row["said"]) == ("caller", "(keys: 12)")


def test_an_answer_began_when_it_was_first_heard() -> None:
    (row,) = rows_of(added(1, "i1", None, "assistant"), ledger(2, "i1", first_heard=130)).transcript
    assert row["began_ms"] == 130


@pytest.mark.parametrize("nothing", [None, 7, ["x"]])
def test_a_transcript_that_is_no_text_is_logged_and_left_out(nothing: Any) -> None:
    records = rows_of(transcribed(1, "u1", nothing), spoken(2, "i1", nothing))
    assert all(row["said"] == "" for row in records.transcript)
    assert [row["t_ms"] for row in records.log] == [1, 2]


# ---------------------------------------------------------------- tools


def test_a_tools_row_tells_its_whole_story() -> None:
    call = {
        "id": "f1",
        "type": "function_call",
        "call_id": "c1",
        "name": "look_up",
        "arguments": '{"day": "Friday"}',
    }
    output = {"id": "o1", "type": "function_call_output", "call_id": "c1", "output": "7 pm"}
    (row,) = rows_of(
        from_model(10, "conversation.item.added", item=call),
        from_model(12, "response.output_item.done", item=call),
        carry_out(12, RunTool("c1", "look_up", call["arguments"]))[0],
        line_of(500, ToolAnswered("c1", "7 pm")),
        carry_out(500, AnswerTool("b1", "c1", "7 pm"))[0],
        from_model(540, "conversation.item.added", item=output),
    ).tool_calls
    assert row == {
        "position": 0, "tool_call_id": "c1", "item_id": "f1", "name": "look_up",
        "arguments_raw": '{"day": "Friday"}', "arguments": {"day": "Friday"}, "output": "7 pm",
        "error_kind": None, "error": None, "called_ms": 10, "started_ms": 12, "answered_ms": 500,
        "sent_ms": 500, "is_delivered": True, "is_late": False, "joined": None,
    }  # fmt: skip


def late_tool(*more: Line) -> dict[str, Any]:
    """Return the row of a late tool that was called, and said to be under way."""
    call = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"}
    (row,) = rows_of(
        from_model(10, "conversation.item.added", item=call),
        milestone(12, "tool_late", call_id="c1", tool="look_up"),
        carry_out(12, AnswerTool("b1", "c1", "under way"))[0],
        from_model(
            20, "conversation.item.added", item=call | {"type": "function_call_output", "output": "x"}
        ),
        *more,
    ).tool_calls
    return row


def test_a_late_tool_has_one_row_and_is_delivered_when_the_model_has_spoken_of_it() -> None:
    again = {
        "id": "late_1",
        "type": "function_call",
        "call_id": "late_c1",
        "name": "look_up",
        "arguments": "{}",
    }
    given = {"id": "o2", "type": "function_call_output", "call_id": "late_c1", "output": "7 pm"}
    came = (
        line_of(5000, ToolAnswered("c1", "7 pm")),
        carry_out(5000, AnswerTool("b2", "late_c1", "7 pm"))[0],
        from_model(5010, "conversation.item.added", item=again),
        from_model(5020, "conversation.item.added", item=given),
    )
    row = late_tool(*came)
    assert (row["is_late"], row["is_delivered"], row["output"], row["sent_ms"]) == (True, False, "7 pm", 5000)
    assert late_tool(*came, milestone(6000, "tool_delivered", call_id="c1", tool="look_up"))["is_delivered"]


def test_a_late_tool_without_a_result_has_no_output() -> None:
    row = late_tool()
    assert (row["output"], row["answered_ms"], row["is_delivered"]) == (None, None, False)


def test_a_tool_that_was_cancelled_with_its_call_says_so() -> None:
    cancelled = carry_out(900, WriteNote("tool_cancelled", {"call_id": "c1", "tool": "look_up"}))[0]
    (row,) = rows_of(carry_out(12, RunTool("c1", "look_up", "{"))[0], cancelled).tool_calls
    assert (row["error_kind"], row["answered_ms"], row["is_delivered"]) == ("cancelled", 900, False)


# ---------------------------------------------------------------- turns, milestones


def turn(speech_ms: int, item: str, response: str) -> list[Line]:
    """A caller's turn of 800 ms, and a response that begins 300 ms after it."""
    ends = speech_ms + 800
    return [
        *happened(
            (speech_ms, SpeechStarted(item, 0)), (ends, SpeechStopped(item, 0)), (ends, TurnCommitted(item))
        ),
        from_model(ends + 300, "response.created", response={"id": response}),
    ]


def test_a_turns_latency_is_from_the_callers_last_sound_to_the_first_audio_heard() -> None:
    (row,) = rows_of(*turn(1000, "u1", "r1"), ledger(5000, "i1", first_heard=2650)).turns
    assert (row["caller_item_id"], row["speech_stopped_ms"], row["response_created_ms"]) == ("u1", 1800, 2100)
    assert (row["first_heard_ms"], row["response_ms"], row["latency_ms"]) == (2650, 850, 1350)


def test_of_several_items_the_first_one_heard_counts() -> None:
    (row,) = rows_of(
        *turn(1000, "u1", "r1"), ledger(5000, "i2", first_heard=3000), ledger(5000, "i1", first_heard=2650)
    ).turns
    assert row["response_ms"] == 850


def test_a_turn_whose_answer_was_never_heard_has_no_latency() -> None:
    (row,) = rows_of(*turn(1000, "u1", "r1"), ledger(5000, "i1", first_heard=-1)).turns
    assert "latency_ms" not in row


def test_the_greeting_belongs_to_no_turn() -> None:
    opening = from_model(100, "response.created", response={"id": "r0"})
    assert rows_of(opening, ledger(900, "i0", response_id="r0")).turns == []


def test_a_milestone_may_have_been_earlier_than_it_was_known() -> None:
    (row,) = rows_of(milestone(900, "first_audio_heard", at_ms=840)).milestones
    assert row == {"position": 0, "name": "first_audio_heard", "t_ms": 840, "data": {}}


def test_a_turn_that_an_idle_time_out_made_was_nobodys_and_has_no_latency() -> None:
    at = {"audio_start_ms": 0, "audio_end_ms": 900, "item_id": "u1"}
    lines = [
        from_model(900, "input_audio_buffer.timeout_triggered", **at),
        line_of(901, TurnCommitted("u1")),
        from_model(950, "response.created", response={"id": "r1"}),
        ledger(2000, "i1", first_heard=1400),
    ]
    (row,) = rows_of(*lines).turns
    assert (row["first_heard_ms"], row.get("response_ms"), row.get("latency_ms")) == (1400, None, None)


def test_a_turn_whose_end_nobody_heard_has_no_latency_as_the_caller_felt_it() -> None:
    lines = [
        line_of(100, SpeechStarted("u1", 100)),
        line_of(901, TurnCommitted("u1")),
        from_model(950, "response.created", response={"id": "r1"}),
        ledger(2000, "i1", first_heard=1400),
    ]
    (row,) = rows_of(*lines).turns
    assert (row["response_ms"], row["latency_ms"]) == (499, None)


def test_a_turn_that_the_bridge_closed_is_one_turn_whatever_its_item_is_called() -> None:
    lines = [
        line_of(100, SpeechStarted("u1", 100)),
        line_of(901, TurnCommitted("u2")),
        added(902, "u2", None, "user"),
    ]
    records = rows_of(*lines)
    assert [(row["caller_item_id"], row["speech_started_ms"]) for row in records.turns] == [("u2", 100)]
    assert [row["item_id"] for row in records.transcript] == ["u2"]


def test_debug_lines_are_apart() -> None:
    records = rows_of(carry_out(5, WriteNote("log", {"text": "odd", "code": 7}))[0])
    assert records.log == [{"position": 0, "t_ms": 5, "text": "odd", "data": {"code": 7}}]


# ---------------------------------------------------------------- the call

USAGE = {
    "input_token_details": {
        "text_tokens": 1000, "audio_tokens": 2000,
        "cached_tokens_details": {"text_tokens": 600, "audio_tokens": 500},
    },
    "output_token_details": {"text_tokens": 100, "audio_tokens": 400},
}  # fmt: skip


def test_tokens_are_summed_and_priced_by_class() -> None:
    done = {"id": "r1", "status": "completed", "usage": USAGE}
    call = rows_of(*[from_model(t, "response.done", response=done) for t in (1, 2)]).call
    assert (call["text_in_tokens"], call["audio_cached_tokens"], call["audio_out_tokens"]) == (
        2000,
        1000,
        800,
    )
    once = (400 * 4 + 600 * 0.40 + 100 * 24 + 1500 * 32 + 500 * 0.40 + 400 * 64) / 1e6
    assert call["cost_usd"] == pytest.approx(2 * once)


TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def cost_of(*usages: Any, model: str = "gpt-transcribe") -> Message:
    told = [
        from_model(n, TRANSCRIBED, item_id=f"i{n}", transcript="yes", usage=usage)
        for n, usage in enumerate(usages)
    ]
    return records_of(header_of(evolve(agent_with(), transcription_model=model), []), told).call


def test_what_transcription_took_in_seconds_is_recorded_and_priced() -> None:
    call = cost_of(*[{"type": "duration", "seconds": 300}] * 2)
    assert (call["transcription_seconds"], call["cost_without"]) == (600, "")
    assert call["cost_usd"] == pytest.approx(10 * 0.0045)


def test_what_transcription_took_in_tokens_is_recorded_and_said_to_be_left_out() -> None:
    call = cost_of({"type": "tokens", "input_tokens": 8000, "output_tokens": 1000})
    assert (call["transcription_in_tokens"], call["transcription_out_tokens"]) == (8000, 1000)
    assert (call["cost_usd"], call["cost_without"]) == (0, "transcription")


def test_a_transcription_model_without_a_price_is_said_to_be_left_out() -> None:
    assert cost_of({"type": "duration", "seconds": 60}, model="whisper-1")["cost_without"] == "transcription"


@pytest.mark.parametrize(
    "usage",
    [None, 5, {}, {"type": "duration"}, {"type": "duration", "seconds": -1}, {"type": "duration", "seconds": 10**9},
     {"type": "duration", "seconds": True}, {"type": "tokens", "input_tokens": "9"}, {"type": "breaths"}],
)  # fmt: skip
def test_usage_that_can_not_be_is_no_usage(usage: Any) -> None:
    call = cost_of(usage, {"type": "duration", "seconds": 60})
    assert (call["transcription_seconds"], call["cost_without"]) == (60, "transcription")


def test_a_call_in_which_nothing_was_written_down_has_its_whole_cost() -> None:
    assert cost_of(model="")["cost_without"] == ""


def test_a_response_without_usage_costs_nothing() -> None:
    call = rows_of(from_model(1, "response.done", response={"id": "r1", "usage": None})).call
    assert (call["audio_out_tokens"], call["cost_usd"]) == (0, 0)


def test_the_call_says_who_ended_it_and_how_soon_the_agent_was_heard() -> None:
    call = rows_of(
        milestone(400, "stream_started"),
        milestone(1200, "first_audio_heard", at_ms=1100),
        milestone(3000, "barge_in"),
        *turn(3000, "u1", "r1"),
        carry_out(9000, EndCall("model", "lost", "Sorry"))[0],
    ).call
    assert (call["ended_by"], call["why"], call["next_step"], call["duration_ms"]) == (
        "model",
        "lost",
        "say",
        9000,
    )
    assert (call["first_audio_heard_ms"], call["interruptions"], call["turns"], call["responses"]) == (
        700,
        1,
        1,
        1,
    )


def test_a_tape_without_an_end_is_of_a_daemon_that_died() -> None:
    call = rows_of(milestone(0, "webhook_accepted"), milestone(7000, "x"), is_torn=True).call
    assert (call["ended_by"], call["why"], call["duration_ms"], call["is_torn"]) == (
        "bridge",
        "crashed",
        7000,
        True,
    )
    assert call["first_audio_heard_ms"] is None


def test_an_empty_tape_has_a_call() -> None:
    records = rows_of()
    assert (records.call["why"], records.transcript, records.turns) == ("crashed", [], [])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("conversation.item.added", {"item": None}),
        ("conversation.item.added", {"item": {"type": "message", "id": ["x"], "role": "user"}}),
        ("response.done", {"response": 7}),
        ("response.done", {"response": {"usage": {"input_token_details": {"text_tokens": "many"}}}}),
        ("response.done", {"response": {"usage": {"input_token_details": {"text_tokens": 2**70}}}}),
        ("response.done", {"response": {"usage": {"output_token_details": {"text_tokens": -1}}}}),
        ("response.created", {}),
        ("input_audio_buffer.speech_started", {"item_id": {}}),
    ],
)
def test_a_message_with_wrong_fields_is_logged_and_the_rest_kept(kind: str, fields: Message) -> None:
    records = rows_of(*turn(1, "u1", "r1"), from_model(2000, kind, **fields), *turn(3000, "u2", "r2"))
    assert [row["text"] for row in records.log] == [f"{kind} with missing or wrong fields"]
    assert len(records.turns) == 2


def test_audio_leaves_no_rows() -> None:
    records = rows_of(*happened((1, START), (2, ModelSpoke("r1", "i1", 0, b"\xff"))))
    assert (records.transcript, records.log, records.call["account_sid"]) == ([], [], "AC1")
    assert SID not in str(records)


def remote(t_ms: int, kind: str, **fields: Any) -> Line:
    item = {
        "id": "mcp1",
        "type": "mcp_call",
        "server_label": "crm",
        "name": "look_up",
        "arguments": "",
        "output": None,
    }
    return from_model(t_ms, f"conversation.item.{kind}", previous_item_id=None, item=item | fields)


def test_a_tool_that_the_service_called_by_itself_has_a_row_from_when_it_was_asked_for() -> None:
    began = [
        remote(10, "added"),
        from_model(12, "response.mcp_call_arguments.done", item_id="mcp1", arguments='{"id":7}'),
        from_model(15, "response.mcp_call.in_progress", item_id="mcp1"),
    ]
    (row,) = rows_of(*began).tool_calls
    assert (row["name"], row["arguments"], row["called_ms"], row["started_ms"]) == (
        "crm.look_up",
        {"id": 7},
        10,
        15,
    )
    assert (row["answered_ms"], row["output"], row["is_delivered"]) == (None, None, False)
    ended = [
        from_model(900, "response.mcp_call.completed", item_id="mcp1"),
        remote(901, "done", arguments='{"id":7}', output="Ann"),
    ]
    (row,) = rows_of(*began, *ended).tool_calls
    assert (row["called_ms"], row["answered_ms"], row["output"], row["is_delivered"]) == (
        10,
        900,
        "Ann",
        True,
    )


def test_a_tool_that_the_service_could_not_call_says_why() -> None:
    failed = from_model(90, "response.mcp_call.failed", item_id="mcp1")
    error = {"type": "http_error", "code": 500, "message": "out of order"}
    (row,) = rows_of(remote(10, "added"), failed, remote(91, "done", error=error)).tool_calls
    assert (row["error_kind"], row["error"], row["is_delivered"]) == ("failed", "out of order", False)
