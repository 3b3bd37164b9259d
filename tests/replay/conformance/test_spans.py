"""What of a call is drawn: who spoke, what was open and for how long, on both sides."""

from types import SimpleNamespace
from typing import Any

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Span
from replay.conformance.session_log import SessionLog, Told
from replay.conformance.situations import FIRST
from replay.conformance.spans import spans_of
from replay.phone.line import Span as Heard
from replay.phone.report import CallReport, Happening


def told(at: float, kind: str, who: str = "model", **what: Any) -> Told:
    return Told(at, "client" if who == "client" else "model", kind, {"type": kind, **what})


def a_call(*messages: Told, close_code: int | None = 1000) -> BothSides:
    report = CallReport(
        call_sid="CA1", line_began_ms=100, started_ms=100, closed_ms=9000, rang_at=50.0,
        events=[Happening(3000, "caller_says", {"ms": 1200})],
    )  # fmt: skip
    report.line.spans += [Heard(200, 1000), Heard(1020, 2000), Heard(4000, 5000)]
    session: Any = SimpleNamespace(close_code=close_code)
    return BothSides(FIRST, report, (SessionLog(1, session, list(messages)),))


def test_a_pause_that_nobody_hears_is_none() -> None:
    spans = [span for span in spans_of(a_call()) if span.side == "phone"]
    assert spans == [
        Span("phone", "open", 100, 9000),
        Span("phone", "caller", 3000, 4200),
        Span("phone", "agent", 300, 2100),
        Span("phone", "agent", 4100, 5100),
    ]


def test_a_session_is_drawn_from_its_first_line_to_its_last() -> None:
    assert Span("model", "open", 500, 9200) in spans_of(a_call(told(50.5, "opened"), told(59.2, "closed")))


def test_a_session_that_was_never_left_goes_on_behind_the_call() -> None:
    assert Span("model", "open", 500, 14_000) in spans_of(a_call(told(50.5, "opened"), close_code=None))


def test_a_tool_runs_until_it_is_answered() -> None:
    asked = told(
        52, "response.output_item.done", item={"type": "function_call", "call_id": "call_1", "name": "x"}
    )
    item = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    answered = [told(at, "conversation.item.create", "client", item=item) for at in (54.5, 54.6)]
    assert [span for span in spans_of(a_call(asked, *answered)) if span.kind == "tool"] == [
        Span("model", "tool", 2000, 4500)
    ]
