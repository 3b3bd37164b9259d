"""Words as they are compared."""

import pytest

from bridge.heart.speaking.words import count_of, is_backchannel, phrase_of, phrases_of, protected_share
from bridge.settings.backchannels import BACKCHANNELS, known_of

ENGLISH = phrases_of(known_of(["en"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mm-hmm.", "m hm"),
        ("Hmmm!", "hm"),
        ("Okay…", "okay"),
        ("C'est ça?", "cest ca"),
        ("はい、はい。", "はい はい"),
    ],
)
def test_what_means_the_same_is_written_alike(text: str, words: str) -> None:
    assert " ".join(phrase_of(text)) == words


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("...", 0), ("Stop!", 1), ("No, not that.", 3), ("待って ください", 4), ("खाना चाहिए", 2)],
)
def test_words_are_counted_in_any_writing(text: str, count: int) -> None:
    assert count_of(text) == count


@pytest.mark.parametrize(
    "text", ["Mhm", "Mm-hmm, yeah.", "Uh huh.", "OKAY okay okay", "I see, I see.", "Yes."]
)
def test_a_backchannel_is_made_of_backchannels(text: str) -> None:
    assert is_backchannel(text, ENGLISH)


@pytest.mark.parametrize("text", ["", "No.", "Yeah but", "I see a problem", "okay " * 9, "What?"])
def test_anything_else_is_none(text: str) -> None:
    assert not is_backchannel(text, ENGLISH)


@pytest.mark.parametrize(
    ("text", "may_become_one"), [("I", True), ("I s", True), ("yeah, I", True), ("I want", False)]
)
def test_what_is_not_whole_may_become_one(text: str, may_become_one: bool) -> None:
    assert is_backchannel(text, ENGLISH, is_whole=False) is may_become_one


def test_every_language_knows_its_own() -> None:
    for language, phrases in BACKCHANNELS.items():
        known = phrases_of(known_of([language]))
        assert all(is_backchannel(phrase, known) for phrase in phrases), language


def test_no_language_takes_no_for_a_backchannel() -> None:
    everything = phrases_of(known_of([]))
    refusals = [
        "no",
        "nein",
        "non",
        "nee",
        "nej",
        "nei",
        "ei",
        "não",
        "nie",
        "いいえ",
        "아니요",
        "不",
        "stop",
        "wait",
    ]
    assert [word for word in refusals if is_backchannel(word, everything)] == []


def test_as_much_is_protected_as_lies_before_the_end_of_the_last_notice() -> None:
    notices = phrases_of(("abcd efgh",))
    assert protected_share("abcd efgh ijkl mnop", notices, is_whole=True) == 0.5
    assert protected_share("ijkl abcd efgh", notices, is_whole=True) == 1
    assert protected_share("ijkl abcd", notices, is_whole=True) == 0
    assert protected_share("", notices, is_whole=False) == 0


def test_a_notice_that_has_begun_is_protected_as_far_as_it_comes() -> None:
    notices = phrases_of(("this call may be recorded",))
    assert protected_share("Hello. This call may", notices, is_whole=False) == 1
    assert protected_share("Hello. This call", notices, is_whole=False) == 0
