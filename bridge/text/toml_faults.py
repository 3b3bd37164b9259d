"""What Python's TOML reader says of a table that is there twice, in the words of whoever wrote the file. Pure."""

import re
import tomllib
from ast import literal_eval
from collections.abc import Iterator
from typing import Any, Final

TWICE: Final = re.compile(r"Cannot declare (\(.*\)) twice \(at line (\d+), column \d+\)", re.DOTALL)
HEADER: Final = re.compile(r"\s*(\[\[?[^#]*\])\s*(#.*)?")
PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


def declared_twice(fault: str, text: str) -> str:
    """Return which table a file has twice, and at which lines; nothing if that is not what is wrong with it.

    >>> declared_twice("Cannot declare ('a', 'b') twice (at line 3, column 5)", "[a.b]\\n\\n[a.b]\\n")
    'line 3: the table [a.b] is already there, at line 1; write its keys under that one'
    """
    if (found := TWICE.fullmatch(fault)) is None:
        return ""
    path, line = tuple(literal_eval(found[1])), int(found[2])
    name = ".".join(part if PLAIN.fullmatch(part) else repr(part) for part in path)
    first = next(_headers_of(path, text.split("\n")[: line - 1]), 0)
    where = f"at line {first}" if first else "written in another way"
    return f"line {line}: the table [{name}] is already there, {where}; write its keys under that one"


def _headers_of(path: tuple[str, ...], lines: list[str]) -> Iterator[int]:
    """Yield the numbers of lines that begin this table, however its name is spaced and quoted."""
    for number, line in enumerate(lines, 1):
        if (header := HEADER.fullmatch(line)) is not None and _path_in(header[1]) == path:
            yield number


def _path_in(header: str) -> tuple[str, ...]:
    try:
        within: Any = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while within:
        if isinstance(within, list):
            within = within[0]
        else:
            ((key, within),) = within.items()
            path.append(key)
    return tuple(path)
