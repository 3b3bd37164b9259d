"""A call's record as a trace: which spans, when, under which; what of the call is in it, and what is not."""

from datetime import datetime

import pytest
from recorded import record

from bridge.observe.spans import Span, spans_of
from bridge.observe.tracing import finished_spans


def outline(spans: list[Span]) -> list[tuple[str, int, int, str]]:
    return [(span.name, span.start_ms, span.end_ms, span.under) for span in spans]


def test_a_call_is_a_span_around_its_legs_turns_and_tools() -> None:
    assert outline(spans_of(record("interrupted"))) == [
        ("call", 0, 4370, ""),
        ("model connect", 0, 8, "call"),
        ("media stream", 114, 4370, "call"),
        ("turn", 1151, 2094, "media stream"),
        ("turn", 2634, 3870, "media stream"),
        ("tool check_table", 1883, 1890, "media stream"),
        ("tool hang_up", 3907, 3907, "media stream"),
    ]


def test_the_call_names_its_outcome_its_cost_and_its_milestones() -> None:
    call = spans_of(record("interrupted"))[0]
    assert call.attributes["bridge.ended_by"] == "tool"
    assert call.attributes["bridge.cost_usd"] == 0.013287
    assert "barge_in" in [moment.name for moment in call.moments]
    assert call.fault == ""


def test_a_call_that_lost_its_model_is_a_fault() -> None:
    assert spans_of(record("model_lost"))[0].fault == "ended by the model"


def test_a_call_without_a_model_or_a_stream_has_the_spans_it_got_to() -> None:
    records = record("hung_up")
    records.milestones.clear()
    records.call["stream_started_ms"] = None
    assert outline(spans_of(records)) == [("call", 0, 814, ""), ("model connect", 0, 814, "call")]
    assert spans_of(records)[1].fault == "never ready"


@pytest.mark.parametrize("name", ["hung_up", "interrupted", "late_model", "late_stream", "model_lost"])
def test_nothing_that_was_said_and_no_number_is_in_a_trace(name: str) -> None:
    records = record(name)
    text = "".join(span.to_json() for span in finished_spans(records))
    said = [row["said"] for row in records.transcript if row["said"]]
    arguments = [row["arguments_raw"] for row in records.tool_calls if len(row["arguments_raw"]) > 2]
    for words in (*said, *arguments, records.call["from_number"], records.call["to_number"]):
        assert words not in text


def test_the_trace_id_is_the_calls_own() -> None:
    records = record("hung_up")
    spans = finished_spans(records)
    traces = {f"{span.context.trace_id:032x}" for span in spans if span.context}
    assert traces == {records.call["call_sid"].removeprefix("CA")}
    records.call["call_sid"] = "another-kind-of-id"
    hashed = [{span.context.trace_id for span in finished_spans(records) if span.context} for _ in range(2)]
    assert hashed[0] == hashed[1]
    assert len(hashed[0]) == 1


def test_times_are_those_of_the_call() -> None:
    records = record("hung_up")
    call = next(span for span in finished_spans(records) if span.name == "call")
    assert call.start_time is not None
    assert call.end_time == call.start_time + 814_000_000
    began = datetime.fromisoformat(records.call["started_at"])
    assert call.start_time == round(began.timestamp() * 1000) * 1_000_000
