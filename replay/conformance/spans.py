"""Who spoke and what was open in one call, stretch by stretch on both sides, as it is drawn. It judges nothing."""

from collections.abc import Iterable, Iterator
from typing import Final

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Span
from replay.conformance.session_log import SessionLog

JOINED_MS: Final = 60
"""A shorter pause can't be seen in a drawing of a whole call."""
LOOKED_ON_MS: Final = 5_000
"""A session that was never left is drawn for so long after the call."""


def spans_of(call: BothSides) -> tuple[Span, ...]:
    """Return the stretches of both sides, in ms since the call rang."""
    return (*_phone(call), *(span for log in call.sessions for span in _session(call, log)), *_tools(call))


def _phone(call: BothSides) -> Iterator[Span]:
    report = call.report
    if report.started_ms is not None:
        yield Span("phone", "open", report.started_ms, report.closed_ms or report.started_ms)
    for event in report.events:
        if event.kind == "caller_says":
            yield Span("phone", "caller", event.t_ms, event.t_ms + event.detail["ms"])
    heard = ((call.heard_at_ms(span.begin_ms), call.heard_at_ms(span.end_ms)) for span in report.line.spans)
    yield from (Span("phone", "agent", *times) for times in _joined(heard))


def _joined(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begin = end = None
    for begin_ms, end_ms in stretches:
        if begin is not None and end is not None and begin_ms - end > JOINED_MS:
            yield begin, end
            begin = None
        begin, end = begin_ms if begin is None else begin, end_ms
    if begin is not None and end is not None:
        yield begin, end


def _session(call: BothSides, log: SessionLog) -> Iterator[Span]:
    if log.session is None or not log.told:
        return
    closed_ms = call.report.closed_ms or 0
    end_ms = closed_ms + LOOKED_ON_MS if log.is_open else call.ms(log.told[-1])
    yield Span("model", "open", call.ms(log.told[0]), end_ms)
    began_ms = None
    for told in log.told:
        if told.kind == "input_audio_buffer.speech_started":
            began_ms = call.ms(told)
        elif told.kind == "input_audio_buffer.speech_stopped" and began_ms is not None:
            yield Span("model", "caller", began_ms, call.ms(told))
    for item in call.spoken():
        if any(told.what.get("item_id") == item.item_id for told in log.told):
            yield Span("model", "agent", item.first_ms, item.last_ms)


def _tools(call: BothSides) -> Iterator[Span]:
    items = ((told, told.what["item"]) for told in call.told("response.output_item.done"))
    began = {item["call_id"]: call.ms(told) for told, item in items if item["type"] == "function_call"}
    for told in call.told("conversation.item.create", "client"):
        call_id = (told.what.get("item") or {}).get("call_id")
        if call_id in began:
            yield Span("model", "tool", began.pop(call_id), call.ms(told))
