"""What is drawn along a call's time: stretches in which somebody spoke, worked or was away, and moments. Pure."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final, TypeAlias

from bridge.heart.audio import ms_of
from bridge.heart.playout import CLIP
from bridge.store.operators import told_of_operator
from bridge.store.overlaps import BARGE_IN, POSSIBLE, cut_in_words, stopped_before, verdict_in_words
from bridge.store.trace import Trace

Row: TypeAlias = dict[str, Any]
Record: TypeAlias = Mapping[str, Any]

LANES: Final = {
    "caller": "Detected",
    "agent": "Spoken",
    "tools": "Tools",
    "away": "Away",
    "model": "Sessions",
}
"""Each lane's name, in the order in which they are drawn."""

UNHEARD: Final = "sent, never heard"
CLIPPED: Final = "a clip that was kept"
DROPPED: Final = "generated, never sent"
UNSETTLED: Final = "sent just now"


def spans_of(record: Record, trace: Trace, *, is_live: bool = False) -> list[Row]:
    """Return what is drawn, in lanes: each with its kind, from when to when, and what to call it."""
    found = [
        *_caller(record, trace),
        *_agent(record, trace, is_live=is_live),
        *_tools(record),
        *_away(record),
        *_sessions(trace),
    ]
    return sorted(found, key=lambda span: (list(LANES).index(span["lane"]), span["from_ms"]))


def _span(lane: str, kind: str, from_ms: int, to_ms: int, text: str) -> Row:
    return {"lane": lane, "kind": kind, "from_ms": from_ms, "to_ms": max(from_ms, to_ms), "text": text}


def spoken_until(record: Record, trace: Trace) -> dict[str, int]:
    """Return until when each turn's speech lasted; one that is open where something ended it, the call at last."""
    turns, over_ms = record["turns"], record["call"]["duration_ms"]
    following = [turn.get("speech_started_ms") for turn in turns[1:]]
    found = dict[str, int]()
    for turn, next_ms in zip_longest(turns, following):
        began, stopped = turn.get("speech_started_ms"), turn.get("speech_stopped_ms")
        if began is not None and stopped is None:
            ends = (turn.get("committed_ms"), next_ms, over_ms, *(row["ended_ms"] for row in trace.sessions))
            stopped = min((end for end in ends if end is not None and end >= began), default=began)
        if stopped is not None:
            found[turn["caller_item_id"]] = stopped
    return found


def _caller(record: Record, trace: Trace) -> Iterator[Row]:
    until = spoken_until(record, trace)
    for turn in record["turns"]:
        if (began := turn.get("speech_started_ms")) is not None:
            stopped = until[turn["caller_item_id"]]
            yield _span("caller", "speech", began, stopped, "the caller's speech detected")


def _agent(record: Record, trace: Trace, *, is_live: bool) -> Iterator[Row]:
    zero, ends = trace.begins_ms, dict[tuple[str, int], int]()
    settled = {(item["item_id"], item["content_index"]) for item in record["items"]}
    for piece in trace.pieces:
        began, ended = zero + ms_of(piece.begin), zero + ms_of(piece.end)
        ends[piece.item_id, piece.part] = ended
        kind, text = ("clip", CLIPPED) if piece.item_id.startswith(CLIP) else ("heard", "heard")
        if is_live and (piece.item_id, piece.part) not in settled:
            kind, text = "unsettled", UNSETTLED
        elif not piece.is_heard:
            kind, text = "unheard", UNHEARD
        yield _span("agent", kind, began, ended, text)
    begun = {row["id"]: row.get("first_delta_ms") for row in trace.responses}
    for item in record["items"]:
        dropped_ms = item["generated_ms"] - item["sent_ms"]
        if dropped_ms > 0:
            end = ends.get((item["item_id"], item["content_index"]), begun.get(item["response_id"]))
            start = item["settled_ms"] if end is None else end
            yield _span("agent", "dropped", start, start + dropped_ms, DROPPED)


def _tools(record: Record) -> Iterator[Row]:
    for tool in record["tool_calls"]:
        began = tool["called_ms"] if tool["called_ms"] is not None else tool["started_ms"]
        ended = tool["answered_ms"] if tool["answered_ms"] is not None else tool["sent_ms"]
        if began is not None:
            kind = "failed" if tool["error_kind"] else "tool"
            yield _span("tools", kind, began, began if ended is None else ended, str(tool["name"]))


def _away(record: Record) -> Iterator[Row]:
    for leg in record["legs"]:
        if leg["part"] != "stream":
            ended = leg["began_ms"] if leg["ended_ms"] is None else leg["ended_ms"]
            is_dial, outcome = leg["part"] == "dial", str(leg["outcome"]).replace("_", " ")
            where = " ".join(filter(None, (leg["step"], leg["place"])))
            text = f"{leg['place'] or 'somebody'} was rung" if is_dial else f"off the stream, {where}"
            yield _span("away", "dial" if is_dial else "away", leg["began_ms"], ended, f"{text}: {outcome}")


def _sessions(trace: Trace) -> Iterator[Row]:
    if len(trace.sessions) > 1:  # one that lasts as long as the call is nothing to be looked at
        for row in trace.sessions:
            text = f"session {row['number']}" + (f": {row['why']}" if row["why"] else "")
            yield _span("model", "session", row["began_ms"], row["ended_ms"], text)


# ---------------------------------------------------------------- moments


def moments_of(record: Record) -> list[Row]:
    """Return the milestones, each with its kind and its words; an interruption is where the agent stopped."""
    stopped = stopped_before(record)
    known = {stop_ms: t_ms for t_ms, stop_ms in stopped.items()}
    return [_moment(record, row, stopped, known) for row in record["milestones"]]


def _moment(record: Record, row: Row, stopped: Mapping[int, int], known: Mapping[int, int]) -> Row:
    name, t_ms = row["name"], row["t_ms"]
    kind = {BARGE_IN: BARGE_IN, "dead_air": "bad", "model_lost": "bad"}.get(name, "milestone")
    text = str(name).replace("_", " ")
    if name == POSSIBLE and t_ms in known:
        kind, text = BARGE_IN, cut_in_words(record["items"], known[t_ms])
    elif name == BARGE_IN and t_ms in stopped:
        kind, text = "milestone", verdict_in_words(stopped[t_ms], t_ms)
    elif (operator := told_of_operator(name, row["data"])) is not None:
        kind, text = "operator", operator
    elif name == BARGE_IN:
        text = cut_in_words(record["items"], t_ms)
    return {"t_ms": t_ms, "name": name, "kind": kind, "text": text}
