"""The session on the wire: as it is asked for, and without what a server refused of it."""

from typing import Any

import pytest
from attrs import evolve
from heart import TOOLS, agent_with
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.heart.session_settings import KEPT, OPTIONAL, SessionSettings
from bridge.settings.session_table import Context, paths_of
from bridge.settings.turn_detection import SemanticVad, ServerVad
from bridge.wire.realtime_session import refused_settings, session_of

SETTINGS = SessionSettings(agent_with(), TOOLS)
SESSION = session_of(SETTINGS)
FLAGS = {"create_response": True, "interrupt_response": True}


def without(settings: SessionSettings, param: str) -> SessionSettings | None:
    """Return what is asked for after an error that names this field."""
    return settings.without(refused_settings(param))


def test_the_session_speaks_ulaw_both_ways_and_names_its_type() -> None:
    session = session_of(SETTINGS)
    assert (session["type"], session["output_modalities"]) == ("realtime", ["audio"])
    assert (
        session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    )
    assert [tool["name"] for tool in session["tools"]] == ["look_up", "book_table"]


def test_turn_detection_is_sent_as_configured() -> None:
    session = session_of(SessionSettings(agent_with(create=False), ()))
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 300, "silence_duration_ms": 500,
        "create_response": False, "interrupt_response": True,
    }  # fmt: skip


def test_semantic_turn_detection_has_no_thresholds() -> None:
    agent = evolve(agent_with(), turn_detection=SemanticVad(eagerness="low"))
    assert session_of(SessionSettings(agent, ()))["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True,
    }  # fmt: skip


def test_what_is_switched_off_is_sent_as_null() -> None:
    agent = evolve(agent_with(), noise_reduction="none", transcription_model="")
    hearing = session_of(SessionSettings(agent, ()))["audio"]["input"]
    assert (hearing["noise_reduction"], hearing["transcription"]) == (None, None)


# ---------------------------------------------------------------- without what was refused


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
    left = without(SETTINGS, param)
    assert left is not None
    session = session_of(left)
    assert (left.left_out, at(session, field)) == ((field,), None)
    kept = [path for path in OPTIONAL if not f"{path}.".startswith(f"{field}.") and path not in field]
    assert [at(session, path) for path in kept] == [at(SESSION, path) for path in kept]
    assert field not in getattr(without(left, param), "left_out", ())[1:]


@pytest.mark.parametrize(
    "param",
    ["", "session", "session.type", "session.instructions", "session.tools[0].name", "session.output_modalities",
     "session.audio.output.format", "session.model", "type", "session.audio", "session.audio.input"],
)  # fmt: skip
def test_what_makes_the_call_what_it_is_stays(param: str) -> None:
    assert without(SETTINGS, param) is None


def test_a_message_that_names_the_field_will_do() -> None:
    said = "Unknown parameter: 'session.audio.input.noise_reduction'."
    assert refused_settings("", said)[0] == "audio.input.noise_reduction"


def test_turn_detection_of_another_kind_becomes_plain_and_keeps_who_answers() -> None:
    agent = Agent(turn_detection=SemanticVad(eagerness="low", create_response=False))
    left = without(SessionSettings(agent, ()), "session.audio.input.turn_detection.type")
    assert left is not None
    assert at(session_of(left), "audio.input.turn_detection") == {
        "type": "server_vad",
        **FLAGS,
        "create_response": False,
    }


def test_turn_detection_refused_for_good_means_the_transcription_beside_it() -> None:
    settings = SETTINGS
    while left := without(settings, "session.audio.input.turn_detection"):
        settings = left
    assert settings.left_out == ("audio.input.turn_detection", "audio.input.transcription")


TABLES: list[dict[str, Any]] = [
    {},
    {"new": {"a": 1, "b": {"c": 2}}, "include": ["x"]},
    {"audio": {"input": {"turn_detection": {"patience": 3}, "noise_reduction": {"strength": 0.5}}}},
    {
        "audio": {
            "input": {"transcription": {"delay": "low"}},
            "output": {"voice": {"id": "v"}, "mood": "good"},
        }
    },
]
PATHS = {*OPTIONAL, *(path for table in TABLES for path in paths_of(table))} - (KEPT - {*OPTIONAL})


@given(
    st.builds(
        Agent,
        turn_detection=st.one_of(
            st.builds(ServerVad, idle_timeout_ms=st.sampled_from([0, 5000])), st.builds(SemanticVad)
        ),
        session=st.sampled_from(TABLES),
        speed=st.sampled_from([1.0, 1.2]),
        reasoning_effort=st.sampled_from(["", "low"]),
        parallel_tool_calls=st.sampled_from([None, False]),
        context=st.sampled_from([Context(), Context("auto"), Context("", 0.5, 100)]),
        tracing=st.sampled_from(["", "auto", {"group_id": "g"}]),
        transcription_prompt=st.sampled_from(["", "A shop."]),
        transcription_keywords=st.sampled_from([(), ("Anna",)]),
        noise_reduction=st.sampled_from(["none", "near_field"]),
        transcription_model=st.sampled_from(["", "gpt-transcribe"]),
        language=st.sampled_from([(), ("en",), ("en", "de"), ("en-US", "en-GB")]),
    ),
    st.lists(st.sampled_from(sorted(PATHS)), max_size=16),
)
def test_whatever_is_refused_in_turn_each_is_left_out_once_and_it_changes_what_is_asked(
    agent: Agent, refused: list[str]
) -> None:
    """What the heart holds for asked is what stands on the wire: neither asks again in vain, nor gives up early."""
    settings = SessionSettings(agent, TOOLS)
    for name in refused:
        before, left = session_of(settings), settings.without((name,))
        tried = session_of(evolve(settings, left_out=(*settings.left_out, name)))
        assert (left is not None) == (tried != before)
        settings = left or settings
    assert session_of(settings)["instructions"] == agent.instructions
    assert at(session_of(settings), "audio.input.turn_detection.type") is not None
