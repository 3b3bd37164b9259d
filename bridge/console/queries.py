"""The questions of the pages, as SQL with its values: pages by key, so that the last costs what the first did. Pure."""

import re
from typing import Any, Final

from bridge.console.filters import Filters
from bridge.store.messages import Question

PAGE: Final = 50
MOST_WORDS: Final = 8
MOST_EXPORTED: Final = 1_000_000
Query = tuple[str, tuple[Any, ...]]

KEYS: Final = {
    "newest": "epoch_us(c.started_at)",
    "slowest": "coalesce(c.longest_wait_ms, -1)",
    "interrupted": "coalesce(c.interruptions, 0)",
    "longest": "coalesce(c.duration_ms, 0)",
    "dearest": "coalesce(cast(round(c.cost_usd * 1000000) as bigint), 0)",
}
"""What each order sorts by: a whole number, so that it can stand in an address."""

FAILED: Final = "(c.ended_by = 'bridge' or c.is_torn or c.failed_tool_calls > 0)"
MARKS: Final = (
    "select call_id, arg_max(mark, position) as mark, arg_max(label, position) as label "
    "from marks group by call_id"
)
MARKED: Final = {
    "any": "c.call_id in (select call_id from marks)",
    "none": "c.call_id not in (select call_id from marks)",
    "good": f"c.call_id in (select call_id from ({MARKS}) where mark = 'good')",
    "bad": f"c.call_id in (select call_id from ({MARKS}) where mark = 'bad')",
}
"""By what was said of them last."""

SHOWN: Final = (
    "c.call_id, c.agent, c.model, c.from_number, c.to_number, c.started_at, c.ended_by, c.why, c.duration_ms, c.turns, "
    "c.interruptions, c.tool_calls, c.failed_tool_calls, c.longest_wait_ms, c.cost_usd, c.cost_without, c.is_torn, "
    "c.is_outgoing, c.outcome"
)


def narrowed(filters: Filters) -> Query:
    """Return the calls that are meant, `c` with `hit.words` if something said is looked for; in no order.

    What was said is read once, whatever else is asked of it: that is nearly all of what a search costs.
    """
    clauses, values = _clauses(filters)
    patterns = [f"%{_plain(word)}%" for word in filters.words.split()[:MOST_WORDS]]
    said = " and ".join("said ilike ? escape '\\'" for _ in patterns)
    hits = f"join (select call_id, arg_min(said, position) as words from transcript where {said} group by call_id) hit"
    sql = f"from calls c {hits + ' using (call_id)' if patterns else ''} where {' and '.join(clauses) or 'true'}"
    return sql, (*patterns, *values)


def _plain(word: str) -> str:
    """Return a word whose signs mean themselves."""
    return re.sub(r"([\\%_])", r"\\\1", word)


def _clauses(filters: Filters) -> tuple[list[str], list[Any]]:
    """Return what narrows the calls, but for what was said."""
    given: list[tuple[Any, str, Any]] = [
        (filters.agent, "c.agent = ?", filters.agent),
        (filters.ended_by, "c.ended_by = ?", filters.ended_by),
        (filters.since, "c.started_at >= cast(? as date)", filters.since),
        (filters.until, "c.started_at < cast(? as date) + 1", filters.until),
        (filters.longer is not None, "c.duration_ms > ?", (filters.longer or 0) * 1000),
        (filters.dearer is not None, "c.cost_usd > ?", filters.dearer),
        (filters.waited is not None, "c.longest_wait_ms > ?", (filters.waited or 0) * 1000),
        (filters.tool, "c.call_id in (select call_id from tool_calls where name = ?)", filters.tool),
        (filters.number, "contains(if(c.is_outgoing, c.to_number, c.from_number), ?)", filters.number),
    ]
    clauses = [clause for is_given, clause, _ in given if is_given]
    values = [value for is_given, _, value in given if is_given]
    clauses += ["c.interruptions > 0"] if filters.interrupted else []
    clauses += [FAILED] if filters.failed else []
    clauses += [MARKED[filters.marked]] if filters.marked else []
    return clauses, values


def place_after(filters: Filters) -> tuple[int, str] | None:
    """Return where a page begins: behind this key, and this call of those that have it."""
    key, _, call_id = filters.after.partition("~")
    digits = key.removeprefix("-")
    is_number = digits.isascii() and digits.isdecimal() and len(digits) < 19
    return (int(key), call_id) if is_number and call_id else None


def calls_page(filters: Filters) -> Query:
    """Return one page of calls and the first of the next, each with its `key` and `words`, and how many there are."""
    sql, values = narrowed(filters)
    words = "hit.words" if filters.words.split() else "c.opening_words"
    after = place_after(filters)
    behind = "where (key, call_id) < (?, ?)" if after else ""
    page = f"""
        with chosen as materialized (select c.call_id, {KEYS[filters.sort]} as key, {words} as words {sql}),
        page as (select * from chosen {behind} order by key desc, call_id desc limit {PAGE + 1})
        select {SHOWN}, page.key, page.words, m.mark, m.label, (select count(*) from chosen) as count
        from page join calls c using (call_id) left join ({MARKS}) m using (call_id)
        order by page.key desc, c.call_id desc"""
    return page, (*values, *(after or ()))


COLUMNS: Final = (
    "call_id", "started_at", "agent", "model", "from_number", "to_number", "is_outgoing", "outcome", "duration_ms",
    "ended_by", "why", "turns", "interruptions", "longest_wait_ms", "first_audio_heard_ms", "tool_calls",
    "failed_tool_calls", "cost_usd", "opening_words",
)  # fmt: skip
OF_STRANGERS: Final = ("from_number", "to_number", "why", "opening_words")
FORMULA, NUMBER = r"^[=+@\t\r-]", r"^[+-]?[0-9 ().-]*$"
HARMLESS: Final = "if(regexp_matches({0}, ?) and not regexp_matches({0}, ?), chr(39) || {0}, {0}) as {0}"
"""What a sheet would take for a formula, and is no number, begins with an apostrophe."""


def exported(filters: Filters, *, is_for_sheets: bool) -> Query:
    """Return all calls that are meant, the newest first; for sheets without text that one would carry out."""
    sql, values = narrowed(filters)
    strange = OF_STRANGERS if is_for_sheets else ()
    columns = [HARMLESS.format(name) if name in strange else f"c.{name}" for name in COLUMNS]
    order = f"order by started_at desc, call_id limit {MOST_EXPORTED}"
    return f"select {', '.join(columns)} {sql} {order}", (*[FORMULA, NUMBER] * len(strange), *values)


CHOICES: Final = Question(
    {
        "agents": ("select distinct agent from calls where agent is not null order by 1 limit 200", ()),
        "tools": ("select distinct name from tool_calls where name is not null order by 1 limit 200", ()),
    }
)
"""What can be chosen from: the agents and the tools that there were."""


def one_call(call_id: str) -> Question:
    """Return what the page of a call asks."""
    transcript = "select * from transcript where call_id = ? order by position"
    return Question(
        {
            "call": ("select * exclude (counts) from calls where call_id = ?", (call_id,)),
            "transcript": (transcript, (call_id,)),
            "tool_calls": ("select * from tool_calls where call_id = ? order by position", (call_id,)),
            "marks": ("select * from marks where call_id = ? order by position", (call_id,)),
        }
    )
