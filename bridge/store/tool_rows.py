"""A tool call's row in the index: what was asked, what came back and how, and whether the model got it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from bridge.text.validity import valid_json

Row: TypeAlias = dict[str, Any]
_decode = msgspec.json.Decoder().decode

TOLD_OF_A_TOOL: Final[Mapping[str, Callable[[Row], Row]]] = {
    "tool_late": lambda note: {"is_late": True},
    "tool_joined": lambda note: {"joined": note["first"]},
    "tool_delivered": lambda note: {"is_delivered": True},
}
"""What the milestones of one tool call say of its row."""


def tool_row(row: Row) -> Row:
    """Return a tool's row: what was asked, what came back, and whether the model got it."""
    arguments = row.get("arguments") or ""
    return {
        "tool_call_id": row["tool_call_id"],
        "item_id": row.get("item_id"),
        "name": row.get("name"),
        "arguments_raw": arguments,
        "arguments": _as_json(arguments),
        "output": row.get("output", row.get("sent_output")),
        "error_kind": row.get("error_kind"),
        "error": row.get("error"),
        "called_ms": row.get("called_ms"),
        "started_ms": row.get("started_ms"),
        "answered_ms": row.get("answered_ms"),
        "sent_ms": row.get("sent_ms"),
        "is_delivered": bool(row.get("is_delivered")),
        "is_late": bool(row.get("is_late")),
        "joined": row.get("joined"),
    }


def _as_json(text: str) -> Any:
    """Return what a text of arguments says: an object, or nothing that a tool could have been called with."""
    try:
        said = _decode(valid_json(text))
    except (msgspec.DecodeError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
