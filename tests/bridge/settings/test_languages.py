"""Languages: what callers speak, as the transcription model wants it, and what Twilio says to them, as it wants it."""

from pathlib import Path
from typing import Any

import pytest

from bridge.agents import Agent, agent_from
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.heart.prompts import opening_instructions
from bridge.heart.session_settings import SessionSettings
from bridge.settings import languages
from bridge.settings.languages import MOST_SPOKEN, OF_TWILIO, Sentence
from bridge.tapes.header import settings_of
from bridge.wire.realtime_session import session_of
from bridge.wire.twiml import hangup_twiml

WORDS = "Entschuldigung, da ist etwas schiefgegangen."


def agent(**settings: Any) -> Agent:
    return parse({"agents": {"a": settings}}, Path("config.toml")).agents["a"]


def fault(**settings: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        agent(**settings)
    return str(refused.value)


# ---------------------------------------------------------------- what callers speak


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("de", {"language": "de"}),
        ("en-US", {"language": "en"}),
        ("pt_BR", {"language": "pt"}),
        ("zh-Hant-TW", {"language": "zh"}),
        ("", {}),
        (["de", "en-GB"], {"languages": ["de", "en"]}),
        (["en-US", "en-GB"], {"language": "en"}),
    ],
)
def test_a_model_is_told_languages_without_regions(written: Any, asked: Any) -> None:
    transcription = session_of(SessionSettings(agent(language=written), ()))["audio"]["input"][
        "transcription"
    ]
    assert transcription == {"model": "gpt-transcribe", **asked}


@pytest.mark.parametrize(
    "written", ["German", "auto", "xx", "e", [], ["en", ""], ["en", 1], 5, "en-", ["en"] * 21]
)
def test_what_is_no_language_is_named(written: Any) -> None:
    assert "use a language code such as" in fault(language=written)


def test_a_model_that_takes_one_language_is_given_one() -> None:
    assert "gpt-realtime-whisper takes one language" in fault(
        language=["en", "de"], transcription_model="gpt-realtime-whisper"
    )
    assert agent(language=["en", "de"], transcription_model="").languages == ("en", "de")


def test_where_the_language_is_detected_the_model_opens_in_the_greetings_own() -> None:
    assert "in language" not in opening_instructions(agent(language=""))
    assert "in language 'en-GB'," in opening_instructions(agent(language=["en-GB", "de"]))


# ---------------------------------------------------------------- what Twilio says


@pytest.mark.parametrize(
    ("written", "spoken"),
    [("de", "de-DE"), ("en-GB", "en-GB"), ("en-ZA", "en-US"), ("zh", "cmn-CN"), ("zh-TW", "cmn-TW"), ("no", "nb-NO"),
     (["fr-CA", "en"], "fr-CA"), ("", "")],
)  # fmt: skip
def test_twilio_says_it_in_the_language_of_the_agent(written: Any, spoken: str) -> None:
    it = agent(language=written, failure_sentence=WORDS)
    assert it.failure_sentence == it.sentence(WORDS) == Sentence(WORDS, spoken)
    assert (f'language="{spoken}"' in hangup_twiml(it.failure_sentence)) == bool(spoken)
    assert it.sentence("Bis bald.") == Sentence("Bis bald.", spoken)


def test_the_sentence_that_is_there_by_default_is_english_whatever_callers_speak() -> None:
    assert agent(language="de").failure_sentence.language == "en-US"


def test_language_and_voice_can_be_set() -> None:
    it = agent(failure_sentence=WORDS, say_language="de-DE", say_voice="alice")
    assert '<Say language="de-DE" voice="alice">' in hangup_twiml(it.failure_sentence)


def test_a_voice_that_has_its_language_goes_out_without_one() -> None:
    it = agent(failure_sentence=WORDS, language="de", say_voice="Polly.Vicki-Neural")
    assert it.failure_sentence == Sentence(WORDS, "", "Polly.Vicki-Neural")


@pytest.mark.parametrize(
    "setting", [{"say_language": "de"}, {"say_language": "tlh"}, {"say_voice": "Bob"}, {"say_voice": 1}]
)
def test_what_twilio_does_not_know_is_named(setting: dict[str, Any]) -> None:
    assert "Twilio" in fault(**setting)


def test_a_language_that_twilio_does_not_speak_needs_another_one_to_be_said_in() -> None:
    assert "no voice of Twilio's is known" in fault(language="cy")
    assert (
        agent(language="cy", say_language="en-GB", failure_sentence=WORDS).failure_sentence.language
        == "en-GB"
    )


def test_a_sentence_is_no_longer_than_twilio_says() -> None:
    assert "at most 4096 characters" in fault(failure_sentence="x" * (MOST_SPOKEN + 1))
    with pytest.raises(ConfigError, match="closing_sentence"):
        parse({"server": {"closing_sentence": "x" * 5000}, "agents": {"a": {}}}, Path("config.toml"))


def test_every_language_of_twilio_is_one_that_is_said() -> None:
    assert all(languages.twilio_language(code) == code for code in OF_TWILIO)


def test_a_tape_gives_back_the_agent() -> None:
    it = agent(language=["de", "en"], failure_sentence=WORDS, say_voice="alice")
    assert settings_of(it)["failure_sentence"] == WORDS
    assert agent_from("a", settings_of(it)) == it
    ours = agent(language="de", say_voice="alice")
    assert ours.failure_sentence.language == "en-US"
    assert agent_from("a", settings_of(ours)) == ours
