"""Deterministic replay: a tape's inputs through today's parsers and heart, at the recorded milliseconds, with no event
loop and no clock; what the bridge says is compared with what it said, byte for byte.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen

from bridge.errors import TapeError
from bridge.heart.call import Call
from bridge.heart.effects import Effect
from bridge.heart.events import ClockRang
from bridge.tapes.line_reading import checked, heard_in
from bridge.tapes.reader import Tape, read_tape, read_unchecked
from bridge.tapes.tape import BRIDGE, HTTP, LATE_MS, NOTE, Line, decode, is_overdue, written
from replay.tapes.record_changes import TableChange, record_changes

CONTEXT: Final = 5
"""Lines kept before and after a difference, unless more are asked for."""


@frozen
class Difference:
    """The first place where today's bridge says something else: the tape's line number, counted from 0 after the
    header, what stood there (`was`) and what is said now (`now`), None for nothing; with the lines around it."""

    place: int
    t_ms: int
    was: bytes | None
    now: bytes | None
    before: list[bytes] = field(repr=False)
    recorded: list[bytes] = field(repr=False)
    replayed: list[bytes] = field(repr=False)


@frozen
class Result:
    """What came of replaying one tape; `decisions` counts those compared, `shed` the lines the recorder lost,
    `records` says what would be stored otherwise."""

    path: Path
    call_id: str
    decisions: int
    duration_ms: int
    difference: Difference | None
    is_torn: bool = False
    shed: int = 0
    records: tuple[TableChange, ...] = ()


def replay_tape(path: Path, *, context: int = CONTEXT) -> Result:
    """Replay a tape and compare every decision; `context` lines are kept around the first difference.

    Raises `TapeError` for what is no tape.
    """
    if (result := _unchanged(path)) is not None:
        return result
    tape = read_tape(path)
    try:
        return _compare(tape, context)
    except _OutOfOrderError:
        return _compare(in_time_order(tape), context)


class _OutOfOrderError(Exception):
    """A line stands before one that happened earlier: the recorder never writes that, an editor may."""


def in_time_order(tape: Tape) -> Tape:
    """Return the tape with its lines sorted by their milliseconds; those of one moment keep their order."""
    return evolve(tape, lines=sorted(tape.lines, key=lambda raw: decode(raw).t_ms))


def retold(tape: Tape) -> Iterator[bytes]:
    """Yield the tape as today's bridge would have recorded it, from the same inputs."""
    for raw, _ in _lines_today(in_time_order(tape)):
        yield raw


def decisions(tape: Tape) -> Iterator[bytes]:
    """Yield only the lines that today's bridge would put on this tape by its own decision."""
    return (raw for raw, is_decision in _lines_today(in_time_order(tape)) if is_decision)


# ---------------------------------------------------------------- retelling


def _lines_today(tape: Tape) -> Iterator[tuple[bytes, bool]]:
    """Yield every line with whether it is a decision of today's."""
    for kept, told in _retold(tape):
        yield from ((raw, False) for raw in kept)
        yield from ((raw, True) for raw in told)


def _retold(tape: Tape) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield the lines that are no decisions, with what today's heart decides after them; what the tape says of
    decisions is left out.
    """
    call = Call(tape.header.agent_settings(), tape.header.tools, tape.header.is_outgoing)
    webhook = [raw for raw in tape.lines[:1] if checked(raw).leg == HTTP]  # taped before the heart begins
    told, last_ms = _said(call.begin(), 0), 0
    yield webhook, told
    following = tape.lines[len(webhook) :]
    for raw, (line, event) in zip(following, heard_in(following), strict=True):
        if told and raw == told[0]:
            told = told[1:]  # said then as now
        elif line.t_ms < last_ms:
            raise _OutOfOrderError
        elif line.sender == BRIDGE:
            if not (line := decode(raw)).is_decision or is_shed_note(line):
                yield [raw], []
        else:
            if line.t_ms - last_ms > LATE_MS and not line.rang:
                yield [], list(_missed_alarms(call, line.t_ms))
            last_ms = line.t_ms
            told = _said(call.handle(event, last_ms), last_ms) if event is not None else []
            yield [raw], told


def _missed_alarms(call: Call, now_ms: int) -> Iterator[bytes]:
    """Ring for deadlines that nobody rang for, long before what comes now; no sooner is one overdue."""
    while (deadline := call.deadline) is not None and is_overdue(deadline, now_ms):
        yield from _said(call.handle(ClockRang(), deadline), deadline)


def _said(effects: list[Effect], t_ms: int) -> list[bytes]:
    return [written(t_ms, effect) for effect in effects]


# ---------------------------------------------------------------- comparing


def _unchanged(path: Path) -> Result | None:
    """Return what came of a tape on which today's bridge says what it said, in one go through it.

    None for any other one: what is odd about it, or where it differs, is looked for with more care and time.
    """
    try:
        tape = read_unchecked(path)
        count = _same_decisions(tape)
    except (TapeError, _OutOfOrderError):
        return None
    if count is None:
        return None
    return Result(path, tape.header.call_id, count, _duration(tape), None, tape.is_torn)


def _same_decisions(tape: Tape) -> int | None:
    """Return how many decisions there are, each said today as it was; None if one was not."""
    lines, place, count = tape.lines, 0, 0
    for kept, told in _retold(tape):
        for some in (kept, told):
            end = place + len(some)
            if lines[place:end] != some:
                return None
            place = end
        count += len(told)
    return count if place == len(lines) else None


def _compare(tape: Tape, context: int) -> Result:
    today, lines = _lines_today(tape), tape.lines
    place, count, first, most = 0, 0, None, len(lines)
    for said, is_decision in today:
        if place == most or lines[place] != said:
            first = said
            break
        place += 1
        count += is_decision
    difference = None
    if first is not None or place < most:
        following = [first] if first is not None else []
        following += (raw for raw, _ in islice(today, context))
        difference = _difference(tape, place, following, context)
        difference = None if _was_cut_off(tape, difference) else difference
    result = Result(tape.path, tape.header.call_id, count, _duration(tape), difference, tape.is_torn)
    return _with_details(result, tape) if difference else result


def _with_details(result: Result, tape: Tape) -> Result:
    """Add what only a tape that differs is asked: the same lines make the same records."""
    changes = record_changes(tape.header, tape.lines, retold(tape))
    return evolve(result, shed=shed_lines(tape), records=changes)


def _difference(tape: Tape, place: int, following: list[bytes], context: int) -> Difference:
    recorded = tape.lines[place : place + 1 + context]
    was, now = _decision(recorded), _decision(following)
    t_ms = decode(was or now or (recorded or following)[0]).t_ms
    before = tape.lines[max(0, place - context) : place]
    return Difference(place, t_ms, was, now, before, recorded, following)


def _decision(lines: list[bytes]) -> bytes | None:
    """Return the first of these lines if the heart said it: None means that it said nothing here."""
    return lines[0] if lines and decode(lines[0]).is_decision else None


def _was_cut_off(tape: Tape, difference: Difference) -> bool:
    """Say whether the tape only stops short, as one does whose daemon died: what it has is as it should be."""
    is_short = difference.place == len(tape.lines) and difference.t_ms == _duration(tape)
    return is_short and all(decode(raw).end is None for raw in tape.lines[-LAST_LINES:])


LAST_LINES: Final = 500
"""An `end` stands this near the end of every whole tape: only what the sockets and tools still said comes after it."""


def _duration(tape: Tape) -> int:
    return decode(tape.lines[-1]).t_ms if tape.lines else 0


def is_shed_note(line: Line) -> bool:
    """Say whether the recorder wrote this, about lines that it had to leave out."""
    return line.leg == NOTE and line.note is not None and line.note.get("kind") == "shed"


def shed_lines(tape: Tape) -> int:
    """Return how many lines the recorder had to leave out."""
    notes = (decode(raw) for raw in tape.lines if b'"kind":"shed"' in raw[:200])
    return max((line.note["lines"] for line in notes if line.note and is_shed_note(line)), default=0)
