"""How an agent did: the worst moments of a week, each a link to its second in a call; and the days in curves."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from markupsafe import Markup
from quart import Response, request

from bridge.console.app import Pages, Paths
from bridge.console.filters import ENDERS
from bridge.console.moments import FEW_DAYS, UNKNOWN, by_time, of_days, span_of
from bridge.store.messages import Failed, Question

SECONDS: Final = 5.0
SPANS: Final = ((1, "a day"), (7, "a week"), (30, "a month"), (90, "a quarter"))
SECTIONS: Final = (
    ("waits", "Longest waits", "from the caller's last sound to the answer that they heard", "waited"),
    ("overlaps", "Talked over", "caller and agent were heard at once", "for"),
    ("cut_off", "Cut off", "the agent answered into a pause, and the caller went on", "after"),
    ("tools", "Failed tools", "a tool gave no answer", "took"),
    ("repeated", "Asked again", "the agent asked the same question more than once", "times"),
)
ENDED: Final = {f"by_{one}": one for one in (*ENDERS, UNKNOWN)}
CURVES: Final = ("calls", "failed", *ENDED, "interruptions", "cost_usd", "p50_ms", "p95_ms")
WRONG: Final = 503


def add_quality(console: Paths, pages: Pages) -> None:
    """Add both pages."""

    @console.get("/quality")
    async def quality() -> Response:
        days, agent = _asked(request.args)
        answer = await pages.indexer.read(Question(of_days(days, agent), seconds=SECONDS))
        if isinstance(answer, Failed):
            return await pages.page(
                "quality.html", WRONG, fault=answer.text, days=days, agent=agent, spans=SPANS
            )
        return await pages.page(
            "quality.html", tables=answer.tables, numbers=_first(answer.tables["numbers"]), days=days, agent=agent,
            spans=SPANS, sections=SECTIONS, agents=sorted(pages.snapshot.switchboard.settings.agents),
        )  # fmt: skip

    @console.get("/trends")
    async def trends() -> Response:
        days, agent = _asked(request.args)
        answer = await pages.indexer.read(Question({"times": by_time(days, agent)}, seconds=SECONDS))
        rows = [] if isinstance(answer, Failed) else answer.tables["times"]
        return await pages.page(
            "trends.html", 200 if rows or not isinstance(answer, Failed) else WRONG, rows=rows, days=days, agent=agent,
            spans=SPANS, agents=sorted(pages.snapshot.switchboard.settings.agents), curves=Markup(_curves(rows, days)),
            fault=answer.text if isinstance(answer, Failed) else "", ended=_ended(rows),
        )  # fmt: skip


def _first(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one row, or that of no calls: then there is no database yet."""
    return rows[0] if rows else {"calls": 0}


def _asked(given: Mapping[str, str]) -> tuple[int, str]:
    return span_of(given.get("days")), given.get("agent", "")[:100]


def _ended(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return whoever ended any of these calls: their column and their name."""
    return {column: name for column, name in ENDED.items() if any(row[column] for row in rows)}


def _curves(rows: list[dict[str, Any]], days: int) -> str:
    """Return the days that were asked for and what is drawn of them, as JSON without a letter of anybody's."""
    until = datetime.now(UTC)
    first = (until - timedelta(days)).replace(minute=0, second=0, microsecond=0)
    first = first if days <= FEW_DAYS else first.replace(hour=0)
    axis = {"from": int(first.timestamp()), "until": int(until.timestamp())}
    times = [int(row["moment"].replace(tzinfo=UTC).timestamp()) for row in rows]
    return msgspec.json.encode(
        {**axis, "times": times, **{name: [row[name] for row in rows] for name in CURVES}}
    ).decode()
