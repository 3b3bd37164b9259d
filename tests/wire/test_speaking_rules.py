"""Callers who speak while the agent does, by its speaking rules: each shown by `bridge show`, and heard on its tape."""

import itertools
from typing import Any, Final

import pytest
import trio
from attrs import frozen
from click.testing import CliRunner

from bench.speaking import heard_in
from bench.stage import PROMPT, MakePlace, open_stage, speech, words
from bridge.cli import main
from bridge.tapes.reader import read_tape
from replay.model.script import Script, Transcription
from replay.phone.report import CallReport
from replay.phone.script import Caller, HangUp, InterruptAfter, Say, Step, WaitForQuiet
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape
from replay.tapes.wav import sound_of

AGENT: Final = words("agent_table")
"""Four seconds, two sentences."""

NOISE: Final = Say(murmur(300), "")
ANSWER: Final = words("agent_pardon")


SOON: Final = Transcription()


@frozen
class Told:
    """What became of one call."""

    report: CallReport
    row: dict[str, Any]
    shown: str
    heard: bytes
    """The agent, as the tape has it for a WAV."""

    truncated: dict[str, int]


async def call(
    place: MakePlace, said: Say, written: str, *, transcription: Transcription = SOON, **speaking: Any
) -> Told:
    """One call whose caller says this a second and a half into what the agent says, and hears the rest."""
    script = Script(
        opening=(AGENT,),
        turns=(),
        fallback=(ANSWER,),
        heard=(written,),
        transcription=transcription,
        delivery=PROMPT,
    )
    setup = place(script=script, agent={"speaking": speaking})
    steps: tuple[Step, ...] = (InterruptAfter(1500), said, WaitForQuiet(2500), HangUp())
    with trio.fail_after(120):
        async with open_stage(setup) as stage:
            report = await stage.ring(Caller(steps=steps, answer_delay_ms=0, patience_ms=60_000))
            await stage.wait_recorded()
            (session,) = stage.model.sessions
    (row,), (tape,) = setup.calls(), setup.tapes
    assert (report.error, report.warnings) == (None, [])
    assert replay_tape(tape).difference is None
    shown = CliRunner().invoke(main, ["show", "last", "--data", str(setup.folder / "data")])
    assert shown.exit_code == 0
    return Told(report, row, shown.output, sound_of(read_tape(tape)).agent, session.truncations)


def gaps_in(heard: bytes, audio: bytes) -> int:
    """Return in how many pieces a sound was heard, none of it left out; 0 where something of it is missing."""
    place, pieces = 0, 0
    for pieces in itertools.count(1):
        size = longest_at(heard, audio, place)
        if place + size == len(audio):
            return pieces
        place = max(place + size - 8 * 3000, 0)  # it goes on in the word in which it was stopped
        place = next((at for at in range(place, place + 8 * 3000) if audio[at:] in heard), -1)
        if place < 0:
            return 0
    return pieces


def longest_at(heard: bytes, audio: bytes, place: int) -> int:
    """Return how many bytes of a sound, from a place on, were heard in one piece."""
    low, high = 0, len(audio) - place
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if audio[place : place + middle] in heard else (low, middle - 1)
    return low


async def test_after_a_false_interruption_the_agent_says_the_rest(place: MakePlace) -> None:
    told = await call(place, NOISE, "", resume_after_ms=1500)
    assert len(told.report.clears) == 1
    assert "the agent stops: perhaps the caller interrupts it" in told.shown
    assert "noise, not an interruption: the agent goes on after" in told.shown
    assert "[not heard:" not in told.shown
    assert gaps_in(told.heard, AGENT.audio) == 2
    assert (told.row["false_interruptions"], told.row["noises_ignored"], told.row["interruptions"]) == (
        1,
        1,
        0,
    )
    assert (told.truncated, told.row["responses"]) == ({}, 1)


async def test_a_backchannel_is_ignored(place: MakePlace) -> None:
    told = await call(place, speech("caller_yes"), "Yes.", min_speech_ms=700, backchannels=True)
    assert told.report.clears == []
    assert "a backchannel, not an interruption (" in told.shown
    assert gaps_in(told.heard, AGENT.audio) == 1
    assert (told.row["backchannels_ignored"], told.row["interruptions"], told.row["responses"]) == (1, 0, 1)


async def test_a_legal_notice_is_protected_and_the_caller_answered_behind_it(place: MakePlace) -> None:
    told = await call(place, speech("caller_stop"), "Wait, stop.", protected=[AGENT.text])
    assert told.report.clears == []
    assert "said into what is protected, not an interruption (" in told.shown
    assert gaps_in(told.heard, AGENT.audio) == 1
    assert ANSWER.audio in told.heard
    assert (told.row["protected_ignored"], told.row["interruptions"], told.row["responses"]) == (1, 0, 2)


async def test_who_means_it_is_heard_and_the_model_told_what_was_heard(place: MakePlace) -> None:
    told = await call(
        place,
        speech("caller_stop"),
        "Wait, stop.",
        min_speech_ms=300,
        backchannels=True,
        resume_after_ms=2000,
    )
    assert len(told.report.clears) == 1
    assert "the caller cut in: " in told.shown
    (heard_ms,) = told.truncated.values()
    assert abs(longest_at(told.heard, AGENT.audio, 0) / 8 - heard_ms) <= 200
    assert (told.row["false_interruptions"], told.row["interruptions"], told.row["responses"]) == (0, 1, 2)


async def test_words_that_come_while_the_caller_speaks_interrupt_before_their_end(place: MakePlace) -> None:
    live = Transcription("live", delay_ms=200)
    said = speech("caller_party")
    told = await call(place, said, "Hello. I would like to plan a party.", transcription=live, min_words=3)
    silent_after_ms = heard_in(told.report, AGENT.audio).silent_after_ms
    assert "the caller cut in: " in told.shown
    assert silent_after_ms is not None
    assert silent_after_ms < 1500
    assert told.row["interruptions"] == 1


@pytest.mark.parametrize("speaking", [{}, {"min_speech_ms": 2000}], ids=["no rules", "rules"])
async def test_the_server_is_told_whose_business_it_is(place: MakePlace, speaking: dict[str, Any]) -> None:
    setup = place(agent={"speaking": speaking})
    with trio.fail_after(60):
        async with open_stage(setup) as stage:
            await stage.ring(Caller(steps=(WaitForQuiet(300), HangUp()), answer_delay_ms=0))
            (session,) = stage.model.sessions
            vad = session.settings["audio"]["input"]["turn_detection"]
    is_the_servers = not speaking
    assert (vad["create_response"], vad["interrupt_response"]) == (is_the_servers, is_the_servers)
