"""How values are said on a page: times, lengths, money, numbers; and text of strangers, which steers nothing. Pure."""

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup, escape

from bridge.text.visible import visible

NOTHING: Final = "\u2013"
CURLED, STRAIGHT = "\u2019", "'"
OF_WORDS: Final = frozenset("LMN")
"""Letters, what is set above and below them, and digits: the first letter of their categories, in any script."""


def seconds(ms: float | None) -> str:
    """Return a wait.

    >>> seconds(1240)
    '1.2 s'
    """
    return NOTHING if ms is None else f"{ms / 1000:.1f} s"


def length(ms: float | None) -> str:
    """Return how long a call was.

    >>> length(84_000)
    '1:24'
    """
    if ms is None:
        return NOTHING
    minutes, rest = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def money(usd: float | None) -> str:
    """Return what something costs.

    >>> money(0.0712), money(31.5)
    ('$0.071', '$31.50')
    """
    if usd is None:
        return NOTHING
    return f"${usd:.3f}" if usd < 1 else f"${usd:,.2f}"


def whole(number: float | None) -> str:
    """Return a count, with a thin space between thousands."""
    return NOTHING if number is None else f"{number:,.0f}".replace(",", "\u2009")


def moment(at: datetime | None, zone: str = " UTC") -> Markup:
    """Return a moment in UTC, which every time of day in the console is; a column whose head says so needs no zone."""
    if at is None:
        return Markup(NOTHING)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at.astimezone(UTC):%d %b %H:%M}{zone}"
    )


def seen(value: Any) -> Any:
    """Return a value as any page shows it: text on one line, with whatever could pass for another text written out."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def words_of(text: str) -> list[str]:
    """Return the words that a text has, each once: without punctuation and case.

    >>> words_of("Table? Don\u2019t, table 4!")
    ['table', "don't", '4']
    """
    kept = (
        one if one == STRAIGHT or unicodedata.category(one)[0] in OF_WORDS else " " for one in _plain(text)
    )
    return list(dict.fromkeys(word for one in "".join(kept).split() if (word := one.strip(STRAIGHT))))


def _plain(text: str) -> str:
    """Return a text in small letters, its apostrophes the ones that are typed."""
    return text.lower().replace(CURLED, STRAIGHT)


def marked(text: Any, words: str) -> Markup:
    """Return such text with the words that were looked for marked."""
    said, found = str(seen(text)), words_of(words)
    lower, parts, at = _plain(said), list[Markup](), 0
    if len(lower) != len(
        said
    ):  # letters whose small form is longer: then a place in one is none in the other
        return escape(said)
    while at < len(said):
        hits = [(place, word) for word in found if (place := lower.find(word, at)) >= 0]
        if not hits:
            break
        place, word = min(hits)
        parts += [escape(said[at:place]), Markup("<mark>{}</mark>").format(said[place : place + len(word)])]
        at = place + len(word)
    return Markup("").join([*parts, escape(said[at:])])


def around(text: Any, words: str, most: int = 140) -> str:
    """Return the part of a text where the first of these words stands, as long as a line and of one line of it."""
    lines, found = str(text or "").split("\n"), words_of(words)
    first = next(iter(found), "")
    said = str(seen(next((line for line in lines if first in _plain(line)), lines[0])))
    places = [place for word in found if (place := _plain(said).find(word)) >= 0]
    begin = max(0, min(places, default=0) - most // 3)
    cut = said[begin : begin + most]
    return ("…" if begin else "") + cut + ("…" if begin + most < len(said) else "")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "seconds": seconds, "length": length, "money": money, "whole": whole, "moment": moment, "marked": marked,
    "around": around,
}  # fmt: skip
