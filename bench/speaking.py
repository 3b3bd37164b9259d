"""What speaking rules cost and win, from the caller's side of the line: the time from speech to silence, and how long
the agent stops for what was no interruption.

    python bench/speaking.py --calls 8
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import structlog
import trio
from attrs import frozen
from rich.console import Console
from rich.table import Table

from bench.stage import Place, Stage, open_stage, speech, words
from bridge.heart.audio import FRAME_BYTES, is_audible, ms_of
from bridge.heart.speaking.voice_meter import is_voiced
from replay.model.script import Script
from replay.phone.report import CallReport
from replay.phone.script import Caller, HangUp, InterruptAfter, Say, Wait
from replay.sound.formats import murmur

RULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "none": {},
    "min_speech_ms = 300": {"min_speech_ms": 300},
    "min_speech_ms = 500": {"min_speech_ms": 500},
    "min_speech_ms = 700": {"min_speech_ms": 700},
    "backchannels, resume_after_ms = 1500": {"backchannels": True, "resume_after_ms": 1500},
    "all: 500, 2 words, backchannels, 1500": {
        "min_speech_ms": 500, "min_words": 2, "backchannels": True, "resume_after_ms": 1500,
    },
}  # fmt: skip


AT_ONCE: Final = 6


@frozen
class Said:
    """What a caller says into the agent's words, and what is written down of it."""

    name: str
    sound: Say
    written: str


SAID: Final = (
    Said("a sentence", speech("caller_party"), "Hello. I'd like to plan a wedding party for eighty people."),
    Said('"Wait, stop."', speech("caller_stop"), "Wait, stop."),
    Said('"Yes."', speech("caller_yes"), "Yes."),
    Said("a noise", Say(murmur(300), ""), ""),
)


@frozen
class Heard:
    """What came of it: ms from the first sound to silence, None where the agent went on; how long it then was silent
    before it went on with the same words, None where it did not."""

    silent_after_ms: int | None
    paused_ms: int | None


def heard_in(report: CallReport, story: bytes) -> Heard:
    """Return what the caller heard."""
    line = report.line
    frames = range(0, len(line.said), FRAME_BYTES)
    began_ms = ms_of(next(at for at in frames if is_voiced(bytes(line.said[at : at + FRAME_BYTES]))))
    if not line.clears:
        return Heard(None, None)
    cut_ms = line.clears[0].at_ms
    after = range(cut_ms * 8 // FRAME_BYTES * FRAME_BYTES + FRAME_BYTES, len(line.heard), FRAME_BYTES)
    again = next((at for at in after if is_audible(bytes(line.heard[at : at + FRAME_BYTES]))), None)
    goes_on = again is not None and bytes(line.heard[again + 1600 : again + 4800]) in story
    return Heard(cut_ms - began_ms, ms_of(again) - cut_ms if goes_on and again is not None else None)


async def ring_one(stage: Stage, said: Said, number: int, into: list[Heard]) -> None:
    """Make one call; each interrupts a little later than the one before."""
    steps = (InterruptAfter(1500 + number * 170), said.sound, Wait(4000), HangUp())
    report = await stage.ring(Caller(steps=steps, answer_delay_ms=0, patience_ms=60_000))
    into.append(heard_in(report, words("agent_story").audio))


async def measure(rules: Mapping[str, Any], said: Said, calls: int, folder: Path) -> list[Heard]:
    """Make so many calls, some at once."""
    script = Script(
        opening=(words("agent_story"),), fallback=(words("agent_pardon"),), heard=(said.written,) * 3
    )
    found: list[Heard] = []
    async with open_stage(Place(folder, script=script, agent={"speaking": dict(rules)})) as stage:
        for first in range(0, calls, AT_ONCE):
            async with trio.open_nursery() as nursery:
                for number in range(first, min(first + AT_ONCE, calls)):
                    nursery.start_soon(ring_one, stage, said, number, found)
        await stage.wait_no_calls()
    return found


def told(found: Sequence[Heard]) -> str:
    """Return what came of one kind of speech in words."""
    silent = sorted(one.silent_after_ms for one in found if one.silent_after_ms is not None)
    if not silent:
        return "goes on"
    pauses = [one.paused_ms for one in found if one.paused_ms is not None]
    p95 = silent[min(len(silent) - 1, round(len(silent) * 0.95))]
    text = f"{round(median(silent))} / {p95}"
    text += f", goes on after {round(median(pauses))}" if pauses else ""
    return text if len(silent) == len(found) else f"{text} ({len(silent)} of {len(found)})"


@click.command()
@click.option("--calls", default=8, show_default=True, help="Of each kind.")
def main(calls: int) -> None:
    """Measure the time from speech to silence, with rules and without."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    table = Table("rules", *(said.name for said in SAID), title="speech to silence (ms, p50 / p95)")
    for name, rules in RULES.items():
        cells = []
        for said in SAID:
            with tempfile.TemporaryDirectory() as folder:
                cells.append(told(trio.run(measure, rules, said, calls, Path(folder))))
        table.add_row(name, *cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
