"""What one message costs between its socket and the disk: parsed, on the tape, encoded; and a line in a replay.

    uv run python -m bench.line_cost                            microseconds each, here
    uv run python -m bench.line_cost --than ../bridge-before    and in another checkout, in turns

Every round is a process of its own, and the checkouts take turns, so whatever else the machine does is done to both.
CPU time; the best of what each process measured, the median of the rounds.
"""

import json
import os
import random
import subprocess
import sys
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final

import click

TIMES: Final = 4000
TRIES: Final = 5
FLUSH_LINES: Final = 15
"""What waits when a tape is flushed, of a call that only listens: frames and appends of 150 ms."""

HERE: Final = Path(__file__).resolve().parent.parent
Step = Callable[[], object]


def messages() -> dict[str, str]:
    """Return the messages that a call has many of, as their peers write them."""
    dice = random.Random(7)
    frame, tenth = dice.randbytes(160), dice.randbytes(1920)
    return {
        "frame": _text(
            event="media", sequenceNumber="704", streamSid="MZ" + "0" * 32,
            media={"track": "inbound", "chunk": "702", "timestamp": "14060", "payload": _base64(frame)},
        ),
        "mark": _text(event="mark", sequenceNumber="9", streamSid="MZ" + "0" * 32, mark={"name": "m17"}),
        "delta of 20 ms": _delta(frame),
        "delta of 240 ms": _delta(tenth),
        "words": _text(type="response.output_audio_transcript.delta", **PART, delta=" noon"),
    }  # fmt: skip


PART: Final = {"event_id": "event_" + "A" * 21, "response_id": "resp_" + "A" * 21, "item_id": "item_" + "A" * 21,
               "output_index": 0, "content_index": 0}  # fmt: skip


def _delta(audio: bytes) -> str:
    return _text(type="response.output_audio.delta", **PART, delta=_base64(audio))


def _base64(audio: bytes) -> str:
    return b2a_base64(audio, newline=False).decode("ascii")


def _text(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"))


# ---------------------------------------------------------------- what is measured


def steps() -> dict[str, Step]:
    """Return what is measured, by its name: all that was there before this bench was."""
    from bridge.agents import Agent
    from bridge.heart.effects import AppendAudio, PlayAudio, SendMark
    from bridge.tapes import tape
    from bridge.tapes.header import Header, settings_of
    from bridge.tapes.tape_writer import TapeWriter
    from bridge.wire import realtime, twilio

    header = Header(call_id="CA1", call_sid="CA1", account_sid="AC1", agent="a",
                    started_at="2026-11-27T00:00:00+00:00", settings=settings_of(Agent()))  # fmt: skip
    writer = TapeWriter(Path("none.jsonl"), header)
    said = messages()
    audio = bytes(160)
    effects = {
        "append": AppendAudio(702, 702, audio),
        "piece of 100 ms": PlayAudio("MZ" + "0" * 32, "item_" + "A" * 21, 0, 4800, bytes(800)),
        "mark": SendMark("MZ" + "0" * 32, "m17"),
    }

    def heard(text: str, *, is_phone: bool) -> Step:
        parse = twilio.parse if is_phone else realtime.parse
        event = parse(text)
        leg: tape.Leg
        leg, peer = (tape.PHONE, tape.TWILIO) if is_phone else (tape.MODEL, tape.OPENAI)
        return lambda: writer.append(tape.received(14_000, leg, peer, text, event), event)

    measured: dict[str, Step] = {}
    for name, text in said.items():
        parse = twilio.parse if "event" in json.loads(text) else realtime.parse
        measured[f"parse a {name}"] = lambda parse=parse, text=text: parse(text)  # type: ignore[misc]
        measured[f"tape a {name}"] = heard(text, is_phone=parse is twilio.parse)
    for name, effect in effects.items():
        measured[f"tape and encode our {name}"] = lambda effect=effect: _carry_out(tape, writer, effect)  # type: ignore[misc]
    return {name: _flushed(step, writer) if "tape" in name else step for name, step in measured.items()}


def _carry_out(tape: Any, writer: Any, effect: Any) -> str:
    line, message = tape.carry_out(14_000, effect)
    writer.append(line)
    return str(message)


def _flushed(step: Step, writer: Any) -> Step:
    """Return a step with its share of a flush."""

    def some() -> None:
        for _ in range(FLUSH_LINES):
            step()
        writer.take()

    some.times = FLUSH_LINES  # type: ignore[attr-defined]
    return some


def microseconds(step: Step) -> float:
    """Return what one of these takes."""
    at_once = getattr(step, "times", 1)
    best = float("inf")
    for _ in range(TRIES):
        began = process_time()
        for _ in range(TIMES // at_once):
            step()
        best = min(best, (process_time() - began) / (TIMES // at_once) / at_once)
    return best * 1e6


def replay_microseconds() -> float:
    """Return what one line of a tape takes in a replay, the file's unpacking included."""
    from tempfile import TemporaryDirectory

    from bench.replay_speed import measure, rehearse
    from replay.tapes.rewrite import write_tape

    with TemporaryDirectory() as folder:
        path = Path(folder) / "call.jsonl.gz"
        write_tape(path, rehearse(7, 60_000))
        done = [measure(path) for _ in range(TRIES)]
    return min(one.took_s / one.lines for one in done) * 1e6


# ---------------------------------------------------------------- the command


def measured_in(checkout: Path) -> dict[str, float]:
    """Return what everything costs in a checkout, in microseconds."""
    command = [sys.executable, str(Path(__file__).resolve()), "--here"]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, cwd=checkout, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def table(rounds: Mapping[Path, list[dict[str, float]]]) -> str:
    """Return the figures of each checkout, and of the pairs' ratios."""
    first = next(iter(rounds.values()))[0]
    lines = [
        "| µs of CPU | " + " | ".join(["before", "after", "ratio"][-len(rounds) - (len(rounds) > 1) :]) + " |"
    ]
    lines.append("|---|" + "---:|" * (len(rounds) + (len(rounds) > 1)))
    for name in first:
        figures = [[one[name] for one in some] for some in rounds.values()]
        cells = [f"{median(some):.2f}" for some in figures]
        if len(figures) > 1:
            cells.append(f"{median(after / before for before, after in zip(*figures, strict=True)):.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command()
@click.option("--than", type=click.Path(path_type=Path), help="Another checkout to compare with.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--here", is_flag=True, hidden=True)
def main(than: Path | None, rounds: int, here: bool) -> None:
    """Print what each message costs."""
    if here:
        found = {name: microseconds(step) for name, step in steps().items()}
        print(json.dumps(found | {"a line in a replay": replay_microseconds()}))
        return
    checkouts = [HERE] if than is None else [than.resolve(), HERE]
    done: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    for _ in range(rounds):
        for checkout in checkouts:
            done[checkout].append(measured_in(checkout))
    print(table(done))


if __name__ == "__main__":
    main()
