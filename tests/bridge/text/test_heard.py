"""Which words were heard of a text, in any language's writing."""
# ruff: noqa: RUF001 - other languages' marks are what this is about

import unicodedata

import pytest
import regex  # type: ignore[import-untyped]  # ships no types

from bridge.text.heard import spoken_part

TEXTS = [
    "Hello, what's the time? It's 3.14 o'clock.",
    unicodedata.normalize("NFD", "Das Café hat große Größen, Übermut."),
    "您好，这里是海港餐厅。请问您要订位吗？",
    "こんにちは、コーヒーはいかがですか。",
    "สวัสดีครับ ผมช่วยอะไรคุณได้บ้าง",
    "안녕하세요, 예약을 도와드릴까요?",
    "नमस्ते, मैं आपकी क्या मदद कर सकता हूँ?",
    "Grüße \U0001f468‍\U0001f469‍\U0001f467 aus \U0001f1e9\U0001f1ea!",
    "مرحبا، كيف يمكنني مساعدتك؟",
    "Xin chào, tôi có thể giúp gì cho bạn?",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_heard_is_a_beginning_that_grows_and_cuts_no_letter(text: str) -> None:
    letters, before = regex.findall(r"\X", text), ""
    whole = {"".join(letters[:count]) for count in range(len(letters) + 1)}
    for heard_ms in range(0, 1001, 20):
        part = spoken_part(text, heard_ms, 1000)
        assert text.startswith(part)
        assert part in whole
        assert len(part) >= len(before)
        assert len(regex.findall(r"\X", part)) <= len(letters) * heard_ms / 1000
        before = part
    assert before == text


@pytest.mark.parametrize("text", [TEXTS[2], TEXTS[3], TEXTS[4]], ids=["Chinese", "Japanese", "Thai"])
def test_where_words_have_no_spaces_time_says_how_much_was_heard(text: str) -> None:
    heard = regex.findall(r"\X", spoken_part(text, 500, 1000))
    assert 0.3 <= len(heard) / len(regex.findall(r"\X", text)) <= 0.5


@pytest.mark.parametrize(
    ("text", "share", "part"),
    [
        ("one two three", 500, "one"),
        ("one two three", 600, "one two"),
        ("unbreakable", 900, ""),
        ("don't go there", 500, "don't"),
        ("pay 3.14 euros", 500, "pay"),
        ("nineteen eighty-two, then", 700, "nineteen"),
        ("", 500, ""),
    ],
)
def test_no_word_is_cut(text: str, share: int, part: str) -> None:
    assert spoken_part(text, share, 1000) == part


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_how_accents_are_written_does_not_change_what_was_heard(form: str) -> None:
    text = unicodedata.normalize(form, "Größe, Café, Übermut und éèê")
    part = spoken_part(text, 500, 1000)
    assert unicodedata.normalize("NFC", part) == "Größe, Café,"


@pytest.mark.parametrize(
    ("heard_ms", "generated_ms", "part"),
    [(0, 0, ""), (5, 0, ""), (-1, 10, ""), (10, 10, "ab"), (20, 10, "ab")],
)
def test_all_and_nothing(heard_ms: int, generated_ms: int, part: str) -> None:
    assert spoken_part("ab", heard_ms, generated_ms) == part
