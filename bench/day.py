"""A day in seconds: calls with random faults on either leg, in the simulation; what holds of each of them.

    uv run python -m bench.day [--calls 1000] [--seed N]        so many calls, from this seed
    uv run python -m bench.day --minutes 10                     with a new seed, until the time is over
    uv run python -m bench.day --call SEED                      one call, whose tape is written here

Sockets that drop and come back or go silent, networks that lose and hold back, marks late or lost, sessions that
are lost, grow old, refuse, fail, stop or say nothing, tools that are slow, stuck or broken, callers who are put through
or left waiting, webhooks that come again, soon or late, and whatever Twilio asks twice or never. It prints what broke a
promise, with the seed that makes the call again, and how often each kind of thing came about. Exit code 1 when anything
broke one.
"""

import argparse
import gzip
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from time import monotonic, perf_counter
from traceback import extract_tb
from typing import Final

from attrs import define, field, frozen

from bench import day_webhooks, excursions
from bench.day_calls import BOUND_MS, RECONNECT_MS, TURN_SECONDS, drawn_call
from bench.day_webhooks import drawn_deliveries
from bench.promises import faults_of
from bridge.heart.audio import FRAME_BYTES, is_audible
from bridge.heart.keys import PAUSE_MS
from bridge.store.records import Records, records_of
from bridge.tapes.header import encode_header
from bridge.tapes.reader import Tape
from bridge.tapes.tape import PHONE, Line, decode
from replay.phone.script import GoSilent, Press, StopReading
from replay.simulation.simulate import Simulation
from replay.tapes.wav import sound_of

CALLS: Final = 1000
FRAME_MS: Final = 20
BURST_FRAMES: Final = 5
"""Less sound than this is a click and no answer."""

SLACK_MS: Final = 1000
"""What runs beside the bounds: networks here hold things back for half a second, a caller takes breath, a click."""

TURN_MS: Final = 1000
"""What passes after a caller's words until they are a turn: half a second, and what is left of a word."""

MOST_SECONDS: Final = 60
"""Of the processor: a call that takes longer goes round in circles."""

OWED, QUIET = "owed", "quiet"
MOST_SHOWN: Final = 20

# ---------------------------------------------------------------- how long anybody waited


@frozen
class Waits:
    """The longest time on the stream in which nobody was heard, behind the agent's words and behind all else."""

    owed_ms: int
    quiet_ms: int


def longest_waits(tape: Tape, lines: list[Line]) -> Waits:
    """Return how long nobody was heard on the stream: behind the caller's words or a start, and behind the agent's."""
    sound, absences = sound_of(tape), list(absences_of(lines))
    longest = {OWED: 0, QUIET: 0}
    silent, burst, which = 0, 0, OWED
    for at in range(0, len(sound.agent), FRAME_BYTES):
        t_ms = sound.begins_ms + at // 8
        is_away = any(begin <= t_ms < end for begin, end in absences)
        is_agents = is_audible(sound.agent[at : at + FRAME_BYTES])
        is_callers = is_audible(sound.caller[at : at + FRAME_BYTES])
        burst = burst + 1 if is_agents or is_callers else 0
        if is_away or burst >= BURST_FRAMES:
            silent, which = 0, OWED if is_callers and not is_away else QUIET
        else:
            silent += FRAME_MS
        longest[which] = max(longest[which], silent)
    return Waits(longest[OWED], longest[QUIET])


def absences_of(lines: list[Line]) -> Iterator[tuple[int, int]]:
    """Yield from when to when the caller was off the stream: their socket was lost, or they were sent elsewhere."""
    since: int | None = None
    for line in lines:
        if since is not None and (excursions.starts(line) or line.end is not None):
            yield since, line.t_ms
            since = None
        if line.end is not None:
            return
        if since is None and (line.leave is not None or (line.leg == PHONE and line.close is not None)):
            since = line.t_ms


def bounds_of(simulation: Simulation) -> Waits:
    """Return how long a silence may be: a turn (with keys perhaps), the asking, another session; or a quiet caller."""
    limits, steps = simulation.agent.limits, simulation.caller.steps
    is_endless = simulation.script.faults.silence in ("no_stop", "no_commit")
    turn_ms = TURN_SECONDS * 1000 if is_endless else TURN_MS
    keys_ms = 2 * PAUSE_MS if any(isinstance(step, Press) for step in steps) else 0
    again_ms = RECONNECT_MS if limits.reconnects else 0
    owed_ms = turn_ms + keys_ms + again_ms + 2 * BOUND_MS + SLACK_MS
    return Waits(owed_ms, max(owed_ms, limits.quiet_seconds * 1000 + 2 * BOUND_MS + SLACK_MS))


def is_deaf(simulation: Simulation) -> bool:
    """Say whether the telephone stops to send or to read: what is heard then is not the bridge's to say."""
    return any(isinstance(step, GoSilent | StopReading) for step in simulation.caller.steps)


# ---------------------------------------------------------------- what holds of every call


@frozen
class Judged:
    """A call, and which promises it broke."""

    tape: Tape
    rows: Records
    faults: list[str]
    waits: Waits
    bounds: Waits


def judged(seed: int) -> Judged:
    """Make the call of a seed."""
    simulation = drawn_call(seed)
    tape = simulation.run()
    lines = [decode(raw) for raw in tape.lines]
    rows = records_of(tape.header, lines)
    deliveries, ended_ms = drawn_deliveries(seed), simulation.ended_ms
    of_webhooks = day_webhooks.faults_of(tape.header, simulation.agent, deliveries, ended_ms)
    faults = dict.fromkeys([*faults_of(tape, lines, rows), *excursions.faults_of(tape), *of_webhooks])
    waits = Waits(0, 0) if is_deaf(simulation) else longest_waits(tape, lines)
    bounds = bounds_of(simulation)
    if waits.owed_ms > bounds.owed_ms or waits.quiet_ms > bounds.quiet_ms:
        faults[f"silence: {waits}, where there may be {bounds}"] = None
    return Judged(tape, rows, list(faults), waits, bounds)


@define
class Day:
    """All calls so far."""

    calls: int = 0
    spoken_ms: int = 0
    kinds: Counter[str] = field(factory=Counter)
    longest: Counter[str] = field(factory=Counter)
    """The longest silence of each kind, by its bound."""
    broken: dict[int, list[str]] = field(factory=dict)

    def make(self, seed: int) -> None:
        """Make the call of a seed; one that crashes has broken every promise."""
        self.calls += 1
        try:
            call = judged(seed)
        except Exception as error:  # a bug is what is looked for
            place = extract_tb(error.__traceback__)[-1]
            self.broken[seed] = [f"crashed: {error!r}, {place.filename}:{place.lineno}"]
            return
        self.spoken_ms += call.rows.call["duration_ms"]
        for kind, ms, bound_ms in (
            ("somebody waited", call.waits.owed_ms, call.bounds.owed_ms),
            ("a caller was quiet", call.waits.quiet_ms, call.bounds.quiet_ms),
        ):
            key = f"longest silence while {kind}, of {bound_ms} ms"
            self.longest[key] = max(self.longest[key], ms)
        self.kinds.update(kinds_of(call.tape, call.rows) | drawn_deliveries(seed).kinds)
        if call.faults:
            self.broken[seed] = call.faults


def kinds_of(tape: Tape, rows: Records) -> set[str]:
    """Return what came about in a call."""
    lines = [decode(raw) for raw in tape.lines]
    came: dict[str, object] = {
        "interruption": rows.call["interruptions"],
        "tool": rows.tool_calls,
        "tool failed": any(row["error_kind"] for row in rows.tool_calls),
        "nudged": any("dead air" in name for name in rows.call["counts"]),
        "failed response": any("response failed" in name for name in rows.call["counts"]),
        "incomplete response": any("response incomplete" in name for name in rows.call["counts"]),
        "failure sentence": rows.call["next_step"] == "say",
    }
    closes = [at for at, line in enumerate(lines) if line.leg == PHONE and line.close is not None]
    lost = [at for at in closes if lines[at].close == {"code": 1006, "reason": ""}]
    came["stream lost"] = bool(lost)
    came["stream came back"] = bool(lost) and any(line.back is not None for line in lines[lost[0] :])
    milestones = {row["name"] for row in rows.milestones} & {
        "model_lost", "session_left", "session_followed", "goodbye_asked", "still_there_asked",
    }  # fmt: skip
    return excursions.kinds_of(tape) | milestones | {name for name, what in came.items() if what}


# ---------------------------------------------------------------- the command


def seeds_of(first: int, calls: int, minutes: float) -> Iterator[int]:
    """Yield seeds until so many were made, or until the time is over."""
    until = monotonic() + minutes * 60
    seed = first
    while monotonic() < until if minutes else seed < first + calls:
        yield seed
        seed += 1


def make_in_time(day: Day, seed: int) -> None:
    """Make the call of a seed, and break it off if it does not end."""

    def break_off(*_: object) -> None:
        raise TimeoutError(f"not made in {MOST_SECONDS} s")

    signal.signal(signal.SIGVTALRM, break_off)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        day.make(seed)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def show(day: Day, seconds: float, first: int) -> None:
    """Print what came of it."""
    hours = day.spoken_ms / 3_600_000
    print(f"{day.calls} calls from seed {first}: {hours:.1f} hours on the line in {seconds:.0f} s")
    for kind, count in sorted(day.kinds.items(), key=lambda one: -one[1]):
        print(f"  {kind}: {count}")
    for what, silence_ms in sorted(day.longest.items()):
        print(f"  {what}: {silence_ms} ms")
    for seed, faults in list(day.broken.items())[:MOST_SHOWN]:
        print(f"BROKEN --call {seed}: {'; '.join(faults)}")
    print(f"{len(day.broken)} of {day.calls} calls broke a promise")


def write_one(seed: int) -> int:
    """Make one call, write its tape here, and say what it broke."""
    call = judged(seed)
    path = Path(f"day-{seed}.jsonl.gz")
    path.write_bytes(gzip.compress(encode_header(call.tape.header) + b"".join(call.tape.lines)))
    print(f"{path}: {'; '.join(call.faults) or 'nothing is broken'}")
    return 1 if call.faults else 0


def main(arguments: list[str]) -> int:
    """Make the calls that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--call", type=int)
    asked = parser.parse_args(arguments)
    if asked.call is not None:
        return write_one(asked.call)
    anew = SystemRandom().randrange(1, 10**9) if asked.minutes else 0
    first, began, day = asked.seed if asked.seed is not None else anew, perf_counter(), Day()
    print(f"from seed {first}", flush=True)
    for seed in seeds_of(first, asked.calls, asked.minutes):
        make_in_time(day, seed)
    show(day, perf_counter() - began, first)
    return 1 if day.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
