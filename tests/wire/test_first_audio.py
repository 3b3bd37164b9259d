"""The greeting is made while the phone rings, waits for the stream, and then comes whole and in order."""

import pytest

from bench.fair_clock import FairClock
from bench.stage import PROMPT, MakePlace, open_stage, words
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.model.script import Script
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent, WaitForQuiet

pytestmark = pytest.mark.real_time("measures how fast the bridge is")

GREETING = words("caller_yes")


async def test_a_greeting_made_before_the_stream_is_held_and_then_played_in_order(
    fair_clock: FairClock, place: MakePlace
) -> None:
    setup = place(script=Script(opening=(GREETING,), delivery=PROMPT))
    caller = Caller(steps=(WaitForAgent(), WaitForQuiet(300), HangUp()), answer_delay_ms=400)
    async with open_stage(setup) as stage:
        report = await stage.ring(caller)
    rows = setup.store.query("select name, t_ms from milestones order by t_ms, position")
    names = [row["name"] for row in rows]
    expected = ["first_audio_generated", "stream_started", "first_audio_sent", "first_audio_heard"]
    assert [name for name in names if name in expected] == expected
    assert report.heard.strip(b"\xff") == GREETING.audio.strip(b"\xff")
    assert report.gaps_ms == []


async def test_nothing_is_sent_before_the_start(fair_clock: FairClock, place: MakePlace) -> None:
    setup = place(script=Script(opening=(GREETING,), delivery=PROMPT))
    caller = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0, start_delay_ms=400)
    async with open_stage(setup) as stage:
        report = await stage.ring(caller)
    (path,) = setup.tapes
    lines = [decode(raw) for raw in read_tape(path).lines]
    started = next(n for n, line in enumerate(lines) if b'"event":"start"' in bytes(line.msg or b""))
    assert all(line.audio is None for line in lines[:started])
    assert report.warnings == []
