"""Deterministic replay: a tape's inputs through today's parsers and heart, at the recorded milliseconds, with no event
loop and no clock; what the bridge says is compared with what it said, byte for byte.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from bridge.call import Call
from bridge.effects import Effect
from bridge.events import ClockRang
from bridge.recorder import Tape, read_tape
from bridge.tape import NOTE, Line, carry_out, decode, encode, event_of

LATE_MS: Final = 1000
"""An alarm that the tape has no ring for is rung by us when it is this late: the settings or the code changed it."""


@frozen
class Difference:
    """The first place where today's bridge says something else."""

    place: int
    t_ms: int
    was: bytes | None
    now: bytes | None


@frozen
class Result:
    """What came of replaying one tape."""

    path: Path
    call_id: str
    decisions: int
    duration_ms: int
    difference: Difference | None
    recorded: list[bytes]
    replayed: list[bytes]


def replay_tape(path: Path) -> Result:
    """Replay a tape and compare every decision. Raises `TapeError`."""
    tape = read_tape(path)
    recorded = [raw for raw in tape.lines if _is_decision(raw)]
    replayed = list(decisions(tape))
    difference = _first_difference(recorded, replayed)
    last = decode(tape.lines[-1]).t_ms if tape.lines else 0
    return Result(path, tape.header.call_id, len(recorded), last, difference, recorded, replayed)


def decisions(tape: Tape) -> Iterator[bytes]:
    """Yield the lines that today's bridge would put on this tape."""
    call = Call(tape.header.agent_settings(), tape.header.tools)
    yield from _lines(call.begin(), 0)
    for line in map(decode, tape.lines):
        if not line.is_input or call.is_over:
            continue
        yield from _missed_alarms(call, line)
        event = event_of(line)
        if event is not None:
            yield from _lines(call.handle(event, line.t_ms), line.t_ms)


def _missed_alarms(call: Call, upcoming: Line) -> Iterator[bytes]:
    """Ring for deadlines that nobody rang for, long before the next input."""
    while not upcoming.rang and (deadline := call.deadline) is not None:
        if deadline + LATE_MS > upcoming.t_ms:
            return
        yield from _lines(call.handle(ClockRang(), deadline), deadline)


def _lines(effects: list[Effect], t_ms: int) -> Iterator[bytes]:
    for effect in effects:
        yield encode(carry_out(t_ms, effect)[0])


def _is_decision(raw: bytes) -> bool:
    if b'"from":"bridge"' not in raw[:80]:
        return False
    line = decode(raw)
    is_shed = line.leg == NOTE and line.note is not None and line.note.get("kind") == "shed"
    return line.is_decision and not is_shed


def _first_difference(recorded: list[bytes], replayed: list[bytes]) -> Difference | None:
    for place, (was, now) in enumerate(zip(recorded, replayed, strict=False)):
        if was != now:
            return Difference(place, decode(was).t_ms, was, now)
    if len(recorded) == len(replayed):
        return None
    place = min(len(recorded), len(replayed))
    longer = recorded if len(recorded) > len(replayed) else replayed
    extra = longer[place]
    t_ms = decode(extra).t_ms
    return (
        Difference(place, t_ms, extra, None) if longer is recorded else Difference(place, t_ms, None, extra)
    )
