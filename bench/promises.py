"""What holds of every call's tape and record, whatever happened in it."""

from typing import Any, Final

import msgspec

from bridge.store.records import Records
from bridge.tapes.reader import Tape
from bridge.tapes.tape import MODEL, OPENAI, Line, decode
from replay.tapes.player import retold

WAYS: Final = ("hang_up", "transfer_call", "send_digits", "collect_digits", "take_message")
MOST_AWAY_MS: Final = 150_000
"""The longest step off the stream of the calls that benches make, but for a queue."""

MOST_QUEUED_MS: Final = 3_700_000


def faults_of(tape: Tape, lines: list[Line], rows: Records) -> list[str]:
    """Return what is wrong with a call; nothing is."""
    spoken = agents_words(lines)
    until_ms = min(model_until_ms(lines), rows.call["duration_ms"])
    checks = {
        "not exactly one end": sum(line.end is not None for line in lines) == 1,
        "time goes back": [line.t_ms for line in lines] == sorted(line.t_ms for line in lines),
        "longer than allowed": rows.call["duration_ms"] <= longest_ms(tape),
        "heard, sent, generated": all(
            0 <= r["heard_ms"] <= r["sent_ms"] <= r["generated_ms"] for r in rows.items
        ),
        "an item settled twice": len({(r["item_id"], r["content_index"]) for r in rows.items})
        == len(rows.items),
        "a tool without an answer": all(is_answered(row, rows, until_ms) for row in rows.tool_calls),
        "a late result is lost": all(is_told_or_not(row, rows) for row in rows.tool_calls if row["is_late"]),
        "what runs once ran twice": len(runs := runs_once(tape, lines)) == len(set(runs)),
        "said is not what was said": all(row["said"] in spoken for row in agents(rows)),
        "heard and unheard": all(is_split(row) for row in rows.transcript),
        "an item twice in the transcript": len({r["item_id"] for r in rows.transcript})
        == len(rows.transcript),
        "a replay says something else": list(retold(tape)) == tape.lines,
    }
    return [name for name, holds in checks.items() if not holds]


def longest_ms(tape: Tape) -> int:
    """Return what a call may last: its own bound, and what a step off the stream may add."""
    agent = tape.header.agent_settings()
    kinds = [line.leave["kind"] for line in map(decode, tape.lines) if line.leave is not None]
    away_ms = sum(MOST_QUEUED_MS if kind == "queue" else MOST_AWAY_MS for kind in kinds)
    return agent.limits.max_call_seconds * 1000 + away_ms


def agents(rows: Records) -> list[dict[str, Any]]:
    return [row for row in rows.transcript if row["role"] == "agent"]


def model_until_ms(lines: list[Line]) -> int:
    """Return when the model was last there to be told anything."""
    until_ms = 0
    for line in lines:
        if line.leg == MODEL and line.close is None and line.session_opens is None:
            until_ms = line.t_ms
    return until_ms


def is_answered(row: dict[str, Any], rows: Records, until_ms: int) -> bool:
    """Say whether a called tool was answered, cancelled, ended when no model was there, or is a way off the line."""
    is_way = row["name"] in WAYS  # it is answered only where the caller stays, or comes back
    ran = next((one for one in rows.tool_calls if one["tool_call_id"] == row["joined"]), row)
    is_late = row["called_ms"] is None or max(row["called_ms"], ran["answered_ms"] or 0) >= until_ms
    return (
        is_way or is_late or row["is_late"] or row["sent_ms"] is not None or row["error_kind"] == "cancelled"
    )


def is_told_or_not(row: dict[str, Any], rows: Records) -> bool:
    """Say whether a late result was delivered, or recorded as undelivered, and not both."""
    told = [one["name"] for one in rows.milestones if one["data"].get("call_id") == row["tool_call_id"]]
    return told.count("tool_delivered") + told.count("tool_undelivered") == 1


def runs_once(tape: Tape, lines: list[Line]) -> list[tuple[str, str]]:
    """Return which tools that run once were run, with which arguments."""
    once = {name for name, rule in tape.header.tool_rules.items() if rule.once}
    runs = (line.run for line in lines if line.run is not None)
    return [(run["name"], run["arguments"]) for run in runs if run["name"] in once]


def is_split(row: dict[str, Any]) -> bool:
    joined = " ".join(part for part in (row["heard"].strip(), row["unheard"]) if part)
    return bool(joined.split() == row["said"].split())


def agents_words(lines: list[Line]) -> set[str]:
    """Return the words of every item of the agent's, put together from the deltas on the tape."""
    items: dict[str, str] = {}
    for line in lines:
        if (
            line.leg == MODEL
            and line.sender == OPENAI
            and line.msg
            and b"audio_transcript.delta" in bytes(line.msg)
        ):
            message = msgspec.json.decode(line.msg)
            items[message["item_id"]] = items.get(message["item_id"], "") + message["delta"]
    return {*items.values(), ""}
