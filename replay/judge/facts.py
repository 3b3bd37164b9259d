"""What an agent told its caller as facts: numbers, times, dates and names, each written in one way. Pure.

English words for numbers, times and months are known. Of other languages digits are, and words as they stand: what must
be said can be given in several ways.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from re import compile as pattern
from typing import Final, TypeAlias
from unicodedata import combining, normalize

from attrs import frozen

EVERYBODY: Final = "*"
"""Stands for all callers where facts are listed by caller."""


@frozen
class Fact:
    """Something that must be said, in any of these words."""

    ways: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the words that it goes by."""
        return self.ways[0]


MustSay: TypeAlias = Mapping[str, tuple[Fact, ...]]


def promised(said: Sequence[str], facts: Iterable[Fact]) -> dict[str, bool]:
    """Return for each fact whether it was said, by the words that it goes by."""
    texts = [tokens_of(text) for text in said]
    return {
        fact.name: any(_holds(text, tokens_of(way)) for way in fact.ways for text in texts) for fact in facts
    }


def facts_in(said: Iterable[str]) -> frozenset[str]:
    """Return the numbers, times, dates and names that were said; times of day as a clock has them, by twelve hours."""
    found = (token for text in said for token in tokens_of(text))
    return frozenset(
        _by_twelve(token.text) if token.kind == TIME else token.text
        for token in found
        if token.kind != WORD and token.text != "1"  # "one" is hardly ever a number
    )


# ---------------------------------------------------------------- tokens

WORD, NAME, NUMBER, TIME, DATE, END = "word", "name", "number", "time", "date", "end"


@frozen
class Token:
    """A word as it is compared; the text of a time that may be morning or evening ends with "?"."""

    kind: str
    text: str


PIECE: Final = pattern(
    r"(?P<iso>\d{4}-\d{1,2}-\d{1,2})|(?P<dotted>\d{1,2}\.\d{1,2}\.\d{4})|(?P<clock>\d{1,2}:\d{2})"
    r"|(?P<number>\d{1,15}(?:,\d{3}){0,4}(?:\.\d{1,15})?)(?:st|nd|rd|th)?|(?P<sign>[$€£])|(?P<half>\b[aApP]\.? ?[mM]\b)"
    r"|(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)*)|(?P<end>[.!?:]+)"
)
SIGNS: Final = {"$": "dollar", "€": "euro", "£": "pound"}
COINS: Final = {
    "dollars": "dollar",
    "usd": "dollar",
    "euros": "euro",
    "eur": "euro",
    "pounds": "pound",
    "gbp": "pound",
}
FROM_ZERO: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
FROM_TWENTY: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
FROM_FIRST: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
FROM_JANUARY: Final = "january february march april may june july august september october november december"

SMALL: Final = {word: number for number, word in enumerate(FROM_ZERO.split())}
TENS: Final = {word: 10 * number for number, word in enumerate(FROM_TWENTY.split(), start=2)}
ORDINALS: Final = {word: number for number, word in enumerate(FROM_FIRST.split(), start=1)} | {
    "thirtieth": 30
}
"""Numbers only beside a month: "one second" is no date."""

MONTHS: Final = {month: number for number, month in enumerate(FROM_JANUARY.split(), start=1)}
TITLES: Final = ("mr", "mrs", "ms", "dr", "prof", "st")
"""What a full stop after does not end a sentence."""


def tokens_of(text: str) -> list[Token]:
    """Return the words of a text with what means the same written alike: "seven p.m." is 19:00, "Müller" muller."""
    return list(_read(_pieces(text)))


def _pieces(text: str) -> list[Token]:
    """Return words, numbers and signs one by one; a capital within a sentence makes a name."""
    bare = "".join(letter for letter in normalize("NFKD", text) if not combining(letter))
    found: list[Token] = []
    for match in PIECE.finditer(bare):
        kind, part = match.lastgroup or WORD, match[match.lastgroup or 0]
        if kind == "number" and _ends_in_a_sign(found):
            found[-1:] = [Token(NUMBER, _plain_number(part)), found[-1]]  # "$45" is said as 45 dollars
        elif kind == "number":
            found.append(Token(NUMBER, _plain_number(part)))
        elif kind == "half":
            found.append(Token("half", part[0].casefold() + "m"))
        elif kind == "sign":
            found.append(Token("sign", SIGNS[part]))
        elif kind == WORD:
            found.append(_word(part.replace("\u2019", "'"), is_first=not found or found[-1].kind == END))
        elif kind != END or _text(found, len(found) - 1) not in TITLES:
            found.append(Token(kind, part))
    return found


def _word(part: str, *, is_first: bool) -> Token:
    is_name = part[0].isupper() and not is_first and part.partition("'")[0] != "I"
    word = part.casefold().replace("'", "")
    return Token(NAME if is_name else WORD, COINS.get(word, word))


def _ends_in_a_sign(pieces: Sequence[Token]) -> bool:
    """Say whether a sign of money stands last, and belongs to no number before it."""
    return _kind(pieces, len(pieces) - 1) == "sign" and _kind(pieces, len(pieces) - 2) != NUMBER


def _plain_number(text: str) -> str:
    whole, _, part = text.replace(",", "").partition(".")
    rest = part.rstrip("0")
    return f"{int(whole)}.{rest}" if rest else str(int(whole))


def _read(pieces: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens: at each place the first reading that holds."""
    at = 0
    while at < len(pieces):
        token, taken = next(
            found for read in (_date, _time, _number, _as_it_stands) if (found := read(pieces, at))
        )
        if token is not None:
            yield token
        at += taken


Reading: TypeAlias = tuple[Token | None, int] | None
"""What was read, and how many pieces it took."""


def _text(pieces: Sequence[Token], at: int) -> str:
    return pieces[at].text.casefold() if 0 <= at < len(pieces) else ""


def _kind(pieces: Sequence[Token], at: int) -> str:
    return pieces[at].kind if 0 <= at < len(pieces) else ""


def _as_it_stands(pieces: Sequence[Token], at: int) -> Reading:
    piece = pieces[at]
    if piece.kind == END:
        return None, 1
    return Token(piece.kind if piece.kind in (WORD, NAME, NUMBER) else WORD, piece.text), 1


# ---------------------------------------------------------------- numbers


def _number(pieces: Sequence[Token], at: int) -> Reading:
    found = _count(pieces, at)
    return (Token(NUMBER, str(found[0])), found[1]) if found else None


def _count(pieces: Sequence[Token], at: int) -> tuple[int, int] | None:
    """Return the whole number that is written out at a place, and how many words it takes."""
    total, taken = 0, 0
    while found := _below_hundred(pieces, at + taken):
        value, words = found
        unit = _text(pieces, at + taken + words)
        taken += words
        if unit not in ("hundred", "thousand"):
            return total + value, taken
        total, taken = (total + value * (100 if unit == "hundred" else 1000)), taken + 1
        if _text(pieces, at + taken) == "and" and _below_hundred(pieces, at + taken + 1):
            taken += 1
    return (total, taken) if taken else None


def _below_hundred(pieces: Sequence[Token], at: int) -> tuple[int, int] | None:
    word = _text(pieces, at)
    if _kind(pieces, at) not in (WORD, NAME):
        return None
    if word == "a" and _text(pieces, at + 1) in ("hundred", "thousand"):
        return 1, 1
    if word in TENS:
        unit = SMALL.get(_text(pieces, at + 1), 0)
        return (TENS[word] + unit, 2) if 0 < unit < 10 else (TENS[word], 1)
    return (SMALL[word], 1) if word in SMALL else None


# ---------------------------------------------------------------- times


def _time(pieces: Sequence[Token], at: int) -> Reading:
    if (word := _text(pieces, at)) in ("noon", "midnight"):
        return Token(TIME, "12:00" if word == "noon" else "0:00"), 1
    if word in ("half", "quarter") and _text(pieces, at + 1) in ("past", "to"):
        return _beside_hour(pieces, at)
    found = _hour_and_minute(pieces, at)
    if found is None:
        return None
    hour, minute, taken, is_time = found
    if _kind(pieces, at + taken) == "half":
        return _clock(hour, minute, _text(pieces, at + taken)), taken + 1
    if _text(pieces, at + taken) == "oclock":
        return _clock(hour, minute), taken + 1
    return (_clock(hour, minute, is_sure=pieces[at].text.startswith("0")), taken) if is_time else None


def _hour_and_minute(pieces: Sequence[Token], at: int) -> tuple[int, int, int, bool] | None:
    """Return what may be an hour and a minute, how many pieces they take, and whether they can be nothing else."""
    if _kind(pieces, at) == "clock":
        hour, minute = map(int, pieces[at].text.split(":"))
        return (hour, minute, 1, True) if hour < 24 and minute < 60 else None
    first = _whole(pieces, at)
    if first is None or first[0] > 12:
        return None
    second = _whole(pieces, at + first[1])
    if second is not None and 10 <= second[0] < 60:
        taken = first[1] + second[1]
        is_said = NUMBER not in (_kind(pieces, at), _kind(pieces, at + first[1]))  # "seven thirty"
        if is_said or _kind(pieces, at + taken) == "half":
            return first[0], second[0], taken, is_said
    return first[0], 0, first[1], False


def _whole(pieces: Sequence[Token], at: int) -> tuple[int, int] | None:
    if _kind(pieces, at) == NUMBER and pieces[at].text.isdecimal():
        return int(pieces[at].text), 1
    return _count(pieces, at)


def _beside_hour(pieces: Sequence[Token], at: int) -> Reading:
    """Read "half past seven" and "quarter to eight"."""
    found = _whole(pieces, at + 2)
    if found is None or not 1 <= found[0] <= 12:
        return None
    minutes = 30 if _text(pieces, at) == "half" else 15
    hour = found[0] if _text(pieces, at + 1) == "past" else (found[0] - 1) or 12
    minute = minutes if _text(pieces, at + 1) == "past" else 60 - minutes
    after = at + 2 + found[1]
    if _kind(pieces, after) == "half":
        return _clock(hour, minute, _text(pieces, after)), after + 1 - at
    return _clock(hour, minute), after - at


def _clock(hour: int, minute: int, half: str = "", *, is_sure: bool = False) -> Token:
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    is_open = not half and not is_sure and 1 <= hour <= 12
    return Token(TIME, f"{hour}:{minute:02d}{'?' if is_open else ''}")


def _by_twelve(time: str) -> str:
    hour, _, minute = time.rstrip("?").partition(":")
    return f"{int(hour) % 12}:{minute}"


# ---------------------------------------------------------------- dates


def _date(pieces: Sequence[Token], at: int) -> Reading:
    """Read a day of a month, in either order, and pass over its year: it is hardly ever said."""
    if _kind(pieces, at) in ("iso", "dotted"):
        return _written_date(pieces[at])
    found = _month_first(pieces, at) or _day_first(pieces, at)
    if found is None:
        return None
    month, day, taken = found
    year = pieces[at + taken].text if _kind(pieces, at + taken) == NUMBER else ""
    return _day_of(month, day), taken + (len(year) == 4 and year.startswith(("19", "20")))


def _month_first(pieces: Sequence[Token], at: int) -> tuple[int, int, int] | None:
    """Return month, day, and how many pieces they take."""
    month = MONTHS.get(_text(pieces, at), 0)
    after = at + 1 + (_text(pieces, at + 1) == "the")
    day = _day(pieces, after) if month else None
    return (month, day[0], after + day[1] - at) if day else None


def _day_first(pieces: Sequence[Token], at: int) -> tuple[int, int, int] | None:
    day = _day(pieces, at)
    if day is None:
        return None
    after = at + day[1] + (_text(pieces, at + day[1]) == "of")
    month = MONTHS.get(_text(pieces, after), 0)
    return (month, day[0], after + 1 - at) if month else None


def _written_date(piece: Token) -> Reading:
    parts = list(map(int, piece.text.replace(".", "-").split("-")))
    month, day = (parts[1], parts[2]) if piece.kind == "iso" else (parts[1], parts[0])
    return _day_of(month, day), 1


def _day_of(month: int, day: int) -> Token:
    return Token(DATE, f"{month:02d}-{day:02d}")


def _day(pieces: Sequence[Token], at: int) -> tuple[int, int] | None:
    if word := ORDINALS.get(_text(pieces, at)):
        return word, 1
    tens = TENS.get(_text(pieces, at), 0)
    if tens in (20, 30) and (unit := ORDINALS.get(_text(pieces, at + 1), 0)) in range(1, 10):
        return tens + unit, 2
    found = _whole(pieces, at)
    return found if found and 1 <= found[0] <= 31 else None


# ---------------------------------------------------------------- comparing


def _holds(text: Sequence[Token], wanted: Sequence[Token]) -> bool:
    """Say whether words stand in a text, one after the other."""
    length = len(wanted)
    return length > 0 and any(
        all(map(_is_same, text[at : at + length], wanted)) for at in range(len(text) - length + 1)
    )


def _is_same(one: Token, other: Token) -> bool:
    if one.kind == other.kind == TIME and (one.text.endswith("?") or other.text.endswith("?")):
        return _by_twelve(one.text) == _by_twelve(other.text)
    return one.text == other.text
