"""The questions of the pages, as SQL with its values: pages by key, so that the last costs what the first did. Pure."""

from typing import Any, Final

from bridge.console.filters import Filters
from bridge.console.words import CURLED, STRAIGHT, words_of
from bridge.store.messages import Question

PAGE: Final = 50
BEFORE, AROUND = 200, 600
"""Letters of a call around the word that was looked for: the page shows the line that it stands in."""

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

LABELLED: Final = f"c.call_id in (select call_id from ({MARKS}) where contains(lower(label), lower(?)))"

SHOWN: Final = (
    "c.call_id, c.agent, c.model, c.from_number, c.to_number, c.started_at, c.ended_by, c.why, c.duration_ms, c.turns, "
    "c.interruptions, c.tool_calls, c.failed_tool_calls, c.longest_wait_ms, c.cost_usd, c.cost_without, c.is_torn, "
    "c.is_outgoing, c.outcome"
)


def narrowed(filters: Filters) -> Query:
    """Return the calls that are meant, `c`; in no order."""
    clauses, values = _clauses(filters)
    words = words_of(filters.words)[:MOST_WORDS]
    said = [f"contains({_lowered(word)}, ?)" for word in words]
    spoken = "join spoken s using (call_id)" if words else ""
    sql = f"from calls c {spoken} where {' and '.join([*said, *clauses]) or 'true'}"
    return sql, (*words, *values)


def _lowered(word: str) -> str:
    """Return where a word is looked for: with either apostrophe, if it has one."""
    is_either = STRAIGHT in word
    return f"replace(s.lowered, chr({ord(CURLED)}), chr({ord(STRAIGHT)}))" if is_either else "s.lowered"


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
        (filters.label, LABELLED, filters.label),
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
    words, row, spoken, word = _spoken_on_page(filters)
    after = place_after(filters)
    behind = "where (key, call_id) < (?, ?)" if after else ""
    page = f"""
        with chosen as materialized (select c.call_id, {row} as row, {KEYS[filters.sort]} as key {sql}),
        page as materialized (select * from chosen {behind} order by key desc, call_id desc limit {PAGE + 1})
        select {SHOWN}, page.key, {words} as words, m.mark, m.label, (select count(*) from chosen) as count
        from page join calls c using (call_id) {spoken} left join ({MARKS}) m using (call_id)
        order by page.key desc, c.call_id desc"""
    return page, (*values, *(after or ()), *word)


COLUMNS: Final = (
    "call_id", "started_at", "agent", "model", "from_number", "to_number", "is_outgoing", "outcome", "duration_ms",
    "ended_by", "why", "turns", "interruptions", "longest_wait_ms", "first_audio_heard_ms", "tool_calls",
    "failed_tool_calls", "cost_usd", "opening_words", "mark", "label",
)  # fmt: skip
OF_STRANGERS: Final = ("from_number", "to_number", "why", "opening_words", "label")
FORMULA, NUMBER = r"^[=+@\t\r-]", r"^[+-]?[0-9 ().-]*$"
HARMLESS: Final = "if(regexp_matches({0}, ?) and not regexp_matches({0}, ?), chr(39) || {0}, {0}) as {0}"
"""What a sheet would take for a formula, and is no number, begins with an apostrophe."""


def exported(filters: Filters, *, is_for_sheets: bool) -> Query:
    """Return all calls that are meant, the newest first; for sheets without text that one would carry out."""
    sql, values = narrowed(filters)
    strange = OF_STRANGERS if is_for_sheets else ()
    columns = [HARMLESS.format(name) if name in strange else name for name in COLUMNS]
    marked = f"from (select c.* {sql}) left join ({MARKS}) using (call_id)"
    order = f"order by started_at desc, call_id limit {MOST_EXPORTED}"
    return f"select {', '.join(columns)} {marked} {order}", (*[FORMULA, NUMBER] * len(strange), *values)


def _spoken_on_page(filters: Filters) -> tuple[str, str, str, tuple[str, ...]]:
    """Return the words that stand for a call, in which row they are, its table, and a value: those around what was
    looked for. By its number a row is found again without reading the others.
    """
    words = words_of(filters.words)
    if not words:
        return "c.opening_words", "null", "", ()
    around = f"substring(s.said, greatest(1, strpos({_lowered(words[0])}, ?) - {BEFORE}), {AROUND})"
    return around, "s.rowid", "join spoken s on s.rowid = page.row", (words[0],)


CHOICES: Final = Question(
    {
        "agents": ("select distinct agent from calls where agent is not null order by 1 limit 200", ()),
        "tools": ("select distinct name from tool_calls where name is not null order by 1 limit 200", ()),
    }
)
"""What can be chosen from: the agents and the tools that there were."""


def one_call(call_id: str) -> Question:
    """Return what the console itself shows on the page of a call."""
    return Question(
        {
            "call": ("select * exclude (counts) from calls where call_id = ?", (call_id,)),
            "marks": ("select * from marks where call_id = ? order by position", (call_id,)),
        }
    )
