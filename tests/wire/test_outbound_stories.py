"""People, machines and phones that screen, called by the bridge through the stand-in's REST API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from callees import until

from bench.stage import AGENT, PROMPT, MakePlace, Place, Stage, open_stage, words
from bridge.outbound.permission import Wish
from replay.model.script import Script
from replay.phone.exchange.town import Behaviour, FarEnd, Town
from replay.phone.rest import Rest, open_rest
from replay.phone.ring import Account
from replay.phone.script import Caller, HangUp, Press, Say, Step, Wait, WaitForAgent, WaitForQuiet
from replay.phone.step_words import BEEP
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape

CALLEE = "+493012345678"
ALLOWED = {"caller_id": Account().number, "allow": ["+49"], "hours": "", "calls_per_second": 30}
TALK = Script(opening=(words("caller_yes"),), fallback=(words("caller_no"),), delivery=PROMPT)
HELLO = Say(murmur(500), "Hello?")
GREETING = Say(murmur(2500), "You have reached Anna. Please leave a message.")
SCREENER = Say(murmur(2000), "Record your name and reason for calling.")


def callee(*steps: Step, behaviour: dict[str, Any] | None = None, **settings: Any) -> Town:
    """A town in which the number is answered so."""
    there = FarEnd(Caller(steps=steps, patience_ms=60_000), **{"answers_after_ms": 1000, **settings})
    return Town(
        {CALLEE: there},
        Behaviour(**{"calls_per_second": 30, "speech_ms_per_character": 20} | (behaviour or {})),
    )


@asynccontextmanager
async def calling(
    place: MakePlace, town: Town, machine: str = "hang_up", **policy: Any
) -> AsyncIterator[tuple[Stage, Rest, Place]]:
    """Run a daemon that makes its calls at the stand-in's REST API."""
    outgoing = {"machine": machine, "message": "Your table is booked.", "ring_seconds": 5, **policy}
    with trio.fail_after(300):
        async with open_rest(Account(), town=town) as rest:
            twilio = {"account_sid": Account().account_sid, "api_url": rest.url}
            setup: Place = place(script=TALK, outbound=ALLOWED, twilio=twilio, agent={"outbound": outgoing})
            async with open_stage(setup) as stage:
                rest.via = stage.via
                yield stage, rest, setup


async def called(
    place: MakePlace, town: Town, machine: str = "hang_up", **policy: Any
) -> tuple[dict[str, Any], Rest]:
    """Have one call made, and return its record when it is over; its tape replays without a difference."""
    async with calling(place, town, machine, **policy) as (stage, rest, setup):
        await stage.daemon.dialer.ask(Wish(AGENT, CALLEE))
        await until(lambda: not stage.daemon.dialer.live)
        await rest.wait_over()
        await stage.wait_recorded()
    (row,) = setup.calls()
    (tape,) = setup.tapes
    assert replay_tape(tape).difference is None
    assert [report.error for report in rest.reports] in ([None], [])
    return row, rest


async def test_a_person_answers_and_the_agent_speaks(place: MakePlace) -> None:
    town = callee(HELLO, WaitForAgent(), WaitForQuiet(300), HangUp())
    row, rest = await called(place, town)
    assert (row["outcome"], row["answered_by"], row["ended_by"]) == ("answered", "person", "caller")
    assert rest.reports[0].first_heard_ms is not None


@pytest.mark.parametrize(
    ("there", "outcome"),
    [({"result": "busy"}, "busy"), ({"result": "no_answer"}, "no_answer"), ({"result": "failed"}, "failed")],
)
async def test_nobody_answers(place: MakePlace, there: dict[str, Any], outcome: str) -> None:
    row, rest = await called(place, callee(**there))
    assert (row["outcome"], row["answered_by"]) == (outcome, None)
    assert rest.reports[0].stream_sids == []


@pytest.mark.parametrize("callbacks", ["shuffled", "missing", "twice"])
async def test_an_outcome_is_known_whatever_becomes_of_the_callbacks(
    place: MakePlace, callbacks: str
) -> None:
    town = callee(result="busy", behaviour={"callbacks": callbacks, "callback_seed": 5})
    row, _ = await called(place, town)
    assert row["outcome"] == "busy"


async def test_a_machine_has_a_message_after_its_beep(place: MakePlace) -> None:
    town = callee(
        GREETING, BEEP, Wait(20_000), HangUp(), answered_by="machine_end_beep", verdict_after_ms=3000
    )
    row, rest = await called(place, town, "message")
    assert (row["answered_by"], row["why"]) == ("machine", "left a message on an answering machine")
    (report,) = rest.reports
    beep_ms = report.said.index(BEEP.audio) // 8
    assert report.first_heard_ms is not None
    assert report.first_heard_ms > beep_ms


async def test_a_machine_is_hung_up_on(place: MakePlace) -> None:
    town = callee(GREETING, BEEP, Wait(60_000), answered_by="machine_start", verdict_after_ms=2500)
    row, rest = await called(place, town)
    assert row["answered_by"] == "machine"
    assert rest.reports[0].ended_by in ("bridge", "rest")


async def test_a_phone_that_screens_is_answered_by_a_person_in_the_end(place: MakePlace) -> None:
    town = callee(
        SCREENER, WaitForAgent(), WaitForQuiet(300), Wait(1500), HELLO, Press("1"), Wait(500), WaitForAgent(), HangUp(),
        answered_by="machine_end_silence", verdict_after_ms=2500,
    )  # fmt: skip
    row, _ = await called(place, town, "press_1")
    assert row["answered_by"] == "person"


async def test_a_call_whose_request_was_never_answered_is_found_and_made_once(place: MakePlace) -> None:
    town = callee(HELLO, WaitForAgent(), WaitForQuiet(300), HangUp(), behaviour={"lost_answers": 1})
    row, rest = await called(place, town)
    assert (row["outcome"], len(rest.reports)) == ("answered", 1)


async def test_a_busy_api_is_asked_again(place: MakePlace) -> None:
    town = callee(HELLO, WaitForAgent(), WaitForQuiet(300), HangUp(), behaviour={"refuse_calls": 2})
    row, rest = await called(place, town)
    assert (row["outcome"], len(rest.reports)) == ("answered", 1)
