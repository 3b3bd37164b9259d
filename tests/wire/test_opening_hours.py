"""Opening hours through the whole daemon: who answers outside them, and that an old webhook opens nothing then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from attrs import evolve

from bench.stage import AGENT, MakePlace, Place, Stage, open_stage
from bridge.agents import Agent
from bridge.settings.hours import Hours
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import HTTP, decode
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent
from replay.phone.twiml import Hangup, Say

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
SID = "CA" + "7" * 32


def closed(**more: Any) -> dict[str, Any]:
    """Return the hours of an agent that is closed now, even should the day end during the test."""
    today = datetime.now(UTC).date()
    return {"closed_days": [(today + timedelta(days=days)).isoformat() for days in (-1, 0, 1)], **more}


@pytest.fixture
def by_night(place: MakePlace) -> Place:
    """Return a place where the agent is closed and another one answers for it."""
    return place(agents=("night",), own={AGENT: {"hours": closed(agent="night")}})


async def test_outside_its_hours_another_agent_answers_and_the_record_says_why(by_night: Place) -> None:
    with trio.fail_after(60):
        async with open_stage(by_night) as stage:
            report = await stage.ring(QUICK, call_sid=SID)
            await stage.wait_no_calls()
    assert report.error is None
    (call,) = by_night.calls()
    assert (call["call_id"], call["agent"], call["asked_agent"]) == (SID, "night", AGENT)
    assert call["agent_why"].startswith(f"{AGENT} is closed on ")
    tape = read_tape(by_night.tapes[0])
    assert (tape.header.agent, tape.header.asked_agent) == ("night", AGENT)
    webhook = next(line for line in map(decode, tape.lines) if line.leg == HTTP)
    assert webhook.http is not None
    assert webhook.http["url"].endswith(f"/voice/{AGENT}")  # it is what Twilio signed


@pytest.mark.real_time("workers are processes")
async def test_several_workers_answer_by_the_same_hours(place: MakePlace) -> None:
    own = {AGENT: {"hours": closed(agent="night")}, "night": {"greeting": "Good night from {agent}."}}
    setup = place(agents=("night",), own=own, server={"workers": 2})
    with trio.fail_after(90):
        async with open_stage(setup) as stage:
            for _ in range(2):
                report = await stage.ring(QUICK)
                assert report.error is None
            await stage.wait_recorded()
    assert [(call["agent"], call["asked_agent"]) for call in setup.calls()] == [("night", AGENT)] * 2
    assert {read_tape(path).header.agent_settings().greeting for path in setup.tapes} == {
        "Good night from night."
    }


@pytest.mark.real_time("workers are processes")
async def test_with_several_workers_too_nobody_answers_where_all_are_closed(place: MakePlace) -> None:
    plan = {"closed": ["say:We are closed.", "hang_up"]}
    setup = place(own={AGENT: {"hours": closed(), "failure": plan}}, server={"workers": 2})
    with trio.fail_after(90):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
    assert report.next_verbs == [Say("We are closed.", "en-US"), Hangup()]
    assert setup.tapes == []


async def test_a_webhook_that_comes_twice_is_one_call_of_the_other_agent(by_night: Place) -> None:
    with trio.fail_after(60):
        async with open_stage(by_night) as stage:
            await stage.ring(evolve(QUICK, webhook_twice=True), call_sid=SID)
            await stage.wait_no_calls()
    assert [call["agent"] for call in by_night.calls()] == ["night"]


def open_again(stage: Stage, **agents: Agent) -> None:
    """Let it be another hour."""
    current = stage.daemon.current
    settings = current.setup.settings
    own = evolve(settings.agents[AGENT], hours=Hours())
    current.setup = evolve(
        current.setup, settings=evolve(settings, agents={**settings.agents, AGENT: own, **agents})
    )


async def test_a_recorded_webhook_opens_nothing_when_the_hour_has_changed(by_night: Place) -> None:
    with trio.fail_after(60):
        async with open_stage(by_night) as stage:
            await stage.ring(QUICK, call_sid=SID)
            await stage.wait_no_calls()
            open_again(stage)
            replayed = await stage.ring(QUICK, call_sid=SID)
    assert replayed.next_verbs == [Hangup()]
    assert len(by_night.calls()) == len(by_night.tapes) == 1


async def test_after_a_restart_neither(by_night: Place, place: MakePlace) -> None:
    with trio.fail_after(60):
        async with open_stage(by_night) as stage:
            await stage.ring(QUICK, call_sid=SID)
        day = place(own={AGENT: {}})  # an agent night there is no more
        async with open_stage(day) as stage:
            replayed = await stage.ring(QUICK, call_sid=SID)
    assert replayed.frames_sent == 0
    assert len(day.calls()) == len(day.tapes) == 1


async def test_where_nobody_answers_the_caller_gets_the_plan_for_that(place: MakePlace) -> None:
    plan = {"closed": ["say:We are closed.", "hang_up"], "steps": ["say:Out of order.", "hang_up"]}
    setup = place(own={AGENT: {"hours": closed(), "failure": plan}})
    with trio.fail_after(60):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
    assert report.next_verbs == [Say("We are closed.", "en-US"), Hangup()]


async def test_where_nobody_answers_the_caller_hears_a_sentence_and_no_call_begins(place: MakePlace) -> None:
    setup = place(own={AGENT: {"hours": closed()}})
    with trio.fail_after(60):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
            assert stage.daemon.switchboard.refused["closed"] == 1
    assert report.next_verbs == [Say(Agent().failure_sentence.text, "en-US"), Hangup()]
    assert setup.tapes == []
