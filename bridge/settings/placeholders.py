"""Placeholders in what an agent is told and says first: which there are, and what stands there in one call. Pure.

`{date}` is filled, `{{date}}` is written as `{date}`, and braces round anything else than a name are left alone: JSON
in instructions needs no care.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bridge.checks import Wrong, nearest
from bridge.text.validity import is_harmless

KNOWN: Final = ("caller", "called", "date", "time", "weekday", "agent")
OWN: Final = "var."
"""Before the name of a variable of the agent's own."""

VARIABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
MOST_VARIABLES: Final = 50
MOST_CHARACTERS: Final = 2000

_NAME: Final = r"([A-Za-z_][\w.-]*)"
_FOUND: Final = re.compile(rf"\{{\{{{_NAME}\}}\}}|\{{{_NAME}\}}")


def names_in(text: str) -> Iterator[str]:
    """Yield the name of each placeholder in a text."""
    return (found[2] for found in _FOUND.finditer(text) if found[2])


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its placeholders filled; what has no value stays as it is, and no value is filled again."""

    def instead(found: re.Match[str]) -> str:
        return f"{{{found[1]}}}" if found[1] else values.get(found[2], found[0])

    return _FOUND.sub(instead, text)


def unknown_in(text: str, variables: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with each placeholder that nothing fills, and what to write instead."""
    names = list(variables)
    for name in dict.fromkeys(names_in(text)):
        own = name.removeprefix(OWN)
        if own != name and own not in names:
            yield f"{{{name}}}: no such variable; {_declare(own, names)}"
        elif own == name and name not in KNOWN:
            known = [*KNOWN, *(OWN + one for one in names)]
            meant = f"(where it is meant as it stands: {{{{{name}}}}})"
            yield f"{{{name}}}: no such placeholder; {nearest(name, known)} {meant}"


def _declare(name: str, names: list[str]) -> str:
    add = f'add {name} = "" to its table of variables'
    return f"{nearest(name, names)} Or {add}" if names else add


def variables(value: Any) -> Mapping[str, str]:
    """Accept a table of the agent's own variables, each with what stands there where a call brings nothing else."""
    if not isinstance(value, Mapping):
        raise Wrong('a table such as { table = "12" }')
    if len(value) > MOST_VARIABLES:
        raise Wrong(f"{MOST_VARIABLES} variables at most; these are {len(value)}")
    if wrong := next((name for name, text in value.items() if not _is_pair((name, text))), None):
        raise Wrong(_what_to_use(wrong, value[wrong]))
    return dict(value)


def _what_to_use(name: str, text: Any) -> str:
    """Return what variables are, and which one is none."""
    if VARIABLE.fullmatch(name) is None:
        return f'names of a-z, 0-9 and "_" that begin with a letter, 32 characters at most: "{name[:40]}" is none'
    if not isinstance(text, str):
        return f'texts: {name} = "..." in quotes'
    if len(text) > MOST_CHARACTERS:
        return f"texts of {MOST_CHARACTERS} characters at most: {name} has {len(text)}"
    return f"texts without control characters: {name} has some"


def _is_pair(pair: tuple[Any, Any]) -> bool:
    name, text = pair
    is_named = isinstance(name, str) and VARIABLE.fullmatch(name) is not None
    return is_named and isinstance(text, str) and len(text) <= MOST_CHARACTERS and is_harmless(text)
