"""The tools that the model called in one call: which run, which are not run at all, and what it reads then. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from bridge.heart.prompts import failure_output
from bridge.tool_rules import NO_RULE, ToolRule, canonical

NO_MORE: Final = "no more tools in this call; tell the caller what you know, or hang up"
"""Whoever talks the agent into calling a tool again and again gets this, and no more of the tool."""

NEVER_RAN: Final = frozenset({"arguments", "busy", "limit"})
"""Failures of which it is known that nothing was done. Who raised in the middle, or took too long, may have done it."""


@define
class FirstCall:
    """The call of a tool that is run once, and those that came after it with the same arguments."""

    call_id: str
    output: str | None = None
    joined: list[str] = field(factory=list)
    """They wait for what it answers."""


@define
class ToolCalls:
    """Every call of a tool, by its id; no id is served twice."""

    schemas: Mapping[str, Mapping[str, Any]]
    """The parameters of each tool that there is, by its name."""
    most_at_once: int
    most_in_all: int
    rules: Mapping[str, ToolRule] = field(factory=dict)
    running: dict[str, str] = field(factory=dict)
    """The model waits for what these answer."""
    late: dict[str, str] = field(factory=dict)
    """These run too; the model was told that their results come later."""
    untold: dict[str, str] = field(factory=dict)
    """Late ones whose results the model has, and has not spoken since."""
    _called: dict[str, None] = field(factory=dict)
    _first: dict[tuple[str, str], FirstCall] = field(factory=dict)

    def is_new(self, call_id: str) -> bool:
        """Note that a tool is called under this id; say whether it is the first time."""
        before = len(self._called)
        self._called[call_id] = None
        return len(self._called) > before

    @property
    def are_too_many(self) -> bool:
        """Say whether there were more than there may be in one call."""
        return len(self._called) > self.most_in_all

    @property
    def are_under_way(self) -> bool:
        """Say whether something is still to come of any."""
        return bool(self.running or self.late)

    def begin(self, call_id: str, name: str) -> str:
        """Count it among those that run; return the answer of one that is not to be run, or nothing."""
        self.running[call_id] = name
        if self.are_too_many:
            return failure_output("limit", NO_MORE)
        if name not in self.schemas:
            return failure_output("unknown", "there is no such tool")
        if len(self.running) + len(self.late) > self.most_at_once:
            return failure_output("busy", "too many tools at once")
        return ""

    def rule(self, name: str) -> ToolRule:
        """Return what a tool says of how it is run."""
        return self.rules.get(name, NO_RULE)

    def is_cancellable(self, call_id: str) -> bool:
        """Say whether this call of a tool may be cancelled while it runs."""
        return self.rule(self.running.get(call_id, "")).cancellable

    def put_off(self, call_id: str) -> None:
        """Let the model wait no longer for this one: its result comes late."""
        self.late[call_id] = self.running.pop(call_id)

    # ------------------------------------------------------------ tools that run once

    def first_of(self, call_id: str, name: str, arguments: str) -> FirstCall | None:
        """Return the call that this one is the same as; None, and remember it, where it is the first."""
        if not self.rule(name).once:
            return None
        same = (name, canonical(arguments, self.schemas.get(name, {})))
        found = self._first.setdefault(same, FirstCall(call_id))
        return None if found.call_id == call_id else found

    def settle(self, call_id: str, output: str, failed: str = "") -> list[str]:
        """Keep what a call has answered for those that are the same; return those that wait for it.

        One that never ran is forgotten, and the next is the first.
        """
        same = next((same for same, first in self._first.items() if first.call_id == call_id), None)
        if same is None:
            return []
        first = self._first[same]
        if failed in NEVER_RAN:
            del self._first[same]
        elif first.output is None:
            first.output = output
        joined, first.joined = first.joined, []
        return joined
