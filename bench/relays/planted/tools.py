"""The tools of the relay with switches: one is fast, one slow, one fails."""

import json
from typing import Any, Final

import trio

SLOW_SECONDS: Final = 2.5
TOOL_SECONDS: Final = 20

_NOTHING: Final[dict[str, Any]] = {"type": "object", "properties": {}}
DECLARED: Final[list[dict[str, Any]]] = [
    {"type": "function", "name": name, "description": description, "parameters": _NOTHING}
    for name, description in (
        ("opening_hours", "Look up when we are open."),
        ("slow_stock_check", "Ask the warehouse, which takes its time."),
        ("cancel_order", "Cancel the caller's order."),
    )
]


async def run_tool(name: str, arguments: str) -> str:
    """Run one, and return what the model is told of it, whatever comes."""
    with trio.move_on_after(TOOL_SECONDS):
        try:
            return json.dumps(await _result(name, json.loads(arguments or "{}")))
        except ValueError as error:
            return json.dumps({"error": str(error)})
    return json.dumps({"error": "it took too long"})


async def _result(name: str, arguments: object) -> object:
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are no object")
    match name:
        case "opening_hours":
            return {"opens": "09:00", "closes": "18:00"}
        case "slow_stock_check":
            await trio.sleep(SLOW_SECONDS)
            return {"in_stock": 3}
        case "cancel_order":
            raise ValueError("the order has left the house")
    raise ValueError(f"there is no tool {name!r}")
