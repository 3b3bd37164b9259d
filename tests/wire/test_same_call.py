"""One CallSid and several agents, and the last questions of a draining daemon."""

import gc

import pytest
import trio
from attrs import evolve

from bench.stage import AGENT, PUBLIC, MakePlace, Stage, open_stage
from bridge.agents import Agent
from bridge.tapes.tape import Line
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent, WaitForEnd
from replay.phone.twiml import Hangup

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
STAYS = Caller(steps=(WaitForAgent(), WaitForEnd()), answer_delay_ms=0)
SID = "CA" + "7" * 32


async def test_a_call_that_goes_on_to_another_agent_has_a_name_of_its_own_there(place: MakePlace) -> None:
    setup = place(agents=("second",))
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            for agent in (AGENT, "second", "second"):
                await stage.ring(QUICK, webhook=f"{PUBLIC}/voice/{agent}", call_sid=SID)
            await stage.wait_recorded()
    calls = [(row["call_id"], row["agent"], row["call_sid"]) for row in setup.calls()]
    assert calls == [(SID, AGENT, SID), (f"{SID}-second", "second", SID)]


async def test_two_agents_with_one_call_sid_at_once_are_both_recorded(place: MakePlace) -> None:
    setup = place(agents=("second",))
    with trio.fail_after(15):
        async with open_stage(setup) as stage, trio.open_nursery() as calls:
            for agent in (AGENT, "second"):
                calls.start_soon(ring, stage, agent)
    assert sorted(row["agent"] for row in setup.calls()) == sorted([AGENT, "second"])


async def ring(stage: Stage, agent: str) -> None:
    await stage.ring(QUICK, webhook=f"{PUBLIC}/voice/{agent}", call_sid=SID)


@pytest.mark.parametrize("moment", ["webhook_accepted", "stream_started", "first_audio_heard"])
async def test_a_draining_daemon_still_answers_what_comes_next(place: MakePlace, moment: str) -> None:
    reports, is_there = [], trio.Event()

    def watch(_: str, line: Line) -> None:
        if line.note is not None and line.note.get("name") == moment:
            is_there.set()

    async def ring_and_stay(stage: Stage) -> None:
        reports.append(await stage.ring(evolve(STAYS, patience_ms=8000)))

    with trio.fail_after(15):
        async with trio.open_nursery() as calls, open_stage(place(watch=watch)) as stage:
            calls.start_soon(ring_and_stay, stage)
            await is_there.wait()
    assert [type(verb) for verb in reports[0].next_verbs] == [Hangup]
    assert reports[0].error is None


async def test_nothing_that_an_agent_was_told_for_one_call_is_kept_when_it_is_over(place: MakePlace) -> None:
    """How it ended is remembered, ten thousand times at most; the instructions that were filled in for it are not."""
    setup = place(agent={"instructions": "You talk to {caller} at {time}."})
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            await stage.ring(QUICK)
            await stage.wait_recorded()
            told = [one.settings["instructions"] for one in stage.model.sessions]
            gc.collect()
            kept = [one.instructions for one in gc.get_objects() if isinstance(one, Agent)]
    assert told
    assert any("{caller}" in text for text in kept)
    assert not [text for text in kept if text.startswith("You talk to ") and "{caller}" not in text]
