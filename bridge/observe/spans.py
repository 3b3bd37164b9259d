"""A call's record as a trace: spans with their milliseconds, made when the call is over. Pure; knows no vendor.

Nothing of what was said is in it, and no number: a trace goes to other people's systems.
"""

from typing import Any, Final

from attrs import field, frozen

from bridge.store.records import Records, Row
from bridge.usage import TOKEN_CLASSES

NO_SPANS: Final = frozenset({"tool_called", "tool_answered"})
"""Milestones that are spans of their own already."""


@frozen
class Moment:
    """Something that happened at one millisecond."""

    name: str
    t_ms: int


@frozen
class Span:
    """A stretch of a call, from `start_ms` to `end_ms` on the call's clock; `under` names the span around it."""

    name: str
    start_ms: int
    end_ms: int
    under: str = ""
    attributes: dict[str, str | int | float | bool] = field(factory=dict)
    moments: tuple[Moment, ...] = ()
    fault: str = ""


def spans_of(records: Records) -> list[Span]:
    """Return a call's spans, each after the one it is under; the call itself comes first."""
    return [_call(records), *_model(records), *_stream(records), *_turns(records), *_tools(records)]


def _call(records: Records) -> Span:
    call = records.call
    tokens = {f"bridge.tokens.{name}": call[f"{name}_tokens"] for name in TOKEN_CLASSES}
    return Span(
        "call", 0, call["duration_ms"],
        attributes=_known({
            "bridge.call_sid": call["call_sid"], "bridge.agent": call["agent"], "gen_ai.request.model": call["model"],
            "bridge.ended_by": call["ended_by"], "bridge.next_step": call["next_step"],
            "bridge.heart.turns": call["turns"], "bridge.interruptions": call["interruptions"],
            "bridge.first_audio_heard_ms": call["first_audio_heard_ms"], "bridge.cost_usd": call["cost_usd"], **tokens,
        }),
        moments=tuple(Moment(row["name"], row["t_ms"]) for row in records.milestones if row["name"] not in NO_SPANS),
        fault=f"ended by the {call['ended_by']}" if call["ended_by"] in ("model", "bridge") else "",
    )  # fmt: skip


def _model(records: Records) -> list[Span]:
    """The model leg until the session is as we want it; to the end of the call if it never was."""
    ready = _first(records, "model_ready")
    end = records.call["duration_ms"] if ready is None else ready
    reached = _first(records, "model_connected")
    moments = () if reached is None else (Moment("model_connected", reached),)
    return [
        Span("model connect", 0, end, "call", moments=moments, fault="never ready" if ready is None else "")
    ]


def _stream(records: Records) -> list[Span]:
    started = records.call["stream_started_ms"]
    return [] if started is None else [Span("media stream", started, records.call["duration_ms"], "call")]


def _turns(records: Records) -> list[Span]:
    return [_turn(records, row) for row in records.turns]


def _turn(records: Records, row: Row) -> Span:
    """From the caller's first sound to the first sound they heard in answer, or as far as the turn came."""
    steps = ("speech_started", "speech_stopped", "committed", "response_created", "first_heard")
    moments = tuple(Moment(step, at) for step in steps if (at := row.get(f"{step}_ms")) is not None)
    times = [moment.t_ms for moment in moments] or [0]
    attributes = {
        "bridge.turn": row["position"],
        "bridge.latency_ms": row.get("latency_ms"),
        "bridge.response_ms": row.get("response_ms"),
    }
    return Span("turn", min(times), max(times), _around(records), _known(attributes), moments)


def _tools(records: Records) -> list[Span]:
    return [_tool(records, row) for row in records.tool_calls if row["called_ms"] is not None]


def _tool(records: Records, row: Row) -> Span:
    """From the model's call to our answer; one that was never answered has no length."""
    start, end = row["called_ms"], row["answered_ms"]
    return Span(
        f"tool {row['name'] or 'unknown'}"[:80], start, max(start, end or start), _around(records),
        _known({"bridge.tool_call_id": row["tool_call_id"], "bridge.is_delivered": row["is_delivered"]}),
        fault=row["error_kind"] or "",
    )  # fmt: skip


def _around(records: Records) -> str:
    return "call" if records.call["stream_started_ms"] is None else "media stream"


def _first(records: Records, name: str) -> int | None:
    return next((row["t_ms"] for row in records.milestones if row["name"] == name), None)


def _known(attributes: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """Return the attributes that have a value."""
    return {name: value for name, value in attributes.items() if value is not None}
