"""Faults of the model's stand-in, each in a whole simulated call: what its caller and its record get of it."""

from itertools import pairwise
from typing import Any

import attrs
import pytest

from bridge.agents import Agent
from bridge.settings.limits import Limits
from bridge.store.records import Records, records_of
from bridge.tapes.tape import MODEL, OPENAI, Line, decode
from replay.model.script import Faults, Refusal, Say, Script, Silence, Transcription
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


# ---------------------------------------------------------------- in the middle of a word

SPEECH = Say(murmur(2400), "We are open from nine to five.")


def longest_silence(rows: Records, *, after_ms: int) -> int:
    """Return for how long at most nothing of the agent was heard, from then until the call ended."""
    heard = sorted(
        (row["first_heard"], row["first_heard"] + row["heard_ms"]) for row in rows.items if row["heard_ms"]
    )
    spans = [span for span in heard if span[1] > after_ms]
    edges = [(after_ms, after_ms), *spans, (rows.call["duration_ms"], 0)]
    return max(later[0] - earlier[1] for earlier, later in pairwise(edges))


def whose_answer(faults: Faults, **script: Any) -> tuple[Records, list[Line]]:
    """Return a call whose one turn of the caller's is answered so."""
    limits = Limits(answer_timeout_ms=3000, quiet_seconds=6, still_there_seconds=3)
    agent = Agent(name="front-desk", limits=limits)
    told = Script(opening=(HELLO,), turns=((SPEECH,),), fallback=(SPEECH,), faults=faults, **script)
    tape = Simulation(CALLER, told, agent).run()
    lines = [decode(line) for line in tape.lines]
    return records_of(tape.header, lines), lines


@pytest.mark.parametrize(
    ("silence", "reason"), [("cut_short", "max_output_tokens"), ("filtered", "content_filter")]
)
def test_an_answer_that_breaks_off_in_a_word_is_ended_by_another(silence: Silence, reason: str) -> None:
    rows, lines = whose_answer(Faults(silence=silence, silent_from=1, silent_for=1))
    assert rows.call["counts"][f"response incomplete: {reason}"] == 1
    broken, whole = [row for row in rows.items if row["first_heard"] >= 0][1:3]
    assert broken["heard_ms"] == broken["generated_ms"] < 1000
    assert whole["heard_ms"] == 2400
    assert whole["first_heard"] - broken["first_heard"] - broken["heard_ms"] < 1000
    assert longest_silence(rows, after_ms=said(lines, "input_audio_buffer.committed")[0]) < 6000


def test_answers_that_all_break_off_are_asked_to_end_once() -> None:
    rows, _ = whose_answer(Faults(silence="cut_short", silent_from=1))
    assert rows.call["counts"]["response incomplete: max_output_tokens"] >= 2
    assert rows.call["responses"] < 8


@pytest.mark.parametrize(("pause_ms", "asked"), [(1500, 0), (4000, 1), (60_000, 1)])
def test_an_answer_that_stalls_in_a_word_is_waited_for_and_then_asked_for_again(
    pause_ms: int, asked: int
) -> None:
    rows, lines = whose_answer(
        Faults(silence="pauses", silent_from=1, silent_for=1, pause_ms=pause_ms),
    )
    assert rows.call["counts"].get("dead air: asked", 0) == asked
    assert "dead air: given_up" not in rows.call["counts"]
    assert longest_silence(rows, after_ms=said(lines, "input_audio_buffer.committed")[0]) < 6000


def test_a_service_that_asks_silent_callers_unasked_ends_no_silence() -> None:
    caller = Caller(steps=(WaitForEnd(60_000),), patience_ms=0)
    limits = Limits(quiet_seconds=12, still_there_seconds=3)
    told = Script(opening=(HELLO,), fallback=(HELLO,), faults=Faults(idle_timeout_ms=4000))
    tape = Simulation(caller, told, Agent(name="front-desk", limits=limits)).run()
    rows = records_of(tape.header, [decode(line) for line in tape.lines])
    assert (rows.call["ended_by"], rows.call["why"]) == ("limit", "nobody spoke")
    assert rows.call["duration_ms"] < 20_000


@pytest.mark.parametrize("faults", [
    Faults(close_after_ms=3000, first_sessions_only=1), Faults(drop_after_ms=3000, first_sessions_only=1),
    Faults(close_after_ms=3000, close_with_error=False, first_sessions_only=1),
    Faults(stall_after_ms=3000, first_sessions_only=1),
])  # fmt: skip
def test_a_session_that_ends_is_followed_by_one_that_is_given_what_was_said(faults: Faults) -> None:
    agent = Agent(name="front-desk", limits=Limits(answer_timeout_ms=3000))
    told = Script(opening=(HELLO,), turns=((HELLO,),) * 3, fallback=(HELLO,), faults=faults)
    call = Simulation(attrs.evolve(CALLER, steps=(*CALLER.steps[:-1], WaitForEnd(30_000))), told, agent)
    rows = records_of(call.header, [decode(line) for line in call.run().lines])
    assert [row["name"] for row in rows.milestones].count("session_followed") == 1
    assert call.session.number == 2
    first, *_ = call.session.items
    assert (first["role"], first["content"][0]["text"]) == ("assistant", "Hello.")
    assert [item for item in call.session.items if item.get("role") == "user"]


@pytest.mark.parametrize("refuse", ["http_401", "invalid_api_key", "model_not_found"])
def test_a_session_that_is_refused_is_told_to_the_caller_in_time(refuse: Refusal) -> None:
    rows, _ = made(Faults(refuse=refuse))
    assert (rows.call["ended_by"], rows.call["next_step"]) == ("model", "say")
    assert rows.call["duration_ms"] < 1000
