"""Deterministic replay: a tape's inputs through today's parsers and heart, at the recorded milliseconds, with no event
loop and no clock; what the bridge says is compared with what it said, byte for byte.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, evolve, field, frozen

from bridge.errors import TapeError
from bridge.heart.call import Call
from bridge.heart.effects import Effect
from bridge.heart.events import ClockRang
from bridge.tapes.header import Header
from bridge.tapes.line_reading import checked, heard, read_lines
from bridge.tapes.reader import Reading, Tape, end_among, read_tape
from bridge.tapes.tape import BRIDGE, HTTP, LATE_MS, NOTE, Line, decode, is_overdue, written
from replay.tapes.record_changes import TableChange, record_changes

Read: TypeAlias = Iterator[tuple[bytes, Any]]
"""Lines as `read_lines` yields them."""

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
    return _unchanged(path) or _looked_into(path, context)


def _looked_into(path: Path, context: int) -> Result:
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
    today = _Today.of(tape.header)
    told, following = today.begins(), read_lines([tape.lines])
    webhook, following = _webhook(following)
    yield webhook, told
    for raw, line in following:
        if told and raw == told[0]:
            told = told[1:]  # said then as now
        elif line.t_ms < today.last_ms:
            raise _OutOfOrderError
        elif line.sender == BRIDGE:
            if not _is_decision(raw):
                yield [raw], []
        else:
            yield [], today.missed_alarms(line)
            told = today.hears(line, raw)
            yield [raw], told


@define
class _Today:
    """Today's heart, that hears the inputs of a tape."""

    call: Call
    last_ms: int = 0

    @classmethod
    def of(cls, header: Header) -> "_Today":
        """Return the heart of a tape's call."""
        return cls(
            Call(header.agent_settings(), header.tools, header.is_outgoing, header.prices, header.tool_rules)
        )

    def begins(self) -> list[bytes]:
        """Return what today's heart says at first."""
        return _said(self.call.begin(), 0)

    def missed_alarms(self, line: Any) -> list[bytes]:
        """Ring for deadlines that nobody rang for, long before what comes now; no sooner is one overdue."""
        if line.t_ms - self.last_ms <= LATE_MS or line.rang:
            return []
        call, said = self.call, list[bytes]()
        while (deadline := call.deadline) is not None and is_overdue(deadline, line.t_ms):
            said += _said(call.handle(ClockRang(), deadline), deadline)
        return said

    def hears(self, line: Any, raw: bytes) -> list[bytes]:
        """Return what today's heart says to an input."""
        self.last_ms = now_ms = line.t_ms
        event = heard(line, raw)
        return _said(self.call.handle(event, now_ms), now_ms) if event is not None else []


def _webhook(lines: Read) -> tuple[list[bytes], Read]:
    """Return the line that was taped before the heart began, if there is one; and the others."""
    first = next(lines, None)
    if first is None:
        return [], lines
    raw, line = first
    return ([raw], lines) if line.leg == HTTP else ([], chain([first], lines))


def _is_decision(raw: bytes) -> bool:
    """Say whether the heart said this, of what the bridge said."""
    line = checked(raw)
    return line.is_decision and not is_shed_note(line)


def _said(effects: list[Effect], t_ms: int) -> list[bytes]:
    return [written(t_ms, effect) for effect in effects]


# ---------------------------------------------------------------- comparing


def _unchanged(path: Path) -> Result | None:
    """Return what came of a tape on which today's bridge says what it said, in one go through it.

    None for any other one: what is odd about it, or where it differs, is looked for with more care and time.
    """
    try:
        tape = Reading.of(path)
        count = _same_decisions(tape.header, read_lines(tape.blocks()))
    except TapeError:
        return None
    if count is None:
        return None
    duration_ms = _moment(tape.end or tape.last)
    return Result(path, tape.header.call_id, count, duration_ms, None, tape.is_torn)


def _moment(raw: bytes) -> int:
    return decode(raw).t_ms if raw else 0


def _same_decisions(header: Header, lines: Read) -> int | None:
    """Return how many decisions there are, each said today as it was; None if one was not."""
    today = _Today.of(header)
    _, lines = _webhook(lines)
    told, at, count = today.begins(), 0, 0
    for raw, line in lines:
        if at < len(told):
            if told[at] != raw:
                return None
            at += 1
        elif line.t_ms < today.last_ms:
            return None
        elif line.sender == BRIDGE:
            if _is_decision(raw):
                return None
        elif today.missed_alarms(line):
            return None
        else:
            count += at
            told, at = today.hears(line, raw), 0
    return count + at if at == len(told) else None


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
    """Return when the call's end was, or the last line of a call without one."""
    return _moment(end_among(tape.lines) or b"".join(tape.lines[-1:]))


def is_shed_note(line: Line) -> bool:
    """Say whether the recorder wrote this, about lines that it had to leave out."""
    return line.leg == NOTE and line.note is not None and line.note.get("kind") == "shed"


def shed_lines(tape: Tape) -> int:
    """Return how many lines the recorder had to leave out."""
    notes = (decode(raw) for raw in tape.lines if b'"kind":"shed"' in raw[:200])
    return max((line.note["lines"] for line in notes if line.note and is_shed_note(line)), default=0)
