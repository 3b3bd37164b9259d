"""`[agents.NAME.session]`: sent as it stands, but for what the bridge decides by, and secrets."""

from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import BaseModel

from bridge.agents import Agent, agent_from
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.heart.session_settings import SessionSettings
from bridge.settings.session_table import OWN, PUBLISHED, merged, unpublished
from bridge.tapes.header import settings_of
from bridge.wire.realtime_session import refused_settings, session_of

PATH = Path("config.toml")


def agent(**keys: Any) -> Agent:
    return parse({"agents": {"a": keys}}, PATH).agents["a"]


def asked(**keys: Any) -> dict[str, Any]:
    return session_of(SessionSettings(agent(**keys), ()))


def faults(**keys: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        agent(**keys)
    return [fault.removeprefix("config.toml: ") for fault in caught.value.faults]


PLAIN = asked()


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ({"speed": 1.25}, "audio.output.speed", 1.25),
        ({"reasoning_effort": "low"}, "reasoning", {"effort": "low"}),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", False),
        ({"context": {"truncation": "disabled"}}, "truncation", "disabled"),
        ({"context": {"retention_ratio": 0.8}}, "truncation", {"type": "retention_ratio", "retention_ratio": 0.8}),
        (
            {"context": {"retention_ratio": 0.8, "most_tokens": 5000}},
            "truncation",
            {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 5000}},
        ),
        ({"tracing": "auto"}, "tracing", "auto"),
        ({"tracing": {"group_id": "g"}}, "tracing", {"group_id": "g"}),
        ({"transcription_prompt": "A shop."}, "audio.input.transcription.prompt", "A shop."),
        ({"transcription_keywords": ["Anna"]}, "audio.input.transcription.keywords", ["Anna"]),
        ({"turn_detection": {"idle_timeout_ms": 6000}}, "audio.input.turn_detection.idle_timeout_ms", 6000),
        ({"session": {"reasoning": {"depth": 3}}}, "reasoning.depth", 3),
        ({"session": {"audio": {"output": {"voice": {"id": "voice_1"}}}}}, "audio.output.voice", {"id": "voice_1"}),
    ],
)  # fmt: skip
def test_a_setting_is_sent_where_the_service_has_it_and_changes_nothing_else(
    keys: dict[str, Any], field: str, value: Any
) -> None:
    session = asked(**keys)
    assert at(session, field) == value
    assert at(PLAIN, field) != value
    *above, last = field.split(".")
    holder = at(session, ".".join(above)) if above else session
    holder.pop(last)
    at_first = msgspec.json.decode(msgspec.json.encode(PLAIN))
    (at(at_first, ".".join(above)) if above and at(at_first, ".".join(above)) else at_first).pop(last, None)
    assert {key: part for key, part in session.items() if part != {}} == at_first


def at(session: Any, path: str) -> Any:
    for name in path.split("."):
        session = session.get(name) if isinstance(session, dict) else None
    return session


def test_what_a_tape_keeps_asks_for_the_same_session_again() -> None:
    keys = {
        "speed": 1.2, "parallel_tool_calls": True, "tracing": {"metadata": {"shop": "3"}},
        "transcription_keywords": ["Anna"], "context": {"retention_ratio": 0.5},
        "turn_detection": {"idle_timeout_ms": 5000}, "session": {"reasoning": {"depth": [1, {"x": 2.5}]}},
    }  # fmt: skip
    whole = agent(**keys)
    kept = msgspec.json.decode(msgspec.json.encode(settings_of(whole)))
    again = agent_from("a", kept)
    assert session_of(SessionSettings(again, ())) == session_of(SessionSettings(whole, ()))
    assert agent_from("a", {}).session == {}  # a tape of before


# ---------------------------------------------------------------- what can't be set there


@pytest.mark.parametrize("path", sorted(OWN))
def test_what_the_bridge_decides_by_can_not_be_overridden(path: str) -> None:
    table: Any = "other"
    for name in reversed(path.split(".")):
        table = {name: table}
    assert faults(session=table) == [f"[agents.a.session] {path}: it can't be set here: {OWN[path]}"]


@pytest.mark.parametrize("path", ["audio", "audio.input", "audio.input.turn_detection", "audio.output"])
def test_nor_can_a_table_that_holds_it_be_replaced(path: str) -> None:
    table: Any = "none"
    for name in reversed(path.split(".")):
        table = {name: table}
    assert faults(session=table)[0].startswith(f'[agents.a.session] {path} = "none": use a table')


@pytest.mark.parametrize(
    "table",
    [
        {"authorization": "Bearer 1234"},
        {"reasoning": {"api_key": "1234"}},
        {"new": [{"headers": {"x": "1234"}}]},
        {"client_secret": "1234"},
    ],
)
def test_a_secret_is_refused_and_not_shown(table: dict[str, Any]) -> None:
    (fault,) = faults(session=table)
    assert "1234" not in fault


@pytest.mark.parametrize(
    "value",
    [float("inf"), float("nan"), 2**60, "\x07", [["\x1b["]], b"x", {"a.b": 1}, {"": 1},
     {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}],
)  # fmt: skip
def test_what_is_no_plain_json_is_refused(value: Any) -> None:
    assert len(faults(session={"new": value})) == 1


def test_too_much_of_it_is_refused() -> None:
    assert "at most 200 fields" in faults(session={f"f{number}": 1 for number in range(201)})[0]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"speed": 2}, "[agents.a] speed = 2: use a number from 0.25 to 1.5"),
        ({"tracing": "on"}, '[agents.a] tracing = "on": use "auto", or a table'),
        ({"tracing": {"metadata": {"a": 1}}}, "text for its names"),
        ({"turn_detection": {"idle_timeout_ms": 100}}, "a whole number from 5000 to 30000, or 0"),
        ({"context": {"most_tokens": 100}}, "[agents.a.context] most_tokens: set retention_ratio too"),
        ({"context": {"truncation": "auto", "retention_ratio": 0.5}}, "leave it out, or retention_ratio"),
        ({"transcription_model": "whisper-1", "transcription_keywords": ["x"]}, "whisper-1 takes none"),
        ({"transcription_model": "", "transcription_prompt": "x"}, "name one, or leave"),
        ({"transcription_model": "gpt-realtime-whisper", "transcription_prompt": "x"}, "takes none"),
        ({"shadow": {"idle_timeout_ms": 5000}}, "a shadow never answers"),
        ({"session": 3}, "[agents.a.session] = 3: use a table"),
    ],
)
def test_a_wrong_setting_says_what_to_write(keys: dict[str, Any], fault: str) -> None:
    assert [fault in told for told in faults(**keys)] == [True]


# ---------------------------------------------------------------- MCP servers

CRM = {
    "server_url": "https://crm.example.com/mcp/", "description": "customers", "authorization": "$CRM_TOKEN",
    "headers": {"X-Key": "$CRM_KEY", "X-Shop": "3"}, "tools": ["look_up", "refund"],
    "approval": {"always": ["refund"], "never": ["look_up"]}, "approve": ["refund"],
}  # fmt: skip


def test_an_mcp_server_is_asked_for_with_the_names_of_its_secrets() -> None:
    assert asked(mcp={"crm": CRM})["tools"] == [{
        "type": "mcp", "server_label": "crm", "server_url": "https://crm.example.com/mcp/",
        "server_description": "customers", "authorization": "$CRM_TOKEN",
        "headers": {"X-Key": "$CRM_KEY", "X-Shop": "3"}, "allowed_tools": ["look_up", "refund"],
        "require_approval": {"always": {"tool_names": ["refund"]}, "never": {"tool_names": ["look_up"]}},
    }]  # fmt: skip
    assert asked(mcp={"m": {"connector_id": "connector_gmail"}})["tools"] == [
        {"type": "mcp", "server_label": "m", "connector_id": "connector_gmail", "require_approval": "never"}
    ]


def test_a_tape_keeps_an_mcp_server_as_the_file_has_it() -> None:
    whole = agent(mcp={"crm": CRM})
    kept = msgspec.json.decode(msgspec.json.encode(settings_of(whole)))
    assert agent_from("a", kept).mcp == whole.mcp


def test_an_mcp_server_that_is_refused_is_left_out_by_its_place_behind_the_functions() -> None:
    servers = {label: {"tunnel_id": label} for label in ("one", "two", "three")}
    settings = SessionSettings(agent(mcp=servers), ({"type": "function", "name": "f"},))
    for place, left_out in ((2, "tools.two"), (2, "tools.three"), (1, "tools.one")):
        left = settings.without(refused_settings(f"session.tools[{place}].tunnel_id"))
        assert left is not None
        assert left.left_out[-1] == left_out
        settings = left
    assert session_of(settings)["tools"] == [{"type": "function", "name": "f"}]
    assert settings.without(refused_settings("session.tools[0].name")) is None
    assert settings.without(refused_settings("session.tools[99999999999].name")) is None


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ({}, "say where it is, in one way"),
        ({"server_url": "https://a.example.com", "tunnel_id": "t"}, "in one way"),
        ({"server_url": "http://a.example.com"}, "an https address"),
        ({"tunnel_id": "t", "authorization": "Bearer hush"}, "secrets are never written here"),
        ({"tunnel_id": "t", "headers": {"X-Api-Key": "hush"}}, "secrets are never written here"),
        ({"tunnel_id": "t", "approval": "sometimes"}, '"never", "always", or a table'),
        ({"tunnel_id": "t", "approval": {"often": ["x"]}}, '"never", "always", or a table'),
        ({"tunnel_id": "t", "approve": "refund"}, "a list of tools"),
    ],
)
def test_a_wrong_mcp_server_says_what_to_write_and_shows_no_secret(
    server: dict[str, Any], fault: str
) -> None:
    (told,) = faults(mcp={"crm": server})
    assert told.startswith("[agents.a.mcp.crm]")
    assert fault in told
    assert "hush" not in told


def test_a_label_and_the_number_of_servers_have_their_bounds() -> None:
    assert "use a label" in faults(mcp={"a b": {"tunnel_id": "t"}})[0]
    assert "at most 20" in faults(mcp={f"m{number}": {"tunnel_id": "t"} for number in range(21)})[0]


# ---------------------------------------------------------------- what is known of the fields


OR_A_WORD = ("tool_choice", "audio.output.voice")
"""Fields that may be a word as well as an object: nothing within is looked at."""


def fields_of(kind: Any, above: str = "") -> set[str]:
    """Return every field of the published types that has a name, by its path."""
    found = set[str]()
    for name, part in kind.model_fields.items():
        inner = [one for one in types_in(part.annotation) if issubclass(one, BaseModel)]
        below = set().union(*(fields_of(one, f"{above}{name}.") for one in inner)) if inner else set()
        found |= below or {f"{above}{name}"}
    return found


def types_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation]
    if get_origin(annotation) in (list, dict):
        return []
    return [found for part in get_args(annotation) for found in types_in(part)]


def test_the_fields_that_are_known_are_those_that_are_published() -> None:
    published = {
        next((word for word in OR_A_WORD if path.startswith(word)), path)
        for path in fields_of(RealtimeSessionCreateRequest)
    }
    known = {path for path in PUBLISHED if not any(one.startswith(f"{path}.") for one in PUBLISHED)}
    assert known == published


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"reasoning": {"effort": "low"}}, []),
        ({"tracing": {"metadata": {"any": "x"}}}, []),
        ({"resoning": {"effort": "low"}}, [("resoning", "did you mean reasoning?")]),
        ({"audio": {"input": {"noise_reduction": {"strenght": 1}}}},
         [("audio.input.noise_reduction.strenght", "did you mean strength?")]),
    ],
)  # fmt: skip
def test_a_field_that_nobody_published_is_told_with_the_nearest_name(
    table: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    assert list(unpublished(table)) == told
    assert agent(session=table).session == table  # and sent


JSON = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=3)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
TABLES = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(TABLES, TABLES)
def test_a_merge_has_every_word_of_the_table_and_what_it_does_not_speak_of(
    session: dict[str, Any], table: dict[str, Any]
) -> None:
    result = merged(session, table)
    assert result.keys() == session.keys() | table.keys()
    assert merged(result, table) == result
    assert merged(session, {}) == session
    assert all(result[key] == session[key] for key in session.keys() - table.keys())
    assert all(result[key] == value for key, value in table.items() if not isinstance(value, dict))
