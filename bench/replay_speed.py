"""How fast calls are replayed, on one core: 100 calls of about three minutes, unpacked, parsed, and compared.

    uv run python bench/replay_speed.py

The calls are rehearsed, not recorded: both peers follow a plan, the heart is the real one. Their density of frames,
deltas, marks, transcripts and barge-ins is that of a call of the daemon's with the stand-ins.
"""

import platform
import random
import sys
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

from attrs import frozen

from bridge.agents import Agent
from bridge.heart.audio import SILENCE, bytes_of
from bridge.tapes.header import Header, encode_header, settings_of
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.simulation.rehearsal import Rehearsal
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape
from replay.tapes.rewrite import write_tape

CALLS: Final = 100
CALL_MS: Final = 180_000
REPORT: Final = Path(__file__).with_suffix(".md")
WORDS: Final = (
    "we",
    "are",
    "open",
    "from",
    "noon",
    "until",
    "ten",
    "on",
    "every",
    "day",
    "except",
    "for",
    "Monday",
)
GOAL: Final = 2500


@frozen
class Measured:
    """One tape: how long its call was and how long replaying it took."""

    call_ms: int
    took_s: float
    lines: int
    bytes: int


def rehearse(seed: int, length_ms: int = CALL_MS) -> list[bytes]:
    """Return the tape of a conversation: turns of 1 to 4 s, answers of 3 to 12 s, one in four of them cut off."""
    dice = random.Random(seed)
    rehearsal = Rehearsal(_header(seed), line_ms=35)
    rehearsal.opens()
    now, speech = 407, bytearray(SILENCE * bytes_of(length_ms))
    now = _answer(rehearsal, dice, "item_agent_0", now)
    number = 0
    while now < length_ms - 25_000:
        number += 1
        spoken = dice.randrange(1000, 4000, 20)
        speech[bytes_of(now - 100) : bytes_of(now - 100 + spoken)] = murmur(spoken)
        committed = now + spoken + 500
        rehearsal.caller_turn(f"item_caller_{number}", now, committed, _words(dice, spoken))
        now = _answer(rehearsal, dice, f"item_agent_{number}", committed + 300)
    rehearsal.streams(100, bytes(speech), rehearsal.header.call_sid, rehearsal.header.account_sid)
    return [encode_header(rehearsal.header), *rehearsal.run()]


def _answer(rehearsal: Rehearsal, dice: random.Random, name: str, now: int) -> int:
    """Let the agent answer; return when the caller speaks next: after it, or into it."""
    ms = dice.randrange(3000, 12_000, 20)
    done = rehearsal.agent_turn(name, now, murmur(ms), _words(dice, ms))
    return done + 200 if dice.random() < 0.25 else now + ms + 800


def _words(dice: random.Random, ms: int) -> str:
    return " ".join(dice.choices(WORDS, k=max(1, ms // 380)))


def _header(seed: int) -> Header:
    return Header(
        call_id=f"CA{seed:032x}", call_sid=f"CA{seed:032x}", account_sid="AC0", agent="bench",
        started_at="2026-11-23T00:00:00+00:00", model="rehearsed", settings=settings_of(Agent()),
    )  # fmt: skip


def measure(path: Path) -> Measured:
    """Replay a tape from its file, as `replay run` does."""
    begun = process_time()
    result = replay_tape(path)
    took_s = process_time() - begun
    if result.difference is not None:
        raise SystemExit(f"{path} differs from itself: {result.difference}")
    return Measured(result.duration_ms, took_s, len(read_tape(path).lines), path.stat().st_size)


def report(measured: list[Measured]) -> str:
    """Return the table."""
    minutes3 = [one.took_s * 1000 * CALL_MS / one.call_ms for one in measured]
    total_s, took_s = sum(one.call_ms for one in measured) / 1000, sum(one.took_s for one in measured)
    lines = sum(one.lines for one in measured)
    rows = {
        "calls": f"{len(measured)}, {total_s / len(measured):.0f} s each on average",
        "lines a call": f"{lines // len(measured)}",
        "compressed size a call": f"{sum(one.bytes for one in measured) // len(measured) // 1024} KiB",
        "times real time, one core": f"{total_s / took_s:.0f} (goal: {GOAL})",
        "CPU ms for a call of 3 minutes, median": f"{median(minutes3):.0f}",
        "CPU ms for a call of 3 minutes, 95 % below": f"{quantiles(minutes3, n=20)[-1]:.0f}",
        "CPU µs a line": f"{took_s / lines * 1e6:.1f}",
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| | |\n|---|---|\n{table}\n"


def main(calls: int) -> None:
    """Rehearse the calls into files, replay each once, print the table and write it beside this file."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.jsonl.gz" for number in range(calls)]
        for number, path in enumerate(paths):
            write_tape(path, rehearse(number))
        ends = [decode(raw).end for raw in read_tape(paths[0]).lines[-20:]]
        print("the first call ended", next(end for end in ends if end))
        table = report([measure(path) for path in paths])
    print(table)
    about = "How fast calls are replayed, unpacking, parsing and comparing included: `bench/replay_speed.py`."
    REPORT.write_text(f"# Speed of a replay\n\n{about}\n\n{table}", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
