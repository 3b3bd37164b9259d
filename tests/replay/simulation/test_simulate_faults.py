"""Faults of the model's stand-in, each in a whole simulated call: what its caller and its record get of it."""

from typing import Any

import pytest

from bridge.agents import Agent
from bridge.settings.limits import Limits
from bridge.store.records import Records, records_of
from bridge.tapes.tape import MODEL, OPENAI, Line, decode
from replay.model.script import Faults, Say, Script, Silence, Transcription
from replay.phone.script import Caller, WaitForEnd, WaitForQuiet
from replay.phone.script import Say as Speak
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur

HELLO = Say(murmur(400), "Hello.")
CALLER = Caller(
    steps=(WaitForQuiet(200), Speak(murmur(400), "Good evening"), WaitForQuiet(200), WaitForEnd(8000)),
    patience_ms=0,
)


def made(faults: Faults, **script: Any) -> tuple[Records, list[Line]]:
    """Return the record and the lines of a call."""
    agent = Agent(name="front-desk", limits=Limits(answer_timeout_ms=3000))
    told = Script(opening=(HELLO,), turns=((HELLO,),) * 3, fallback=(HELLO,), faults=faults, **script)
    tape = Simulation(CALLER, told, agent).run()
    lines = [decode(line) for line in tape.lines]
    return records_of(tape.header, lines), lines


def said(lines: list[Line], kind: str) -> list[int]:
    """Return when the model said something of this kind."""
    return [
        line.t_ms
        for line in lines
        if line.leg == MODEL
        and line.sender == OPENAI
        and line.msg
        and f'"type":"{kind}"'.encode() in bytes(line.msg)
    ]


def test_a_setting_that_is_refused_is_in_the_record_and_the_call_goes_on() -> None:
    rows, lines = made(Faults(refuse_settings=("audio.input.transcription.model",)))
    assert [row["text"] for row in rows.log] == ["setting refused: audio.input.transcription"]
    assert rows.call["counts"]["setting refused: audio.input.transcription"] == 1
    assert (rows.call["ended_by"], len(said(lines, "session.updated"))) == ("caller", 1)


def test_a_session_of_another_format_plays_no_noise() -> None:
    rows, _ = made(Faults(other_format="audio/pcm"))
    assert (rows.call["ended_by"], rows.call["next_step"]) == ("model", "say")
    assert rows.call["why"] == "the model refused the session (it speaks audio/pcm)"
    assert rows.items == []


@pytest.mark.parametrize(("faults", "pause_ms"), [
    (Faults(fail_responses=1, try_again_in="2.5s"), 2500), (Faults(fail_responses=1, try_again_in="400ms"), 400),
    (Faults(fail_responses=1, try_again_in="", limit_reset_seconds=2.2), 2200),
    (Faults(fail_responses=1, try_again_in=""), 1000),
])  # fmt: skip
def test_the_pause_that_a_rate_limit_asks_for_is_heeded(faults: Faults, pause_ms: int) -> None:
    _, lines = made(faults)
    begun = said(lines, "response.created")
    assert begun[2] - begun[1] == pause_ms + 150  # and how long the stand-in takes to begin


def test_a_transcription_that_fails_is_in_the_record() -> None:
    rows, _ = made(Faults(), transcription=Transcription("failed"))
    assert rows.call["counts"]["transcription failed: audio_unintelligible"] == 1
    assert "transcription failed: audio_unintelligible" in [row["text"] for row in rows.log]


def test_an_incomplete_response_is_in_the_record() -> None:
    rows, _ = made(Faults(silence="incomplete", silent_from=1))
    assert rows.call["counts"]["response incomplete: content_filter"] == 2
    assert "response incomplete: content_filter" in [row["text"] for row in rows.log]
    assert (rows.call["why"], rows.call["next_step"]) == ("the model answered nothing", "say")


SILENCES: dict[Silence, tuple[str, ...]] = {
    "no_response": (),
    "begun": ("response.created",),
    "stops": ("response.created", "response.output_audio.delta"),
    "empty": ("response.created", "response.done"),
    "text": ("response.created", "response.output_text.delta", "response.done"),
    "cancelled": ("response.created", "response.done"),
    "incomplete": ("response.created", "response.done"),
    "empty_deltas": ("response.created", "response.output_audio.delta"),
    "quiet_audio": ("response.created", "response.output_audio.delta"),
    "clicks": ("response.created", "response.output_audio.delta"),
}


@pytest.mark.parametrize(("silence", "kinds"), SILENCES.items(), ids=list(SILENCES))
def test_a_silence_is_what_its_name_says_and_is_asked_once_and_given_up(
    silence: Silence, kinds: tuple[str, ...]
) -> None:
    rows, lines = made(Faults(silence=silence, silent_from=1))
    (committed,) = said(lines, "input_audio_buffer.committed")
    counted = [sum(at > committed for at in said(lines, kind)) for kind in kinds]
    assert all(counted)
    counts = rows.call["counts"]
    assert (counts["dead air: asked"], counts["dead air: given_up"], rows.call["ended_by"]) == (1, 1, "model")


@pytest.mark.parametrize(("silence", "said_so"), [("no_stop", 0), ("no_commit", 1)])
def test_a_turn_that_is_never_committed_is_committed_by_the_bridge(silence: Silence, said_so: int) -> None:
    rows, lines = made(Faults(silence=silence, silent_for=1))
    assert len(said(lines, "input_audio_buffer.speech_stopped")) == said_so
    assert (
        len(said(lines, "input_audio_buffer.committed")) == 1
    )  # of the one without an end, when the caller leaves
    assert rows.call["ended_by"] == "caller"
