"""Where the time of each answer went: from the caller's last sound to the first that they heard, part by part. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]
Record: TypeAlias = Mapping[str, Any]

PARTS: Final = {
    "endpointing": "until turn detection called the turn over",
    "commit": "until the turn was part of the conversation",
    "start": "until a response was begun",
    "tools": "tools, and asking once more",
    "model": "until the model made its first sound",
    "pacing": "until that was sent to the phone",
    "line": "until the caller heard it",
}
"""Each part of an answer by its name, in order, with what was waited for."""


def waits_of(record: Record, responses: Sequence[Row]) -> list[Row]:
    """Return the turns that were answered aloud, each with its parts and which of them took longest."""
    known = {row["id"]: row for row in responses}
    waits = (_wait(turn, record, known) for turn in record["turns"] if turn.get("first_heard_ms") is not None)
    return [wait for wait in waits if wait is not None]


def _wait(turn: Row, record: Record, responses: Mapping[str, Row]) -> Row | None:
    """Return an answer's parts; None for one that nobody waited for, since the server itself began the turn."""
    if turn.get("response_ms") is None:
        return None
    heard = _first_heard(record["items"], turn["first_heard_ms"])
    moments = _moments(turn, heard, responses.get(heard["response_id"], {}) if heard else {})
    parts: list[Row] = [
        {"name": name, "from_ms": begin, "to_ms": end} for name, begin, end in moments if end > begin
    ]
    if not parts:
        return None
    slow = max(parts, key=lambda part: part["to_ms"] - part["from_ms"])
    return {
        "position": turn["position"],
        "from_ms": parts[0]["from_ms"],
        "to_ms": parts[-1]["to_ms"],
        "parts": parts,
        "slow": slow["name"],
        "slow_ms": slow["to_ms"] - slow["from_ms"],
        "said": _said(record["transcript"], turn["caller_item_id"]),
        "tools": _tools_between(record["tool_calls"], parts[0]["from_ms"], parts[-1]["to_ms"]),
    }


def _moments(turn: Row, heard: Row | None, response: Row) -> list[tuple[str, int, int]]:
    """Return each part with its beginning and its end; what the tape doesn't tell is part of what follows."""
    stopped, felt_ms = turn.get("speech_stopped_ms"), turn.get("latency_ms")
    silence_ms = felt_ms - turn["response_ms"] if felt_ms is not None else 0
    begun = response.get("created_ms")
    asked = turn.get("response_created_ms")
    ends = {
        "endpointing": stopped,
        "commit": turn.get("committed_ms"),
        "start": asked,
        "tools": begun if begun is not None and asked is not None and begun > asked else None,
        "model": response.get("first_delta_ms"),
        "pacing": heard["first_sent"] if heard and heard["first_sent"] >= 0 else None,
        "line": turn["first_heard_ms"],
    }
    at: int = (
        stopped - silence_ms if stopped is not None else turn.get("committed_ms") or turn["first_heard_ms"]
    )
    moments = list[tuple[str, int, int]]()
    for name, end in ends.items():
        if end is not None:
            moments.append((name, at, end))
            at = max(at, end)
    return moments


def _first_heard(items: Sequence[Row], first_heard_ms: int) -> Row | None:
    return next((row for row in items if row["first_heard"] == first_heard_ms), None)


def _said(transcript: Sequence[Row], item_id: str) -> str:
    return next((str(row["said"]) for row in transcript if row["item_id"] == item_id), "")


def _tools_between(tools: Sequence[Row], from_ms: int, to_ms: int) -> list[str]:
    return [
        str(row["name"])
        for row in tools
        if row["called_ms"] is not None and from_ms <= row["called_ms"] <= to_ms
    ]
