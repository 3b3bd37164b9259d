"""Which words of a text were heard, from how much of its sound was: an estimate, for any way of writing. Pure.

Words and letters are those of Unicode (https://www.unicode.org/reports/tr29): where a language writes without spaces
each of its letters may be the last one heard; nowhere is one letter cut from its accent, or a flag in two.
"""

import unicodedata
from functools import cache
from itertools import accumulate
from typing import Any, Final

WORD: Final = r"(?w).+?(?:\b|$)"
LETTER: Final = r"\X"
_DASH: Final = "Pd"
_CLOSING: Final = frozenset({"Pe", "Pf", "Po", _DASH})
"""Kinds of characters that end a word and are not spoken: they go with it."""


def spoken_part(text: str, heard_ms: int, generated_ms: int) -> str:
    """Return the words of `text` that fit in the heard share of its sound."""
    if generated_ms <= 0 or heard_ms <= 0:
        return ""
    if heard_ms >= generated_ms:
        return text
    words = _words(text)
    letters = list(accumulate(map(_letters, words)))
    room = letters[-1] * heard_ms // generated_ms if letters else 0
    return "".join(words[: sum(end <= room for end in letters)]).rstrip()


@cache
def _compiled(pattern: str) -> Any:
    """Return a pattern that knows Unicode's words and letters: loaded once something was heard in part, not before."""
    import regex  # type: ignore[import-untyped]  # ships no types

    return regex.compile(pattern, regex.DOTALL)


def _words(text: str) -> list[str]:
    """Return a text in pieces that are heard or not as a whole: words, what stands between, letters without spaces."""
    pieces: list[str] = []
    for word in _compiled(WORD).findall(text):
        if pieces and not _begins_a_piece(word, pieces[-1]):
            pieces[-1] += word
        else:
            pieces.append(word)
    return pieces


def _begins_a_piece(word: str, before: str) -> bool:
    """Say whether a pause may come before it: not within a letter, nor at the mark that closes a word or joins two."""
    if len(_compiled(LETTER).match(before[-1:] + word)[0]) > 1:
        return False
    is_joined = unicodedata.category(before[-1]) == _DASH or unicodedata.category(word[0]) in _CLOSING
    return before[-1].isspace() or not is_joined


def _letters(word: str) -> int:
    return len(_compiled(LETTER).findall(word))


def timed_words(text: str, began_ms: int, spoken_ms: int) -> list[tuple[str, int]]:
    """Return a text's words, each with what stands behind it, and when each begins, were all letters equally long."""
    pieces = _words(text) if text else []
    ends = [0, *accumulate(map(_letters, pieces))]
    words: list[tuple[str, int]] = []
    for piece, begin in zip(pieces, ends, strict=False):
        if words and not any(map(str.isalnum, piece)):
            words[-1] = words[-1][0] + piece, words[-1][1]
        else:
            words.append((piece, began_ms + begin * spoken_ms // ends[-1]))
    return words
