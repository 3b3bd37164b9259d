"""What a caller hears when a session, or the phone's own socket, is lost in their call: how long is the silence?

    uv run python -m bench.gaps                            30 calls of each kind: about five minutes
    uv run python -m bench.gaps --calls 8 --distance 100   a look at it, with a server 100 ms away

Real sockets: the daemon between both stand-ins. A connection is cut in each phase of a call. The silence is measured on
the caller's line, frame by frame, and beside it that of the same call in which nothing is lost. Exit code 1 when one in
twenty callers of a kind waited longer than 1.5 s, or did not hear the agent again.
"""

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path
from statistics import median, quantiles
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import click
import structlog
import trio
from attrs import define, evolve, field, frozen

from bench.distance import a_distance
from bench.stage import Place, Stage, open_stage
from bridge.heart.audio import FRAME_BYTES, is_audible
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, Line
from bridge.tools import tool
from replay.model.script import CallTool, Delivery, Script
from replay.model.script import Say as Words
from replay.phone.ring import CallReport
from replay.phone.script import (
    Caller,
    HangUp,
    InterruptAfter,
    LoseStream,
    Say,
    Step,
    WaitForAgent,
    WaitForQuiet,
    WaitForReturn,
)
from replay.sound.formats import murmur

MOST_MS: Final = 1500
AT_ONCE: Final = 5
"""Calls at a time: more of them would measure this machine."""

APART_SECONDS: Final = 0.3
"""So that no two of them lose something in one moment, which would measure this machine too."""

FRAME_MS: Final = 20
PAUSE_FRAMES: Final = 8
"""A shorter silence is within a voice."""

TURN_ENDS_MS: Final = 200
"""What turn detection waits before it takes a turn for over: it is in the silence before every answer."""

WORDS: Final = Words(murmur(1500), "It is half past nine, and we are open until eleven.")
LONG: Final = Words(
    murmur(4000), "We are open from nine in the morning until eleven. On Sundays we are closed."
)
QUESTION: Final = Say(murmur(900), "When are you open?")
ASKS: Final[tuple[Step, ...]] = (WaitForQuiet(300), QUESTION, WaitForAgent(), WaitForQuiet(2500), HangUp())


@tool
async def look_up() -> str:
    """Look it up."""
    await trio.sleep(0.5)
    return "a table is free"


# ---------------------------------------------------------------- what is lost, and when

Since: TypeAlias = Literal["then", "the caller's last sound", "the tool's answer"]


@frozen
class Kind:
    """A way to lose something: in which moment, and since when the caller waits for a sound."""

    name: str
    moment: str
    """What stands on the tape's line then; it is cut `after_ms` later."""
    after_ms: int = 0
    since: Since = "then"
    steps: tuple[Step, ...] = ASKS
    reply: Words | CallTool = WORDS
    speed: float = 8.0
    cuts_session: bool = True
    session_seconds: int = 0
    is_whole: bool = False
    """Nothing is lost: to compare with."""

    @property
    def without_loss(self) -> "Kind":
        """Return the same call in which nothing is lost."""
        steps = tuple(
            step for step in self.steps if not isinstance(step, LoseStream | WaitForReturn | InterruptAfter)
        )
        return evolve(self, is_whole=True, steps=steps, session_seconds=0)


ROLLS_OVER: Final[tuple[Step, ...]] = (WaitForQuiet(40), *ASKS[1:])
BREAKS: Final[tuple[Step, ...]] = (*ASKS[:2], InterruptAfter(900), LoseStream(), WaitForReturn(), *ASKS[2:])
COMMITTED: Final = '"type":"input_audio_buffer.committed"'
KINDS: Final = (
    Kind("the session, before its greeting", '"type":"response.create"', after_ms=100),
    Kind("the session, while the agent speaks", COMMITTED, after_ms=1200, reply=LONG, speed=1.0),
    Kind(
        "the session, while the caller speaks", '"type":"input_audio_buffer.speech_started"', after_ms=300,
        since="the caller's last sound",
    ),
    Kind("the session, while the caller waits", COMMITTED),
    Kind(
        "the session, while a tool runs", '"run":', after_ms=100, since="the tool's answer", reply=CallTool("look_up"),
    ),
    Kind(
        "nothing: it is followed as the caller begins", '"session_left"', since="the caller's last sound",
        steps=ROLLS_OVER, cuts_session=False, session_seconds=1,
    ),
    Kind("the phone's socket, while the agent speaks", '"stream_lost"', steps=BREAKS, reply=LONG, cuts_session=False),
)  # fmt: skip


@define(eq=False)
class Watch:
    """Looks at the tapes of a kind's calls as they are written, and cuts what is to be cut."""

    kind: Kind
    nursery: trio.Nursery
    stage: Stage | None = None
    sessions: dict[str, str] = field(factory=dict)
    """Of each call, the id of its first session."""
    lost_at: dict[str, float] = field(factory=dict)
    answered_at: dict[str, float] = field(factory=dict)

    def take(self, call_id: str, line: Line) -> None:
        """Take in a line of a tape."""
        text = _text(line)
        if line.sender == OPENAI and call_id not in self.sessions and '"type":"session.created"' in text:
            self.sessions[call_id] = str(line.message["session"]["id"])
        if line.tool is not None:
            self.answered_at.setdefault(call_id, trio.current_time())
        if self.kind.moment in text and call_id not in self.lost_at:
            self.lost_at[call_id] = trio.current_time() + self.kind.after_ms / 1000
            self.nursery.start_soon(self._cut, call_id)

    async def _cut(self, call_id: str) -> None:
        await trio.sleep_until(self.lost_at[call_id])
        if self.kind.is_whole or not self.kind.cuts_session or self.stage is None:
            return
        wanted = self.sessions[call_id]
        for session in self.stage.model.sessions:
            if session.settings["id"] == wanted:
                await self.stage.model.cut_off(session)


def _text(line: Line) -> str:
    """Return what of a line says what it is; of sound nobody asks."""
    if line.msg and line.leg == MODEL:
        return bytes(line.msg)[:300].decode("utf-8", "replace")
    if line.run is not None:
        return '"run":'
    return f'"{line.note.get("name")}"' if line.note is not None and line.sender == BRIDGE else ""


# ---------------------------------------------------------------- what is heard


def sounds(audio: bytes) -> Iterator[tuple[int, int]]:
    """Yield from when to when there was a voice, in ms of the line."""
    frames = [is_audible(audio[at : at + FRAME_BYTES]) for at in range(0, len(audio), FRAME_BYTES)]
    begin, end, at = -1, -1, 0
    for is_sound, run in groupby(frames):
        length = len(list(run))
        if is_sound and begin >= 0 and at - end < PAUSE_FRAMES:
            end = at + length
        elif is_sound:
            if begin >= 0:
                yield begin * FRAME_MS, end * FRAME_MS
            begin, end = at, at + length
        at += length
    if begin >= 0:
        yield begin * FRAME_MS, end * FRAME_MS


def silence_ms(kind: Kind, watch: Watch, report: CallReport) -> int | None:
    """Return how long this caller waited for a sound; None if none came any more, or nothing was lost at all."""
    began = report.line_time(0)
    agent, caller = list(sounds(bytes(report.line.heard))), list(sounds(bytes(report.line.said)))
    at = watch.lost_at.get(report.call_sid)
    if kind.since == "the caller's last sound":
        since = caller[0][1] if caller else None
    else:
        at = watch.answered_at.get(report.call_sid) if kind.since == "the tool's answer" else at
        since = None if at is None else max(0, round((at - began) * 1000))
    if since is None or (at is None and not kind.is_whole):
        return None
    until = next((end for begin, end in agent if begin <= since < end), since)
    return next((begin - until for begin, _ in agent if begin >= until), None)


# ---------------------------------------------------------------- calls


@frozen
class Heard:
    """How long the callers of a kind waited, and how many heard nothing more."""

    silences: tuple[int, ...]
    lost: int

    @property
    def p50(self) -> int:
        """Return what half of them waited at most."""
        return round(median(self.silences)) if self.silences else 0

    @property
    def p95(self) -> int:
        """Return what nineteen in twenty waited at most."""
        return round(quantiles(self.silences, n=20)[-1]) if len(self.silences) > 1 else self.p50


async def heard(kind: Kind, calls: int, distance_ms: int) -> Heard:
    """Make so many calls of a kind."""
    script = Script(
        opening=(WORDS,), turns=((kind.reply,),), answers=((WORDS,),), fallback=(WORDS,),
        delivery=Delivery(speed=kind.speed),
    )  # fmt: skip
    found: list[int | None] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nursery = await stack.enter_async_context(trio.open_nursery())
        watch, way = Watch(kind, nursery), await stack.enter_async_context(a_distance(distance_ms))
        place = Place(
            folder, script, tools={"look_up": look_up}, watch=watch.take,
            limits={"session_seconds": kind.session_seconds},
            agent={"turn_detection": {"silence_duration_ms": TURN_ENDS_MS}},
            model_url=f"ws://127.0.0.1:{way.port}/v1/realtime",
        )  # fmt: skip
        watch.stage = stage = await stack.enter_async_context(open_stage(place))
        way.target = urlsplit(stage.model.url).port or 0
        await stage.ring(Caller(steps=(WaitForAgent(), HangUp())))
        await stage.wait_recorded()  # the first call also loads modules, and DuckDB beside it
        limiter = trio.CapacityLimiter(AT_ONCE)

        async def call(number: int) -> None:
            async with limiter:
                await trio.sleep(number % AT_ONCE * APART_SECONDS)
                report = await stage.ring(Caller(steps=kind.steps, answer_delay_ms=0))
            found.append(silence_ms(kind, watch, report))

        async with trio.open_nursery() as callers:
            for number in range(calls):
                callers.start_soon(call, number)
        nursery.cancel_scope.cancel(reason="all calls are over")
    silences = tuple(sorted(one for one in found if one is not None))
    return Heard(silences, calls - len(silences))


def row_of(kind: Kind, lost: Heard, whole: Heard) -> str:
    """Return a kind's row of the table."""
    longest = lost.silences[-1] if lost.silences else 0
    usual = f"{whole.p50} | {whole.p95}" if whole.silences else "none | none"
    return f"| {kind.name} | {kind.since} | {len(lost.silences)} | {lost.p50} | {lost.p95} | {longest} | {usual} |"


@click.command()
@click.option("--calls", default=30, show_default=True, help="Calls of each kind.")
@click.option(
    "--distance", default=0, show_default=True, help="How far the model's server is, in ms there and back."
)
def main(calls: int, distance: int) -> None:
    """Measure all kinds, and print a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(
        "| what is lost | silence since | calls | p50 ms | p95 ms | longest ms | with nothing lost: p50 | p95 |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    faults = []
    for kind in KINDS:
        lost = trio.run(heard, kind, calls, distance)
        whole = trio.run(heard, kind.without_loss, min(calls, 8), distance)
        print(row_of(kind, lost, whole), flush=True)
        faults += [f"{kind.name}: {lost.lost} heard nothing more"] if lost.lost else []
        faults += [f"{kind.name}: p95 is {lost.p95} ms"] if lost.p95 > MOST_MS else []
    print(*faults, sep="\n", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
