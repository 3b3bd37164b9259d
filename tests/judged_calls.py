"""Calls for the tests of what is judged: both sides' lines, without a stand-in and without a clock."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from replay.conformance.both_sides import BothSides
from replay.conformance.machine import Hurry
from replay.conformance.session_log import DELTA, SessionLog, Told
from replay.conformance.situations import FIRST, Situation
from replay.phone.line import Arrival, Clear, Span
from replay.phone.report import CallReport, Happening

OVER_MS = 30_000


def told(at_ms: int, kind: str, who: str = "model", **what: Any) -> Told:
    """One message at the model's, so many ms after the ring."""
    return Told(at_ms / 1000, who, kind, {"type": kind, **what})  # type: ignore[arg-type]


def answer(at_ms: int, number: int, *lengths_ms: int, status: str = "completed") -> list[Told]:
    """A response of items of these lengths, each sent in one piece at once; its items are `item_NUMBER.PLACE`."""
    response = {"id": f"resp_{number}", "status": "in_progress"}
    messages = [told(at_ms, "response.created", response=response)]
    for place, ms in enumerate(lengths_ms, 1):
        fields = {"response_id": f"resp_{number}", "item_id": f"item_{number}.{place}", "ms": ms}
        messages.append(told(at_ms + place, DELTA, **fields))
    end_ms = at_ms + len(lengths_ms) + 1
    return [*messages, told(end_ms, "response.done", response={**response, "status": status, "output": []})]


def turn(at_ms: int) -> list[Told]:
    """The caller is heard by the model, and their turn ends."""
    return [
        told(at_ms, "input_audio_buffer.speech_started", audio_start_ms=at_ms),
        told(at_ms + 500, "input_audio_buffer.committed"),
    ]


def truncation(at_ms: int, item_id: str, ms: int) -> list[Told]:
    """The bridge claims that so much was heard, and the model believes it."""
    fields = {"item_id": item_id, "audio_end_ms": ms}
    kind = "conversation.item.truncate"
    return [told(at_ms, kind, "client", **fields), told(at_ms, f"{kind}d", **fields)]


def error(at_ms: int, code: str, **more: Any) -> Told:
    """The model refuses something."""
    return told(at_ms, "error", error={"code": code, "message": "", "param": None, **more})


def a_call(
    *messages: Told | Iterable[Told],
    heard: Iterable[tuple[int, int]] = (),
    says: Iterable[tuple[int, int]] = (),
    clears: Iterable[int] = (),
    arrivals: Iterable[tuple[int, int]] = (),
    situation: Situation = FIRST,
    close_code: int | None = 1000,
    hurry: Hurry | None = None,
    **report: Any,
) -> BothSides:
    """A call whose line is up from the ring on. `heard` has when the agent was, `says` when the caller spoke and how
    long, `arrivals` when audio came and how much."""
    flat = [one for part in messages for one in ([part] if isinstance(part, Told) else part)]
    fields = {"started_ms": 0, "line_began_ms": 0, "closed_ms": OVER_MS, "closed_by": "caller", **report}
    made = CallReport(call_sid="CA1", rang_at=0.0, **fields)
    made.events += [Happening(at, "caller_says", {"text": "Yes.", "ms": ms}) for at, ms in says]
    made.line.spans += [Span(*times) for times in heard]
    made.line.arrivals += [Arrival(*one) for one in arrivals]
    for at in clears:
        before = sum(one.at_ms < at for one in made.line.arrivals)
        made.line.clears.append(Clear(at, 0, before))
    session: Any = SimpleNamespace(close_code=close_code, caller_audio=b"", settings={"tools": []})
    log = SessionLog(1, session, sorted(flat, key=lambda one: one.at))
    return BothSides(situation, made, (log,), hurry=hurry or Hurry())
