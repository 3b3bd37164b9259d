"""Arguments that a tool's schema leaves free: found in its JSON schema, and compared by their words alone. Pure.

Text that no enum, pattern or format binds is free; all else is exact.
"""

from collections.abc import Iterable, Iterator, Mapping
from re import compile as pattern
from typing import Any, Final

BINDING: Final = ("enum", "const", "pattern", "format")
UNIONS: Final = ("anyOf", "oneOf", "allOf")
WORD: Final = pattern(r"[^\W_]+")
DEEPEST: Final = 8
"""Levels of a schema that are looked into; arguments below are exact."""


def free_arguments(tools: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """Return the free arguments of each tool by its name, as `fields_of` names them: ".note", ".guests[].name"."""
    return {
        str(tool.get("name", "")): tuple(_free(tool.get("parameters"), "", 0))
        for tool in tools
        if isinstance(tool, Mapping)
    }


def _free(schema: Any, at: str, depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping) or depth > DEEPEST or any(key in schema for key in BINDING):
        return
    kinds = schema.get("type")
    if "string" in (kinds if isinstance(kinds, list) else [kinds]):
        yield at
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        yield from _free(part, f"{at}.{name}", depth + 1)
    yield from _free(schema.get("items"), f"{at}[]", depth + 1)
    for union in UNIONS:
        for part in schema.get(union) or ():
            yield from _free(part, at, depth + 1)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are compared: no capitals, no punctuation, in their order."""
    return tuple(WORD.findall(text.casefold()))
