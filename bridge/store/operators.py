"""What somebody at the daemon did in a call, told in words from its milestones. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Data = Mapping[str, Any]


def _whispered(data: Data) -> str:
    words = f'{data.get("by")} whispers to the agent: "{data.get("text")}"'
    return f"{words}, and wants it answered" if data.get("is_answered") else words


TOLD: Final[Mapping[str, Callable[[Data], str]]] = {
    "listener_came": lambda data: f"{data.get('by')} listens in",
    "listener_left": lambda data: f"{data.get('by')} listens in no more",
    "whispered": _whispered,
    "operator_refused": lambda data: f"{data.get('by')} may not {data.get('wish')}: {data.get('why')}",
    "leave_asked": lambda data: f"{data.get('by')} puts the caller through to {data.get('to')}",
}


def told_of_operator(name: str, data: Data) -> str | None:
    """Return what a milestone tells of somebody at the daemon, None if it is of nobody's doing there."""
    return TOLD[name](data) if name in TOLD and data.get("by") else None
