"""Tools of MCP servers, which the model's service calls by itself: what its messages say of each. Pure.

Which of them come, and in which order, is the service's own; the last one that says something holds.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]
Message: TypeAlias = Mapping[str, Any]

ITEMS: Final = frozenset(
    {
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.added",
        "response.output_item.done",
    }
)
"""What carries a whole item; that of a tool of an MCP server has its answer in itself."""

STEPS: Final[Mapping[str, Callable[[int, Message], Row]]] = {
    "response.mcp_call_arguments.done": lambda t_ms, message: {"arguments": message["arguments"]},
    "response.mcp_call.in_progress": lambda t_ms, message: {"started_ms": t_ms},
    "response.mcp_call.completed": lambda t_ms, message: {"answered_ms": t_ms, "is_delivered": True},
    "response.mcp_call.failed": lambda t_ms, message: {"answered_ms": t_ms, "error_kind": "failed"},
}


def remote_row(kind: str, t_ms: int, message: Message) -> Row | None:
    """Return what a message says of the row of such a tool; None of a message about anything else."""
    if kind in STEPS:
        item_id = _text(message["item_id"])
        return {"tool_call_id": item_id, "item_id": item_id, **STEPS[kind](t_ms, message)}
    item = message.get("item") if kind in ITEMS else None
    return _of_item(item) if isinstance(item, dict) and item.get("type") == "mcp_call" else None


def _of_item(item: Message) -> Row:
    item_id, name = _text(item["id"]), f"{_text(item['server_label'])}.{_text(item['name'])}"
    told = {name: item.get(name) for name in ("arguments", "output")} | {"error": _error_of(item)}
    said = {name: _text(value) for name, value in told.items() if value}
    return {"tool_call_id": item_id, "item_id": item_id, "name": name, **said}


def _error_of(item: Message) -> Any:
    error = item.get("error")
    return error.get("message") or error.get("type") if isinstance(error, dict) else error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
