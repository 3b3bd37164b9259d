"""The spend cap: what the call has cost so far is counted as its record counts it, and the call ends while there is
still money for a goodbye. Pure.
"""

from typing import Any, Final

from attrs import define

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.limits.goodbye import Goodbye
from bridge.heart.parts.farewell import Farewell
from bridge.usage import Spent

REACHED: Final = "spend cap reached"


@define
class Spending:
    """Decides on what the call has cost; without a cap, and without a price, nothing."""

    agent: Agent
    decisions: Decisions
    goodbye: Goodbye
    farewell: Farewell
    spent: Spent
    _dearest: float = 0.0
    """What the dearest response has cost: the next one may cost as much, for the whole conversation is read again."""
    _is_warned: bool = False
    _is_reached: bool = False

    def responded(self, usage: Any) -> None:
        """Take account of a response."""
        before = self.spent.model_usd or 0.0
        if not self.spent.add_response(usage):
            return self.decisions.journal.count("spend cap: a usage that can't be read")
        self._dearest = max(self._dearest, (self.spent.model_usd or 0.0) - before)
        self._look()

    def transcribed(self, usage: Any) -> None:
        """Take account of a transcript."""
        self.spent.transcribed.add(usage)
        self._look()

    def _look(self) -> None:
        cap, usd = self.agent.limits.spend_cap_usd, self.spent.usd
        if not cap:
            return
        if not self._is_warned and usd * 100 >= cap * self.agent.limits.spend_warn_percent:
            self._is_warned = True
            self.decisions.journal.count("spend cap: near", usd=usd, cap_usd=cap)
        if not self._is_reached and usd + self._dearest >= cap:
            self._is_reached = True
            self.decisions.journal.count("spend cap: reached", usd=usd, cap_usd=cap)
            say, ms = self.agent.goodbye_sentence.text, self.agent.limits.goodbye_seconds * 1000
            self.goodbye.ask("limit", REACHED, say, ms)
        elif self._is_reached and usd >= cap and self.goodbye.is_made:
            self.farewell.is_closing = True  # what is said may be heard, and nothing more is made
