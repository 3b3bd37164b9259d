"""How deeply JSON may be nested: what is deeper breaks who reads it later, at a depth that nobody can tell. Pure."""

import re
from typing import Final

MOST_DEEP: Final = 100
"""A tool's schema within a session within a message takes twenty."""

TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|[\]}]', re.DOTALL)


def is_too_deep(text: str) -> bool:
    """Say whether a JSON text is nested more deeply than any message is."""
    if text.count("[") + text.count("{") <= MOST_DEEP:
        return False
    depth = 0
    for found in TOKEN.finditer(text):
        if found[1]:
            depth += 1
        elif not found[0].startswith('"'):
            depth -= 1
        if depth > MOST_DEEP:
            return True
    return False
