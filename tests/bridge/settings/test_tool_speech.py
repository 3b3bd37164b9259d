"""What is said of tools: the table, and what a promise is."""

import pytest

from bridge.settings.tool_speech import PROMISES, ToolSpeech, is_promise, read_tool_speech


def test_every_language_has_its_own_promises_and_no_other_ones() -> None:
    for language, phrases in PROMISES.items():
        assert all(is_promise(f"Ok. {phrase.capitalize()}.", [language]) for phrase in phrases)
    assert not is_promise("Ich schaue nach.", ["en"])
    assert is_promise("Ich schaue nach.", [])


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        ("Sure, I\u2019ll check.", True),
        ("Let me check that for you. Which day?", False),
        ("The checkout is at nine.", False),
        ("Let me check. " + "We have a table by the window on Friday at seven. " * 5, False),
        ("", False),
    ],
)
def test_a_promise_stands_at_the_end_of_what_was_said(words: str, is_one: bool) -> None:
    assert is_promise(words, ["en"]) == is_one


def test_an_agent_may_have_phrases_of_its_own() -> None:
    assert is_promise("I shall ask the oracle.", ["en"], ["ask the oracle"])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"filler": "clip"}, 'filler = "clip": there is none; name one in [agents.a.filler] clip'),
        ({"filler": "sentence"}, 'filler_sentence: set it together with filler = "sentence"'),
        ({"filler_sentence": "One moment."}, 'filler_sentence: set it together with filler = "sentence"'),
        ({"filler": "song"}, "filler"),
        (
            {"filler": "sentence", "filler_sentence": "One moment."},
            'filler = "sentence": filler_after_ms is 0, which is never',
        ),
    ],
)
def test_what_can_not_be_done_is_a_fault_that_says_what_is_missing(raw: dict[str, str], words: str) -> None:
    faults: list[str] = []
    read_tool_speech(raw, "agents.a.tool_speech", faults, has_clip=False)
    assert words in faults[0]


def test_what_can_be_done_is_none() -> None:
    faults: list[str] = []
    raw = {"filler": "clip", "filler_after_ms": 1500}
    speech = read_tool_speech(raw, "agents.a.tool_speech", faults, has_clip=True)
    assert speech == ToolSpeech(filler="clip", filler_after_ms=1500)
    assert faults == []
