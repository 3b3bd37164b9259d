"""Words as they are compared: those of a backchannel, those that must be heard to their end. Pure."""

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Final, TypeAlias
from unicodedata import category, normalize

Phrase: TypeAlias = tuple[str, ...]

MOST_WORDS: Final = 8
"""Of a backchannel, however many are said in a row: who says more has something to say."""

NO_SPACES: Final = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u3040", "\u30ff"), ("\u3400", "\u9fff"))
"""Letters of languages that are written without spaces: Thai and Lao, Burmese, Japanese, Chinese."""

BEGUN_WORDS: Final = 3
"""Of a protected text: who has said so much of it is saying it."""


def phrase_of(text: str) -> Phrase:
    """Return the words of a text with what means the same written alike: "Mm-hmm." is "mm hmm", "Hmmm" is "hm"."""
    bare = (letter for letter in normalize("NFKD", text.casefold()) if category(letter) != "Mn")
    plain = "".join(_plain(letter) for letter in bare)
    return tuple("".join(letter for letter, _ in groupby(word)) for word in plain.split())


def _plain(letter: str) -> str:
    if letter in "'\u2019":
        return ""
    return letter if category(letter)[0] in "LNM" else " "


def count_of(text: str) -> int:
    """Return how many words a text has; where a language writes without spaces, two letters are one."""
    return sum(map(_worth, phrase_of(text)))


def _worth(word: str) -> int:
    if any(first <= word[0] <= last for first, last in NO_SPACES):
        return (len(word) + 1) // 2
    return 1


@cache
def phrases_of(texts: tuple[str, ...]) -> frozenset[Phrase]:
    """Return texts as they are looked for; every call of an agent asks for the same ones."""
    return frozenset(filter(None, map(phrase_of, texts)))


def is_backchannel(text: str, phrases: frozenset[Phrase], *, is_whole: bool = True) -> bool:
    """Say whether a text is made of nothing but these phrases; of one that is not whole, whether it may become so."""
    words = phrase_of(text)
    return bool(phrases) and 0 < len(words) <= MOST_WORDS and _is_made_of(words, phrases, is_whole=is_whole)


def _is_made_of(words: Phrase, phrases: frozenset[Phrase], *, is_whole: bool) -> bool:
    if not words:
        return True
    return any(
        _is_made_of(words[len(phrase) :], phrases, is_whole=is_whole)
        if words[: len(phrase)] == phrase
        else not is_whole and _begins(phrase, words)
        for phrase in phrases
    )


def _begins(phrase: Phrase, words: Phrase) -> bool:
    """Say whether a phrase begins with these words, the last of which may still grow."""
    return len(words) <= len(phrase) and " ".join(phrase).startswith(" ".join(words))


def protected_share(text: str, notices: frozenset[Phrase], *, is_whole: bool) -> float:
    """Return how much of what says this must be heard, from its beginning: 0 nothing, 1 all of it.

    As much as the words up to the end of the last notice in it; all while a notice has begun and more is to come.
    """
    words = phrase_of(text) if notices else ()
    ends = [
        place + len(notice)
        for notice in notices
        for place in range(len(words))
        if words[place : place + len(notice)] == notice
    ]
    if not is_whole and any(_is_saying(words, notice) for notice in notices):
        return 1.0
    return _letters(words[: max(ends)]) / _letters(words) if ends else 0.0


def _is_saying(words: Phrase, notice: Phrase) -> bool:
    """Say whether a text ends with the beginning of a notice."""
    least = min(BEGUN_WORDS, len(notice))
    return any(
        words[-length:] == notice[:length] for length in range(least, min(len(words), len(notice)) + 1)
    )


def _letters(words: Sequence[str]) -> int:
    return sum(map(len, words))
