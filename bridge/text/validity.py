"""Text made valid where it enters, so that nothing behind it has to think of it again. Pure.

A Python string, and JSON's escapes, can hold half of a surrogate pair: web APIs that cut texts in the middle of an
emoji send it, and no file, socket or database takes it. In its place stands U+FFFD, as in any text that was damaged on
its way.
"""

import re
from typing import Any, Final

REPLACEMENT: Final = "\ufffd"
ESCAPE: Final = re.compile(
    r"\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",  # any other escape: the second of two backslashes begins none
    re.DOTALL,
)
MOST_MENDED: Final = 64 * 2**10
"""Characters of a JSON text, more than either peer sends with words in it: one of nothing but escapes takes 10 ms. A
longer one with halves in it is left to its parser, for which it is no JSON."""

HARMFUL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What no setting has a use for: control characters but tab and the ends of lines, and halves of pairs."""


def valid(text: str) -> str:
    """Return a plain string that every encoding of Unicode can write: lone surrogates are replaced."""
    plain = str.__str__(text)  # of a subclass, which no encoder knows
    if plain.isascii():
        return plain
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def valid_json(text: str) -> str:
    """Return a JSON text whose strings are valid once they are decoded: escapes of lone surrogates are replaced."""
    if len(text) > MOST_MENDED or "\\" not in text:  # as sound, and most else
        return text
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)


def valid_value(value: Any) -> Any:
    """Return a value of plain types with every string in it made valid."""
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, dict):
        return {valid_value(key): valid_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [valid_value(inner) for inner in value]
    return value


def is_harmless(text: str) -> bool:
    """Say whether a setting may hold this: valid, and without control characters."""
    return HARMFUL.search(text) is None
