"""The tools that the model called in one call: which run, which are not run at all, and what it reads then. Pure."""

from typing import Final

from attrs import define, field

from bridge.heart.prompts import failure_output

NO_MORE: Final = "no more tools in this call; tell the caller what you know, or hang up"
"""Whoever talks the agent into calling a tool again and again gets this, and no more of the tool."""


@define
class ToolCalls:
    """Every call of a tool, by its id; no id is served twice."""

    names: tuple[str, ...]
    most_at_once: int
    most_in_all: int
    running: dict[str, str] = field(factory=dict)
    _called: dict[str, None] = field(factory=dict)

    def is_new(self, call_id: str) -> bool:
        """Note that a tool is called under this id; say whether it is the first time."""
        before = len(self._called)
        self._called[call_id] = None
        return len(self._called) > before

    @property
    def are_too_many(self) -> bool:
        """Say whether there were more than there may be in one call."""
        return len(self._called) > self.most_in_all

    def begin(self, call_id: str, name: str) -> str:
        """Count it among those that run; return the answer of one that is not to be run, or nothing."""
        self.running[call_id] = name
        if self.are_too_many:
            return failure_output("limit", NO_MORE)
        if name not in self.names:
            return failure_output("unknown", "there is no such tool")
        if len(self.running) > self.most_at_once:
            return failure_output("busy", "too many tools at once")
        return ""
