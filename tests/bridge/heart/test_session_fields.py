"""Which settings a server may refuse, and what is asked for then."""

from typing import Any

import pytest
from heart import TOOLS, agent_with, new_call, of

from bridge.agents import Agent, SemanticVad
from bridge.heart.effects import UpdateSession
from bridge.heart.events import ModelErred, SessionCreated, SessionUpdated
from bridge.heart.session_fields import OPTIONAL, without_refused
from bridge.wire.realtime import session_of

SESSION = session_of(agent_with(), TOOLS)
FLAGS = {"create_response": True, "interrupt_response": True}


def at(session: Any, path: str) -> Any:
    for name in path.split("."):
        session = session.get(name) if isinstance(session, dict) else None
    return session


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ("session.audio.input.transcription.model", "audio.input.transcription"),
        ("session.audio.input.transcription.language", "audio.input.transcription.language"),
        ("session.audio.input.transcription", "audio.input.transcription"),
        ("session.audio.input.noise_reduction.type", "audio.input.noise_reduction"),
        ("session.audio.input.turn_detection.threshold", "audio.input.turn_detection.threshold"),
        ("session.audio.output.voice", "audio.output.voice"),
        ("audio.output.voice", "audio.output.voice"),
        ("session.max_output_tokens", "max_output_tokens"),
        ("session.tool_choice", "tool_choice"),
    ],
)
def test_a_field_that_is_refused_is_left_out_and_nothing_else_is(param: str, field: str) -> None:
    found = without_refused(SESSION, param)
    assert found is not None
    session, left_out = found
    assert (left_out, at(session, field)) == (field, None)
    kept = [path for path in OPTIONAL if not f"{path}.".startswith(f"{field}.") and path not in field]
    assert [at(session, path) for path in kept] == [at(SESSION, path) for path in kept]
    assert without_refused(session, param) != found


@pytest.mark.parametrize(
    "param",
    ["", "session", "session.type", "session.instructions", "session.tools[0].name", "session.output_modalities",
     "session.audio.output.format", "session.model", "type", "session.audio", "session.audio.input"],
)  # fmt: skip
def test_what_makes_the_call_what_it_is_stays(param: str) -> None:
    assert without_refused(SESSION, param) is None


def test_a_message_that_names_the_field_will_do() -> None:
    found = without_refused(SESSION, "", "Unknown parameter: 'session.audio.input.noise_reduction'.")
    assert found is not None
    assert found[1] == "audio.input.noise_reduction"


def test_turn_detection_of_another_kind_becomes_plain_and_keeps_who_answers() -> None:
    agent = Agent(turn_detection=SemanticVad(eagerness="low", create_response=False))
    found = without_refused(session_of(agent, ()), "session.audio.input.turn_detection.type")
    assert found is not None
    assert at(found[0], "audio.input.turn_detection") == {
        "type": "server_vad",
        **FLAGS,
        "create_response": False,
    }


def test_turn_detection_refused_for_good_means_the_transcription_beside_it() -> None:
    session: Any = SESSION
    left_out = []
    while found := without_refused(session, "session.audio.input.turn_detection"):
        session, field = found
        left_out.append(field)
    assert left_out == ["audio.input.turn_detection", "audio.input.transcription"]


def test_refusals_come_to_an_end() -> None:
    session: Any = SESSION
    for field in OPTIONAL * 3:
        if found := without_refused(session, f"session.{field}"):
            session = found[0]
    assert all(without_refused(session, f"session.{field}") is None for field in OPTIONAL)
    assert at(session, "audio.input.turn_detection") == {"type": "server_vad", **FLAGS}
    assert session["instructions"] == SESSION["instructions"]


# ---------------------------------------------------------------- in a call


def refusal(param: str, event_id: str) -> ModelErred:
    return ModelErred("invalid_value", "invalid_request_error", f"Invalid '{param}'", event_id, param)


def test_a_refused_setting_is_no_refused_call() -> None:
    line = new_call()
    line.tell(SessionCreated(0))
    wanted = line.tell(refusal("session.audio.input.transcription.model", "b1"))
    (update,) = of(wanted, UpdateSession)
    assert update.session["audio"]["input"].get("transcription") is None
    line.tell(SessionUpdated("audio/pcmu", "audio/pcmu"))
    assert (line.end, line.milestones()[-1]) == (None, "model_ready")
    assert [note["text"] for note in line.notes("log")] == ["setting refused: audio.input.transcription"]


def test_several_settings_may_be_refused_one_after_the_other() -> None:
    line = new_call()
    line.tell(SessionCreated(0))
    for param in ("session.audio.output.voice", "session.audio.input.noise_reduction"):
        update = of(line.wanted, UpdateSession)[-1]
        line.tell(refusal(param, update.event_id))
    session = of(line.wanted, UpdateSession)[-1].session
    assert ("voice" in session["audio"]["output"], "noise_reduction" in session["audio"]["input"]) == (
        False,
        False,
    )
    assert line.end is None


def test_a_setting_that_the_call_needs_is_a_refused_session() -> None:
    line = new_call()
    line.tell(SessionCreated(0), refusal("session.instructions", "b1"))
    assert line.end is not None
    assert line.end.why == "the model refused the session (invalid_value: Invalid 'session.instructions')"
    assert line.end.say == line.call.agent.failure_sentence.text


@pytest.mark.parametrize(("granted", "speaks"), [
    (SessionUpdated("audio/pcm", "audio/pcmu"), "audio/pcm"), (SessionUpdated("audio/pcmu", "g711_alaw"), "g711_alaw"),
])  # fmt: skip
def test_a_session_that_speaks_another_format_is_no_session(granted: SessionUpdated, speaks: str) -> None:
    line = new_call()
    line.tell(SessionCreated(0), granted)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("model", f"the model refused the session (it speaks {speaks})")
    assert line.end.say == line.call.agent.failure_sentence.text
