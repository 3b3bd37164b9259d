"""The tools that a bridge declares to the model, and arguments with which the model may call them. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final

EXITS: Final = re.compile(
    r"hang.?up|end.*(call|conversation|session)|transfer|forward|good.?bye|escalat|handoff|voicemail|call_human",
    re.I,
)
"""Tools that may end the call are left alone: nothing could be told after them."""
DEEPEST: Final = 5
_SIMPLE: Final[dict[str, Any]] = {"string": "x", "integer": 1, "number": 1, "boolean": True, "null": None}


def usable(tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that are functions and end no call, in the order in which they were declared."""
    return [
        tool
        for tool in tools
        if tool.get("type") == "function" and tool.get("name") and not EXITS.search(str(tool["name"]))
    ]


def arguments_for(tool: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that a tool's schema allows: what is required, the first choice where there are some."""
    value = _value_for(tool.get("parameters") or {}, DEEPEST)
    return value if isinstance(value, dict) else {}


def _value_for(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return "x"
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _value_for(schema[key][0], depth - 1)
    return _value_of(schema, depth)


def _value_of(schema: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "array":
        return [_value_for(schema.get("items"), depth - 1)] if schema.get("minItems") else []
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    known = schema.get("properties") or {}
    return {name: _value_for(known.get(name), depth - 1) for name in schema.get("required") or ()}
