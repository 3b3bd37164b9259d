"""Values as a person finds them in a file of TOML, for sentences about them; pure."""

from datetime import date, time
from typing import Any


def in_toml(value: Any, depth: int = 4) -> str:
    """Return a value as it stands in the file; what lies deeper than `depth` is left out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{repr(value)[1:-1]}"'
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple | dict) and value and not depth:
        return "..."
    if isinstance(value, list | tuple):
        return f"[{', '.join(in_toml(one, depth - 1) for one in value)}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {in_toml(one, depth - 1)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return repr(value)
