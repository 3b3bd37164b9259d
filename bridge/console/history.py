"""The calls that were: the list of them, and what is searched in it."""

from typing import Any, Final

import trio
from attrs import define, field, frozen
from quart import Response, request

from bridge.console.app import HOME, Pages, Paths
from bridge.console.filters import ENDERS, MARKS, SORTS, Filters, read_filters
from bridge.console.live import Watch
from bridge.console.queries import CHOICES, PAGE, calls_page
from bridge.store.messages import Failed, Question, Rows

CHOICES_SECONDS: Final = 60
"""How old what can be chosen from may be: a new tool is in the list a minute later."""


@frozen
class History:
    """A page of calls, as the template shows it."""

    calls: list[dict[str, Any]] = field(factory=list)
    count: int = 0
    next_page: str = ""
    fault: str = ""


@define(eq=False)
class Choices:
    """The agents and tools that there were, asked for now and then."""

    pages: Pages
    _agents: list[str] = field(factory=list)
    _tools: list[str] = field(factory=list)
    _due: float = float("-inf")

    async def lists(self) -> tuple[list[str], list[str]]:
        """Return them."""
        if trio.current_time() >= self._due:
            answer = await self.pages.indexer.read(CHOICES)
            if isinstance(answer, Rows):
                self._due = trio.current_time() + CHOICES_SECONDS
                self._agents = [row["agent"] for row in answer.tables["agents"]]
                self._tools = [row["name"] for row in answer.tables["tools"]]
        return self._agents, self._tools


def add_history(console: Paths, pages: Pages, watch: Watch) -> None:
    """Add the list of calls."""
    choices = Choices(pages)

    @console.get("/calls")
    async def calls() -> Response:
        filters, faults = read_filters(request.args)
        kept = pages.indexer.added  # before the database is asked: what comes in meanwhile is told again
        told: dict[str, Any] = {"filters": filters, "history": await _history(pages, filters), "sorts": SORTS}
        if request.args.get("part") == "history":
            return await pages.page("history.html", **told)
        agents, tools = await choices.lists()
        told |= {"agents": agents, "tools": tools, "enders": ENDERS, "marks": MARKS}
        told |= {"live": await watch.calls(), "others": watch.others()}
        return await pages.page("calls.html", faults=faults, kept=kept, **told)


async def _history(pages: Pages, filters: Filters) -> History:
    answer = await pages.indexer.read(Question({"calls": calls_page(filters)}))
    if isinstance(answer, Failed):
        return History(fault=answer.text)
    calls = answer.tables["calls"]
    last = calls[PAGE - 1] if len(calls) > PAGE else None
    following = filters.address(HOME, after=f"{last['key']}~{last['call_id']}") if last else ""
    return History(calls[:PAGE], calls[0]["count"] if calls else 0, following)
