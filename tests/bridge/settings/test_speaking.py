"""An agent's speaking rules, as the file has them."""

from pathlib import Path
from typing import Any

import pytest

from bridge.agents import agent_from
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.settings.speaking import Speaking
from bridge.tapes.header import Header, settings_of


def read(speaking: dict[str, Any], **agent: Any) -> Any:
    tables = {"agents": {"front-desk": {"speaking": speaking, **agent}}}
    return parse(tables, Path("config.toml")).agents["front-desk"]


def refused(speaking: dict[str, Any], **agent: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(speaking, **agent)
    return str(caught.value)


def test_all_rules_are_off_and_the_server_does_as_it_is_told() -> None:
    agent = read({})
    assert agent.speaking == Speaking()
    assert agent.server_turn_detection is agent.turn_detection


@pytest.mark.parametrize(
    "rule",
    [{"protect_greeting": True}, {"protected": ["Recorded."]}, {"min_speech_ms": 300}, {"min_words": 2},
     {"backchannels": True}, {"resume_after_ms": 2000}],
)  # fmt: skip
def test_with_any_rule_the_server_neither_interrupts_nor_answers(rule: dict[str, Any]) -> None:
    vad = read(rule).server_turn_detection
    assert (vad.create_response, vad.interrupt_response) == (False, False)


def test_backchannels_are_the_languages_or_the_files_and_more_of_them() -> None:
    german = read({"backchannels": True, "more_backchannels": ["passt"]}, language="de-AT")
    assert {"genau", "passt"} <= set(german.speaking.backchannels_of(german.languages))
    own = read({"backchannels": ["jo"]}, language="de")
    assert own.speaking.backchannels_of(own.languages) == ("jo",)
    anybody = read({"backchannels": True}, language="")
    assert {"genau", "yeah", "うん"} <= set(anybody.speaking.backchannels_of(anybody.languages))


def test_what_goes_by_words_needs_them_written_down() -> None:
    assert "min_words: it goes by the caller's words" in refused({"min_words": 2}, transcription_model="")


@pytest.mark.parametrize("word", ["none", "None", " off ", "false"])
def test_a_word_for_no_transcription_is_not_taken_for_a_model(word: str) -> None:
    assert 'use the name of a model, or "" for none' in refused({"min_words": 2}, transcription_model=word)


@pytest.mark.parametrize("rule", [{"min_speech_ms": 300}, {"min_words": 2}])
@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_when_callers_interrupt_is_not_said_where_they_never_do(rule: dict[str, Any], kind: str) -> None:
    vad = {"type": kind, "interrupt_response": False}
    assert f"{next(iter(rule))}: it says when callers interrupt" in refused(rule, turn_detection=vad)
    assert read({"backchannels": True}, turn_detection=vad).speaking.has_rules


def test_keys_interrupt_what_is_protected_or_nothing_at_all() -> None:
    assert not Speaking(keys_interrupt_protected=True).has_rules
    assert "keys_interrupt_protected: nothing is protected" in refused({"keys_interrupt_protected": True})
    for protected in ({"protect_greeting": True}, {"protected": ["Recorded."]}):
        assert read({"keys_interrupt_protected": True, **protected}).speaking.has_rules


def test_a_language_without_a_list_is_named() -> None:
    assert 'none are known of "sw"' in refused({"backchannels": True}, language="sw")
    own = read({"backchannels": ["ndiyo"]}, language="sw", say_language="en-US")
    assert own.speaking.backchannels == ("ndiyo",)


def test_more_of_what_is_off_is_a_fault() -> None:
    assert "more_backchannels: they are added to backchannels" in refused({"more_backchannels": ["tock"]})


def test_the_servers_idle_time_out_answers_by_itself_and_is_refused_beside_rules() -> None:
    vad = {"idle_timeout_ms": 6000}
    assert "idle_timeout_ms" in refused({"min_speech_ms": 300}, turn_detection=vad)


def test_a_value_that_cant_be_is_told_with_what_can() -> None:
    assert "min_speech_ms = -1: use a whole number from 0 to 2000" in refused({"min_speech_ms": -1})
    assert "true for those of the agent's languages" in refused({"backchannels": "yes"})
    for key in ("protected", "backchannels", "more_backchannels"):
        assert "texts with words in them: one here is empty" in refused({key: ["yes", " "]})


def test_rules_come_back_from_a_tape_and_a_tape_without_them_has_none() -> None:
    agent = read({"protected": ["Recorded."], "backchannels": ["mhm"], "resume_after_ms": 900})
    again = agent_from("front-desk", settings_of(agent) | {"speaking": {
        "protected": ["Recorded."], "backchannels": ["mhm"], "resume_after_ms": 900,
    }})  # fmt: skip
    assert again.speaking == agent.speaking
    header = Header(
        call_id="1", call_sid="CA1", account_sid="AC1", agent="front-desk", started_at="x", settings={}
    )
    assert not header.agent_settings().speaking.has_rules
