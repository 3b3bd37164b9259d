"""The failure plan between both stand-ins: what callers hear, step by step, whatever took the model away."""

from typing import Any

import pytest
import trio
from attrs import evolve

from bench.stage import PROMPT, MakePlace, Place, open_stage, speech, words
from replay.model.script import Faults, Script
from replay.phone.exchange.town import FarEnd, Town
from replay.phone.report import CallReport
from replay.phone.script import Caller, HangUp, Say, Wait, WaitForQuiet
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape

OWNER, COOK = "+15550100188", "+15550100189"
PLACES = {"owner": {"number": OWNER, "ring_seconds": 5}, "cook": {"number": COOK, "ring_seconds": 5}}
MODEL = Script(
    opening=(words("caller_yes"),),
    turns=((words("agent_pardon"),),) * 3,
    fallback=(words("agent_pardon"),),
    delivery=PROMPT,
)
ASKS = Caller(
    steps=(WaitForQuiet(300), speech("caller_table"), Wait(60_000)), patience_ms=60_000, answer_delay_ms=0
)
WORST_MS = 5000
"""From a failure to the first sound."""


async def rung(setup: Place, town: Town, caller: Caller) -> CallReport:
    """Let one call be made, and the daemon write it down."""
    with trio.fail_after(300):
        async with open_stage(setup) as stage:
            report = await stage.ring(caller, town=town)
            await stage.wait_recorded()
    return report


def said_by_twilio(report: CallReport) -> list[str]:
    return [one.text for one in report.words if one.by == "twilio"]


# ---------------------------------------------------------------- causes

FAULTS = {
    "unreachable": (Faults(door=("reset",) * 100), {"model_ready_ms": 1500}),
    "refused": (Faults(refuse="http_401"), {}),
    "quota": (Faults(fail_responses=100, try_again_in="60s"), {}),
    "silent": (Faults(silence="no_response", silent_from=1), {"answer_timeout_ms": 1000}),
    "crashed": (Faults(drop_after_ms=2500), {}),
}
CAUSES = {cause: [f"say:It is {cause}.", "hang_up"] for cause in FAULTS}


@pytest.mark.parametrize("cause", FAULTS)
async def test_the_caller_hears_what_is_written_for_the_cause(place: MakePlace, cause: str) -> None:
    faults, limits = FAULTS[cause]
    setup = place(script=evolve(MODEL, faults=faults), agent={"failure": CAUSES}, limits=limits)
    report = await rung(setup, Town(), ASKS)
    assert said_by_twilio(report) == [f"It is {cause}."]
    (row,) = setup.calls()
    assert row["ended_by"] == "model"
    (heard,) = report.words
    assert heard.at_ms + (report.line_began_ms or 0) - row["duration_ms"] <= WORST_MS
    assert all(replay_tape(tape).difference is None for tape in setup.tapes)


# ---------------------------------------------------------------- steps

STEPS = [
    "say:I'll try somebody.",
    "dial:owner",
    "dial:cook",
    "queue:waiting",
    "voicemail",
    "say:Nobody is there.",
]
AGENT: dict[str, Any] = {"transfer": PLACES, "voicemail": {"say": "Speak now."}, "failure": {"steps": STEPS}}
LOST = evolve(MODEL, faults=Faults(refuse="http_401"))
BUSY, AWAY, FULL = FarEnd(result="busy"), FarEnd(result="no_answer"), FarEnd(result="full")
TALKS = FarEnd(Caller(steps=(Wait(400), Say(murmur(800), "Owner speaking."), Wait(1000), HangUp())))
SILENT = Caller(steps=(Wait(120_000),), patience_ms=1, answer_delay_ms=0)
TONE = (WaitForQuiet(700), WaitForQuiet(700), Wait(300))
"""Words, ringing and music, words again, and the tone."""

SPEAKS = Caller(steps=(*TONE, Say(murmur(1500), "Call me back."), Wait(60_000)), answer_delay_ms=0)


def outcomes(setup: Place) -> list[tuple[str, str]]:
    rows = setup.store.query("select step, outcome from legs where part = 'excursion' order by number")
    return [(row["step"], row["outcome"]) for row in rows]


async def test_steps_are_taken_until_somebody_answers(place: MakePlace) -> None:
    setup = place(script=LOST, agent=AGENT)
    report = await rung(setup, Town({OWNER: BUSY, COOK: TALKS}), SILENT)
    assert outcomes(setup) == [("dial", "busy"), ("dial", "completed")]
    assert said_by_twilio(report) == ["I'll try somebody."]
    (row,) = setup.calls()
    assert row["why"].endswith("; transferred to cook")


async def test_a_plan_that_reaches_nobody_takes_a_message(place: MakePlace) -> None:
    setup = place(script=LOST, agent=AGENT)
    report = await rung(setup, Town({OWNER: BUSY, COOK: AWAY, "queue:waiting": FULL}), SPEAKS)
    assert outcomes(setup) == [
        ("dial", "busy"),
        ("dial", "no_answer"),
        ("queue", "full"),
        ("voicemail", "recorded"),
    ]
    assert [one.status for one in report.recordings] == ["completed"]
    (row,) = setup.calls()
    assert row["why"].endswith("; a message was left")


async def test_a_message_of_silence_is_none_and_the_plan_goes_on(place: MakePlace) -> None:
    setup = place(script=LOST, agent=AGENT | {"failure": {"steps": ["voicemail", "say:Nobody is there."]}})
    report = await rung(setup, Town(), SILENT)
    assert outcomes(setup) == [("voicemail", "empty")]
    assert said_by_twilio(report) == ["Speak now.", "Nobody is there."]


async def test_whoever_is_turned_away_walks_the_same_steps_without_a_call(place: MakePlace) -> None:
    setup = place(agent={**AGENT, "failure": {"full": STEPS}})
    with trio.fail_after(300):
        async with open_stage(setup) as stage:
            stage.daemon.switchboard.is_closing = True
            town = Town({OWNER: BUSY, COOK: TALKS})
            report = await stage.ring(SILENT, town=town)
    assert (report.error, report.warnings, setup.tapes) == (None, [], [])
    assert [(dial.numbers, dial.status) for dial in report.dials] == [
        ((OWNER,), "busy"),
        ((COOK,), "completed"),
    ]
    assert [one.text for one in report.words if one.by == COOK] == ["Owner speaking."]
