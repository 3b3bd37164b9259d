"""What lists and pages of calls are made of, read from the tapes themselves. Pure but for reading them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import define

from bridge.objects.names import name_of
from bridge.tapes.lines import Ending
from bridge.tapes.lock import is_live
from bridge.tapes.reader import Tape, end_among, read_tape
from bridge.tapes.tape import decode
from replay.tapes.record_changes import records

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TURN_COLUMNS: Final = (
    "speech_started_ms", "speech_stopped_ms", "committed_ms", "response_created_ms", "first_heard_ms",
    "response_ms", "latency_ms",
)  # fmt: skip
"""A turn has only those that happened; a page asks for all of them."""


CUT_OFF: Final = Ending(by="bridge", why="crashed")
GOES_ON: Final = Ending(by="", why="goes on")
"""Of a call that a daemon is recording at this moment."""


@define
class Entry:
    """One tape in a list of them; `length_ms` from the accepted webhook to the end, or until now.

    `caller` is the other party: of a call that the bridge made, who was called.
    """

    path: Path
    call_id: str
    agent: str
    caller: str
    started_at: str
    length_ms: int
    ended_by: str
    why: str
    is_torn: bool

    @property
    def started(self) -> datetime:
        """Return when the call began; a tape without a usable date began long ago."""
        try:
            moment = datetime.fromisoformat(self.started_at)
        except ValueError:
            return EPOCH
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def entry_of(path: Path) -> Entry:
    """Return a tape's entry without looking at more than its ends. Raises `TapeError`."""
    tape = read_tape(path)
    header = tape.header
    party = header.called if header.is_outgoing else header.caller
    length_ms, end = _end_of(tape)
    if end is None:
        end = GOES_ON if is_live(path) else CUT_OFF
    return Entry(
        path, header.call_id, header.agent, party, header.started_at, length_ms,
        end["by"], end["why"], tape.is_torn,
    )  # fmt: skip


def _end_of(tape: Tape) -> tuple[int, Ending | None]:
    """Return when and how the call ended, if it has; otherwise when its last line was."""
    raw = end_among(tape.lines) or b"".join(tape.lines[-1:])
    if not raw:
        return 0, None
    line = decode(raw)
    return line.t_ms, line.end


def page_of(tape: Tape) -> dict[str, Any]:
    """Return all records of a call by table, as `bridge show` has them. Raises `TapeError`."""
    found = records(tape.header, tape.lines, is_torn=tape.is_torn)
    turns = [dict.fromkeys(TURN_COLUMNS) | turn for turn in found.turns]
    call = {"call_id": tape.header.call_id, **found.call, "tape": name_of(tape.path)}
    return {
        "call": call, "transcript": found.transcript, "tool_calls": found.tool_calls,
        "milestones": found.milestones, "items": found.items, "turns": turns, "log": found.log,
        "legs": found.legs, "marks": found.marks,
    }  # fmt: skip


def spoken(tape: Tape) -> Iterator[tuple[int, str, str]]:
    """Yield (ms, who, text) in order of time: words said or heard, tools with arguments and answers, log lines."""
    found = records(tape.header, tape.lines, is_torn=tape.is_torn)
    lines = [(row["began_ms"] or 0, row["role"], row["said"]) for row in found.transcript]
    lines += [(row["called_ms"] or 0, "tool", _tool_text(row)) for row in found.tool_calls]
    lines += [(row["t_ms"], "log", row["text"]) for row in found.log]
    yield from sorted(lines, key=lambda line: line[0])


def _tool_text(row: dict[str, Any]) -> str:
    answer = row["output"] if row["output"] is not None else row["error_kind"]
    return f"{row['name']}({row['arguments_raw']}) -> {answer}"
