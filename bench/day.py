"""A day in seconds: calls with random faults on either leg, in the simulation; what holds of each of them.

    uv run python -m bench.day [--calls 1000] [--seed N]        so many calls, from this seed
    uv run python -m bench.day --minutes 10                     with a new seed, until the time is over
    uv run python -m bench.day --call SEED                      one call, whose tape is written here

Sockets that drop and come back or go silent, networks that lose and hold back, marks late or lost, sessions that
are lost, grow old, refuse, fail, stop or say nothing, tools that are slow, stuck or broken, callers who are put through
or left waiting, and whatever Twilio asks twice or never. It prints what broke a promise, with the seed that makes the
call again, and how often each kind of thing came about. Exit code 1 when anything broke one.
"""

import argparse
import gzip
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from time import monotonic, perf_counter
from typing import Final

from attrs import define, field

from bench import excursions
from bench.day_calls import BOUND_MS, RECONNECT_MS, TURN_SECONDS, drawn_call
from bench.promises import faults_of
from bridge.heart.audio import FRAME_BYTES, is_audible
from bridge.store.records import Records, records_of
from bridge.tapes.header import encode_header
from bridge.tapes.reader import Tape
from bridge.tapes.tape import PHONE, Line, decode
from replay.phone.script import GoSilent, StopReading
from replay.simulation.simulate import Simulation
from replay.tapes.wav import sound_of

CALLS: Final = 1000
FRAME_MS: Final = 20
BURST_FRAMES: Final = 5
"""Less sound than this is a click and no answer."""

SLACK_MS: Final = 1000
"""What runs beside the bounds: networks here hold things back for half a second, a caller takes breath, a click."""

MOST_SHOWN: Final = 20

# ---------------------------------------------------------------- how long anybody waited


def longest_silence_ms(tape: Tape, lines: list[Line]) -> int:
    """Return the longest time on the stream in which neither the agent nor the caller was heard."""
    sound, absences = sound_of(tape), list(absences_of(lines))
    longest = silent = burst = 0
    for at in range(0, len(sound.agent), FRAME_BYTES):
        t_ms = sound.begins_ms + at // 8
        is_away = any(begin <= t_ms < end for begin, end in absences)
        is_sound = is_audible(sound.agent[at : at + FRAME_BYTES]) or is_audible(
            sound.caller[at : at + FRAME_BYTES]
        )
        burst = burst + 1 if is_sound else 0
        silent = 0 if is_away or burst >= BURST_FRAMES else silent + FRAME_MS
        longest = max(longest, silent)
    return longest


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


def most_ms(simulation: Simulation) -> int:
    """Return how long a silence may be: a turn that nobody ends or a quiet caller, the asking, another session."""
    limits = simulation.agent.limits
    is_endless = simulation.script.faults.silence in ("no_stop", "no_commit")
    turn_ms = TURN_SECONDS * 1000 if is_endless else 1000
    waited_ms = turn_ms + (RECONNECT_MS if limits.reconnects else 0)
    return max(waited_ms, limits.quiet_seconds * 1000) + 2 * BOUND_MS + SLACK_MS


def is_deaf(simulation: Simulation) -> bool:
    """Say whether the telephone stops to send or to read: what is heard then is not the bridge's to say."""
    return any(isinstance(step, GoSilent | StopReading) for step in simulation.caller.steps)


# ---------------------------------------------------------------- what holds of every call


def judged(seed: int) -> tuple[Tape, Records, list[str]]:
    """Make the call of a seed; return which promises it broke."""
    simulation = drawn_call(seed)
    tape = simulation.run()
    lines = [decode(raw) for raw in tape.lines]
    rows = records_of(tape.header, lines)
    faults = dict.fromkeys([*faults_of(tape, lines, rows), *excursions.faults_of(tape)])
    silence_ms, bound_ms = longest_silence_ms(tape, lines), most_ms(simulation)
    if silence_ms > bound_ms and not is_deaf(simulation):
        faults[f"{silence_ms} ms of silence, where {bound_ms} may be"] = None
    return tape, rows, list(faults)


@define
class Day:
    """All calls so far."""

    calls: int = 0
    spoken_ms: int = 0
    kinds: Counter[str] = field(factory=Counter)
    broken: dict[int, list[str]] = field(factory=dict)

    def make(self, seed: int) -> None:
        """Make the call of a seed; one that crashes has broken every promise."""
        self.calls += 1
        try:
            tape, rows, faults = judged(seed)
        except Exception as error:  # a bug is what is looked for
            self.broken[seed] = [f"crashed: {error!r}"]
            return
        self.spoken_ms += rows.call["duration_ms"]
        self.kinds.update(kinds_of(tape, rows))
        if faults:
            self.broken[seed] = faults


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


def show(day: Day, seconds: float, first: int) -> None:
    """Print what came of it."""
    hours = day.spoken_ms / 3_600_000
    print(f"{day.calls} calls from seed {first}: {hours:.1f} hours on the line in {seconds:.0f} s")
    for kind, count in sorted(day.kinds.items(), key=lambda one: -one[1]):
        print(f"  {kind}: {count}")
    for seed, faults in list(day.broken.items())[:MOST_SHOWN]:
        print(f"BROKEN --call {seed}: {'; '.join(faults)}")
    print(f"{len(day.broken)} of {day.calls} calls broke a promise")


def write_one(seed: int) -> int:
    """Make one call, write its tape here, and say what it broke."""
    tape, _, faults = judged(seed)
    path = Path(f"day-{seed}.jsonl.gz")
    path.write_bytes(gzip.compress(encode_header(tape.header) + b"".join(tape.lines)))
    print(f"{path}: {'; '.join(faults) or 'nothing is broken'}")
    return 1 if faults else 0


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
    for seed in seeds_of(first, asked.calls, asked.minutes):
        day.make(seed)
    show(day, perf_counter() - began, first)
    return 1 if day.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
