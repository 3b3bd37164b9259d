"""What a tape costs with sound and without: a call's lines taped, flushed, synced and compressed, again and again.

Both ways take turns in one process and are measured in its CPU time, so whatever else the machine does is done to both.
Exit 1 when `audio = false` costs more.

    uv run python -m bench.silence
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import click
import msgspec
import trio
from attrs import frozen
from rich.console import Console
from rich.table import Table

from bridge.agents import Agent
from bridge.heart.events import Event
from bridge.tapes.header import Header
from bridge.tapes.reader import Tape
from bridge.tapes.recorder import FLUSH_SECONDS, Recorder
from bridge.tapes.tape import Line, decode, event_of, received
from replay.demo.stories import caller_does, model_says
from replay.simulation.simulate import simulate

FLUSH_MS: Final = round(FLUSH_SECONDS * 1000)


@frozen
class Said:
    """A line of a call: a peer's message and what it was understood as, or whatever else is on its tape."""

    line: Line
    message: str = ""
    event: Event | None = None

    def line_again(self) -> Line:
        """Return the line, made anew of a message as in a call."""
        line = self.line
        return received(line.t_ms, line.leg, line.sender, self.message, self.event) if self.event else line


def said_in(tape: Tape) -> list[Said]:
    """Return what was said in a call."""
    return [_said(decode(raw)) for raw in tape.lines]


def _said(line: Line) -> Said:
    if not line.is_input or not isinstance(line.msg, msgspec.Raw):
        return Said(line)
    event = event_of(line)
    return Said(line) if event is None else Said(line, bytes(line.msg).decode(), event)


async def record(folder: Path, header: Header, said: list[Said]) -> None:
    """Tape a call."""
    recorder = Recorder(folder)
    tape, due = recorder.open_tape(header), FLUSH_MS
    await recorder.begin_new()
    for one in said:
        tape.append(one.line_again(), one.event)
        if one.line.t_ms >= due:
            await recorder.flush()
            due = one.line.t_ms + FLUSH_MS
    tape.is_finished = True
    await recorder.flush()
    await recorder.complete()


def cost(header: Header, said: list[Said], *, audio: bool) -> tuple[float, int]:
    """Return the milliseconds of CPU time that one call's tape takes, and its size."""
    header = msgspec.structs.replace(header, has_audio=audio)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        trio.run(record, Path(folder), header, said)
        took_ms = (time.process_time() - began) * 1000
        (path,) = Path(folder).rglob("*.jsonl.gz")
        return took_ms, path.stat().st_size


@click.command()
@click.option("--rounds", default=40, show_default=True)
def main(rounds: int) -> None:
    """Compare what a call's tape costs with and without its sound."""
    tape = simulate(caller_does(), model_says(), Agent(name="front-desk"))
    said = said_in(tape)
    seconds = said[-1].line.t_ms / 1000
    kept, silent = [], []
    for _ in range(rounds):
        kept.append(cost(tape.header, said, audio=True))
        silent.append(cost(tape.header, said, audio=False))
    table = Table(
        "", "sound kept", "audio = false", title=f"the tape of a call of {seconds:.0f} s, {rounds} times"
    )
    both = [median(ms for ms, _ in costs) for costs in (kept, silent)]
    table.add_row("CPU time, median", *(f"{ms:.1f} ms" for ms in both))
    table.add_row("size", *(f"{costs[0][1] / 1000:.0f} kB" for costs in (kept, silent)))
    change = median(less[0] / more[0] for more, less in zip(kept, silent, strict=True)) - 1
    table.add_row("of each pair, median", "", f"{change:+.1%}")
    Console().print(table)
    sys.exit(1 if change > 0 else 0)


if __name__ == "__main__":
    main()
